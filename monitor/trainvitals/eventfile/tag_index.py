"""Which tag stands in each of many rows, for all tags of one length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainvitals.eventfile.wire import Unsupported

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainvitals.eventfile.tag_dictionary import TagDictionary

_SLOT_BITS = 16
_WORD_SIZE = 8
# Any odd number that mixes well; this one is 2**64 divided by the golden ratio.
_MULTIPLIER = 0x9E3779B97F4A7C15
UNKNOWN = -1


class TagIndex:
    """Looks tags up by a hash of their bytes, eight at a time, and compares all bytes of what it finds.

    Args:
        tags: where new tags get their codes.
        tag_size: length of the tags in bytes, at least 1.
    """

    def __init__(self, tags: TagDictionary, tag_size: int) -> None:
        self._tags = tags
        self._tag_size = tag_size
        self._word_count = -(-tag_size // _WORD_SIZE)
        self._entry_of_slot = np.full(1 << _SLOT_BITS, UNKNOWN, np.int32)
        # The last entry matches nothing that is looked up under a free slot: its code says so.
        self._codes = np.array([UNKNOWN], np.int32)
        self._words = np.zeros((self._word_count, 1), np.uint64)

    def codes(self, rows: NDArray[np.uint8], at: int) -> NDArray[np.int32]:
        """``[n]`` the code of the tag that begins at byte ``at`` of each row; ``UNKNOWN`` where it is not UTF-8.

        Args:
            rows: ``[n, W]``, contiguous.
        """
        words = [self._word(rows, at + _WORD_SIZE * i, at + self._tag_size) for i in range(self._word_count)]
        slot = _slots(words)
        codes, found = self._look_up(words, slot)
        if found.all():
            return codes
        missed = np.flatnonzero(~found)
        for row in missed[np.unique(slot[missed], return_index=True)[1]].tolist():
            self._register(rows[row, at : at + self._tag_size].tobytes(), int(slot[row]), [word[row] for word in words])
        codes[missed], found[missed] = self._look_up([word[missed] for word in words], slot[missed])
        # What is still missed shares its slot with another tag, or is no tag at all.
        for row in np.flatnonzero(~found).tolist():
            codes[row] = self._code(rows[row, at : at + self._tag_size].tobytes())
        return codes

    def _look_up(
        self, words: list[NDArray[np.uint64]], slot: NDArray[np.uint16]
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        entry = self._entry_of_slot[slot]
        codes = self._codes[entry]
        found = codes != UNKNOWN
        for word, known in zip(words, self._words, strict=True):
            found &= known[entry] == word
        return codes, found

    def _register(self, raw: bytes, slot: int, words: list[np.uint64]) -> None:
        code = self._code(raw)
        if code == UNKNOWN or self._entry_of_slot[slot] != UNKNOWN:
            return
        self._entry_of_slot[slot] = len(self._codes) - 1
        self._codes = np.insert(self._codes, -1, code)
        self._words = np.insert(self._words, -1, words, axis=1)

    def _code(self, raw: bytes) -> int:
        try:
            return self._tags.code(raw)
        except Unsupported:
            return UNKNOWN

    @staticmethod
    def _word(rows: NDArray[np.uint8], at: int, end: int) -> NDArray[np.uint64]:
        """Up to eight bytes from ``at``, but none from ``end`` on, as one number."""
        begin = min(at, rows.shape[1] - _WORD_SIZE)
        word = np.ndarray((len(rows),), "<u8", rows, begin, (rows.shape[1],)).copy()
        skipped = at - begin
        beyond = max(0, begin + _WORD_SIZE - end)
        if skipped or beyond:
            word >>= np.uint64(8 * skipped)
            word &= np.uint64((1 << 8 * (_WORD_SIZE - skipped - beyond)) - 1)
        return word


def _slots(words: list[NDArray[np.uint64]]) -> NDArray[np.uint16]:
    mixed = words[0] * np.uint64(_MULTIPLIER)
    for word in words[1:]:
        mixed ^= word
        mixed *= np.uint64(_MULTIPLIER)
    return (mixed >> np.uint64(64 - _SLOT_BITS)).astype(np.uint16)
