"""The tags of one file: a number for each name, and which plugin its values belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainvitals.eventfile.wire import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# Plugins whose single numbers are no measurements over time.
PLUGINS_WITHOUT_SCALARS = frozenset(
    {"audio", "custom_scalars", "graphs", "histograms", "hparams", "images", "mesh", "pr_curves", "projector", "text"}
)


class TagDictionary:
    """Codes for tags, stable for the life of one reader.

    A tensor belongs to the plugin that the first tensor of its tag names: writers may leave the name out later.
    """

    def __init__(self) -> None:
        self._codes: dict[bytes, int] = {}
        self._names: list[str] = []
        self._snapshot: tuple[str, ...] = ()
        self._plugins: dict[int, str] = {}
        self._candidates: dict[int, tuple[int, str]] = {}

    def code(self, raw: bytes) -> int:
        """The number of a tag.

        Raises:
            Unsupported: the name is not UTF-8, which protobuf refuses.
        """
        code = self._codes.get(raw)
        if code is None:
            try:
                name = raw.decode()
            except UnicodeDecodeError as error:
                raise Unsupported from error
            code = self._codes[raw] = len(self._names)
            self._names.append(name)
        return code

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each code."""
        if len(self._snapshot) < len(self._names):
            self._snapshot = tuple(self._names)
        return self._snapshot

    def note_tensor(self, code: int, record: int, plugin: str) -> None:
        """Record number ``record`` holds a tensor of this tag; records may come in any order until ``settle``."""
        if code not in self._plugins:
            first, _ = self._candidates.get(code, (record + 1, ""))
            if record < first:
                self._candidates[code] = record, plugin

    def note_tensors(self, codes: NDArray[np.int32], records: NDArray[np.int64], plugin: str) -> None:
        """``note_tensor`` for many, ``records`` ascending."""
        if all(code in self._plugins for code in np.flatnonzero(np.bincount(codes)).tolist()):
            return
        present, first = np.unique(codes, return_index=True)
        for code, record in zip(present.tolist(), records[first].tolist(), strict=True):
            self.note_tensor(code, record, plugin)

    def settle(self) -> None:
        """All records up to here were noted: the first tensor of each tag decides."""
        for code, (_, plugin) in self._candidates.items():
            self._plugins[code] = plugin
        self._candidates.clear()

    def plugin(self, code: int) -> str:
        """The plugin of a tag's tensors, empty if none was named."""
        return self._plugins.get(code, "")

    def without_scalars(self) -> list[int]:
        """The tags whose single-element tensors are no scalars."""
        return [code for code, plugin in self._plugins.items() if plugin in PLUGINS_WITHOUT_SCALARS]

    def codes(self, raws: Iterable[bytes]) -> list[int]:
        """The number of each tag, all or none.

        Raises:
            Unsupported: a name is not UTF-8.
        """
        return [self.code(raw) for raw in raws]
