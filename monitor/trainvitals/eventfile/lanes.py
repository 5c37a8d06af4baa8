"""The records of a large window, found by walking it at many places at once.

Lanes begin at evenly spaced positions, each at the next position where a header stands, and take their steps together.
That is only a guess at where records begin: it holds because afterwards every header is verified and every record must
end where the next one begins, from the known beginning of the first one on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainvitals.eventfile.framing import FRAME_SIZE, Frames, header_checksums, overlapping, walk
from trainvitals.eventfile.record import HEADER_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainvitals.eventfile.framing import Window

# Lanes cost a search for their first header, steps cost a round of array calls: this balances the two.
_MOST_LANES = 512
_RECORDS_A_LANE = 64
# A window of larger records is walked one by one: too few of them to share the array calls.
_LARGEST_SIZE = 512
# So is one whose mean record is this much larger than its middle one: most lanes would begin inside a few large ones.
_MOST_UNEVEN = 2
_SAMPLE = 256
# How far to search for a lane's first header, in records of the middle size.
_SEARCHED_RECORDS = 3
_STEPS_BETWEEN_LOOKS = 16
_GROWTH = 64


def frames_of(window: Window, at: int) -> Frames:
    """The records from ``at`` to the end of the window or to damage."""
    sample = walk(window, at, _SAMPLE)
    parts = [sample]
    mean_size = (sample.end - at) // max(1, len(sample.starts))
    typical_size = int(np.median(sample.sizes)) + FRAME_SIZE if len(sample.starts) else 0
    at = sample.end
    if len(sample.starts) == _SAMPLE and mean_size <= _MOST_UNEVEN * typical_size <= _MOST_UNEVEN * _LARGEST_SIZE:
        # Damage ends the lanes, and what they found behind it is lost work: so they reach further step by step.
        reach = _SAMPLE * mean_size
        while at + FRAME_SIZE < len(window.data):
            reach *= _GROWTH
            limit = min(at + reach, len(window.data) - HEADER_SIZE)
            part = _in_lanes(window.data, at, limit, mean_size, typical_size)
            parts.append(part)
            at = part.end
            if at < limit:
                break
    rest = walk(window, at)
    parts.append(rest)
    starts = np.concatenate([np.asarray(part.starts, np.int64) for part in parts])
    return Frames(starts, rest.end, rest.intact)


def _in_lanes(data: bytes, at: int, limit: int, mean_size: int, typical_size: int) -> Frames:
    """The records that begin between ``at`` and ``limit``, as far as they join."""
    words = overlapping(data, "<u4")
    lanes = min(_MOST_LANES, (limit - at) // (mean_size * _RECORDS_A_LANE))
    first = _lane_starts(words, at, limit, lanes, typical_size * _SEARCHED_RECORDS)
    lane_end = np.append(first[1:], limit)
    rounds = []
    position = first
    while (position < lane_end).any():
        for _ in range(_STEPS_BETWEEN_LOOKS):
            rounds.append(position)
            position = np.minimum(position + words[position] + FRAME_SIZE, limit)
    visited = np.ascontiguousarray(np.array(rounds).T)
    return _verified(data, visited[visited < lane_end[:, None]])


def _lane_starts(words: NDArray[np.uint32], at: int, limit: int, lanes: int, searched: int) -> NDArray[np.int64]:
    """``at``, and the first header behind each of the other lanes' fair beginnings, where one is near."""
    fair = np.linspace(at, limit - searched, lanes, endpoint=False).astype(np.int64)[1:]
    near = np.lib.stride_tricks.sliding_window_view(words[4:], searched)[fair]
    lane, distance = np.nonzero(near == 0)
    position = fair[lane] + distance
    is_header = header_checksums(words[position]) == words[position + 8]
    lane, position = lane[is_header], position[is_header]
    found = position[np.flatnonzero(np.diff(lane, prepend=-1))]
    return np.unique(np.append(found, at))


def _verified(data: bytes, starts: NDArray[np.int64]) -> Frames:
    """The records up to the first one that has no sound header or does not join its neighbour."""
    headers = overlapping(data, f"V{HEADER_SIZE}")[starts]
    low, high, checksum = headers.view("<u4").reshape(-1, 3).T
    sizes = low.astype(np.int64)
    following = starts + sizes + FRAME_SIZE
    sound = (high == 0) & (header_checksums(low) == checksum)
    sound &= following <= len(data)
    sound[1:] &= following[:-1] == starts[1:]
    count = len(starts) if sound.all() else int(np.argmin(sound))
    end = int(following[count - 1]) if count else int(starts[0])
    return Frames(starts[:count], end, intact=True)
