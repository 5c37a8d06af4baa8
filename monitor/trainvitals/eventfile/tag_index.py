"""Which tag stands in each of many rows, for all tags of one length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainvitals.eventfile.wire import Unsupported

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainvitals.eventfile.tag_dictionary import TagDictionary

# Each tag gets eight slots of its own, within these bounds: then few tags share one.
_FEWEST_SLOT_BITS, _MOST_SLOT_BITS = 8, 16
_SLOT_BITS_A_TAG = 3
# Longer tags are looked up one by one.
_LONG_TAG = 256
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
        # The last entry stands for no tag; free slots point to it.
        self._codes = np.array([UNKNOWN], np.int32)
        self._words = np.zeros((self._word_count, 1), np.uint64)
        self._fill_slots()

    def codes(self, rows: NDArray[np.uint8], at: int) -> NDArray[np.int32]:
        """``[n]`` the code of the tag that begins at byte ``at`` of each row; ``UNKNOWN`` where it is not UTF-8.

        Args:
            rows: ``[n, W]``, contiguous.
        """
        if self._tag_size > _LONG_TAG:
            raws = (tag.tobytes() for tag in rows[:, at : at + self._tag_size])
            return np.fromiter((self._code(raw) for raw in raws), np.int32, len(rows))
        words = [self._word(rows, at + _WORD_SIZE * i, at + self._tag_size) for i in range(self._word_count)]
        slot = self._slots(words)
        codes, found = self._look_up(words, slot)
        if found.all():
            return codes
        missed = np.flatnonzero(~found)
        examples = missed[np.unique(slot[missed], return_index=True)[1]]
        self._add(rows[examples, at : at + self._tag_size], [word[examples] for word in words])
        missed_words = [word[missed] for word in words]
        codes[missed], found[missed] = self._look_up(missed_words, self._slots(missed_words))
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

    def _add(self, tags: NDArray[np.uint8], words: list[NDArray[np.uint64]]) -> None:
        """New entries for those of the tags ``[n, tag_size]`` that are UTF-8 and have none."""
        codes = np.array([self._code(tag.tobytes()) for tag in tags], np.int32)
        new = ~np.isin(codes, self._codes)
        self._codes = np.concatenate((codes[new], self._codes))
        self._words = np.concatenate(([word[new] for word in words], self._words), axis=1)
        self._fill_slots()

    def _fill_slots(self) -> None:
        bits = len(self._codes).bit_length() + _SLOT_BITS_A_TAG
        self._slot_bits = min(max(bits, _FEWEST_SLOT_BITS), _MOST_SLOT_BITS)
        entries = np.arange(len(self._codes), dtype=np.int32)
        self._entry_of_slot = np.full(1 << self._slot_bits, entries[-1])
        self._entry_of_slot[self._slots(list(self._words[:, :-1]))] = entries[:-1]

    def _slots(self, words: list[NDArray[np.uint64]]) -> NDArray[np.uint16]:
        mixed = words[0] * np.uint64(_MULTIPLIER)
        for word in words[1:]:
            mixed ^= word
            mixed *= np.uint64(_MULTIPLIER)
        return (mixed >> np.uint64(64 - self._slot_bits)).astype(np.uint16)

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
