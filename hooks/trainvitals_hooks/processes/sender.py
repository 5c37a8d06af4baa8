"""Where a rank that does not write puts its records."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainvitals_hooks.processes.shared_reading import SharedReading
from trainvitals_hooks.recording.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from trainvitals_hooks.processes.ranks import OtherRank
    from trainvitals_hooks.recording.record import Record


class Sender(Recorder):
    """Sends what rank 0 needs of each record, and writes nothing."""

    def __init__(self, ranks: OtherRank) -> None:
        super().__init__(Path(os.devnull), {}, ranks.once, lambda _: None, None, ranks)
        self._other = ranks

    def continue_at(self, folder: Path, step: int) -> None:
        """Rank 0 says where to go on."""

    def put_event(self, step: int, kind: str, details: Mapping[str, object]) -> None:
        """Markers are rank 0's."""

    def _put(self, record: Record) -> None:
        readings = [reading for reading in record.readings if isinstance(reading, SharedReading)]
        if not readings:
            return
        count = self._other.count
        bounds = np.cumsum([len(reading.tensors) for reading in readings])[:-1]

        def deliver(arrays: list[NDArray[np.float64]]) -> None:
            parts = [arrays[first:last] for first, last in zip([0, *bounds], [*bounds, len(arrays)], strict=True)]
            self._other.send(readings, parts, count)

        self._transfer.send([tensor for reading in readings for tensor in reading.tensors], deliver)
