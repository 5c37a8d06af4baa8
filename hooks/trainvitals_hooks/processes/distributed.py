"""Several processes that train one model: rank 0 writes, the others tell it what only they know.

**The watcher takes part in no collective.** A collective that one rank does not join stops the training: because
``watch`` was called on rank 0 only, because a probe failed on one rank, because one rank thinks a step is due and
another does not; with NCCL the watchdog then ends the process. A group of its own would be one more collective to make
it, and several communicators at work at once can block each other. So the ranks send short messages through the
store that the process group was set up with, which is there for every backend. Nothing waits for a message: rank 0 asks
whether it is there, and goes on without it after a while. Whoever fails, closes or was never there holds up nobody.

What it costs: a message of a few kilobytes a rank and record, sent without waiting for an answer, and a question to the
store of about 10 us on one machine, at most a thousandth of the time. Rank 0 reads one message for each rank, so a
record costs it time in proportion to their number; sums over many hundred ranks would be cheaper with a collective.

Rank 0 decides which steps are recorded; the others hear of it through the store. Steps are counted from the call of
``watch``, which is the same on all ranks as long as all of them step together. Where they do not, the messages of a
step never meet, and what needs them is not recorded.
"""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING

import torch.distributed as dist

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch._C._distributed_c10d import Store

LARGEST_SHARE = 0.001
"""Of the time that may go into questions to the store, a tenth of the default budget for recording."""
MESSAGES_KEPT = 64
"""Messages of a rank that stay in the store. Rank 0 gives up on a step before half as many have followed it."""
LONGEST_ANSWER = timedelta(seconds=1)
"""The store of a healthy training answers within a millisecond."""

_watched = 0
"""Calls of ``watch`` in this process. All ranks make them in the same order, so the number is a name for each."""


def join() -> Mailbox | None:
    """The way to the other ranks; None where this process trains alone, or has no store to reach them.

    The process group must have been set up before.
    """
    global _watched
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() < 2:
        return None
    _watched += 1
    return Mailbox(dist.get_rank(), dist.get_world_size(), _store(), f"trainvitals/{_watched}")


class Mailbox:
    """Messages between ranks. Nothing waits, and nothing raises: after an error the others are out of reach.

    Args:
        store: that all ranks share; None where it is not known, and no other rank can be reached.
        topic: what the messages of one watched training have in common.
    """

    def __init__(self, rank: int, size: int, store: Store | None, topic: str) -> None:
        self.rank = rank
        self.size = size
        self._group = dist.group.WORLD
        self._store = None if store is None else dist.distributed_c10d.PrefixStore(topic, store)
        self._posted: deque[str] = deque()
        self._looked_s = 0.0
        self._looks_took_s = deque([0.0, 0.0], maxlen=2)

    @property
    def reachable(self) -> bool:
        """Whether there is a store to ask. Where the process group is gone, the store may be gone with it."""
        return self._store is not None and dist.is_initialized() and dist.group.WORLD is self._group

    @property
    def may_look(self) -> bool:
        """Whether another question would stay within the share of the time that questions may take."""
        # The shorter of the last two: one may have met a busy machine.
        return min(self._looks_took_s) <= LARGEST_SHARE * (perf_counter() - self._looked_s)

    def post(self, key: str, message: bytes, *, keep: bool = False) -> None:
        """Leave a message, to be kept for good or until a number of others followed it."""
        if not self.reachable or self._store is None:
            return
        try:
            self._store.set(key, message)  # type: ignore[arg-type]
            if not keep:
                self._posted.append(key)
                if len(self._posted) > MESSAGES_KEPT:
                    self._store.delete_key(self._posted.popleft())
        except Exception:
            self._store = None

    def are_there(self, keys: Sequence[str]) -> bool:
        """Whether there is a message under each of these keys."""
        if not self.reachable or self._store is None:
            return False
        began_s = perf_counter()
        try:
            return bool(self._store.check(list(keys)))
        except Exception:
            self._store = None
            return False
        finally:
            self._looked_s = perf_counter()
            self._looks_took_s.append(self._looked_s - began_s)

    def take(self, keys: Sequence[str]) -> list[bytes]:
        """The messages under keys that are there. Nothing where one went missing."""
        if not keys or not self.reachable or self._store is None:
            return []
        try:
            return [bytes(message) for message in self._store.multi_get(list(keys))]
        except Exception:
            self._store = None
            return []

    def close(self) -> None:
        """Let go of the store."""
        self._store = None


def _store() -> Store | None:
    try:
        # A connection of its own: another thread may hold the first one while it waits for something.
        store: Store = dist.distributed_c10d._get_default_store().clone()  # type: ignore[attr-defined]
        store.set_timeout(LONGEST_ANSWER)
    except Exception:
        return None
    return store
