"""Event files that something else wrote into the folder of a watched training while it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trainvitals.model import Problem

if TYPE_CHECKING:
    from trainvitals.formats.event_stream import EventStream

WATCHED = "trainvitals"
"""The setting in which ``trainvitals.watch`` writes its version."""
BESIDE = " (another writer)"


def tags_beside(streams: Sequence[EventStream]) -> dict[EventStream, frozenset[str]]:
    """For each file that was written beside a watched training, the tags that it shares with that training.

    Both count steps in their own way, one by updates and the other by epochs perhaps: together they are no curve.
    """
    watched = [stream for stream in streams if WATCHED in stream.hyper_parameters]
    found: dict[EventStream, frozenset[str]] = {}
    for other in streams:
        if WATCHED not in other.hyper_parameters:
            shared = [
                set(own.tags) & set(other.tags)
                for own in watched
                if own.prefix == other.prefix and _overlap(own, other)
            ]
            if tags := frozenset().union(*shared):
                found[other] = tags
    return found


def problems(beside: Mapping[EventStream, frozenset[str]]) -> list[Problem]:
    """One for each such file."""
    return [
        Problem(
            "concurrent-writers",
            stream.where,
            f"written beside a watched training with {len(tags)} of its tags; they are kept apart as <tag>{BESIDE}",
            len(tags),
        )
        for stream, tags in beside.items()
    ]


def _overlap(one: EventStream, other: EventStream) -> bool:
    spans = [stream.scalars.wall_time[np.isfinite(stream.scalars.wall_time)] for stream in (one, other)]
    if not all(len(span) for span in spans):
        return False
    return bool(spans[0].min() <= spans[1].max() and spans[1].min() <= spans[0].max())
