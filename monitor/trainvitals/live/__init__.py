"""Following a growing log: what was opened, got worse, or was resolved, each after two consecutive looks agree.

``python -m trainvitals.live FOLDER`` writes changes as JSON lines for the process that started it; ``child.start`` is
that process's side.
"""

from trainvitals.live.changes import Change
from trainvitals.live.clock import Clock
from trainvitals.live.follower import Follower

__all__ = ["Change", "Clock", "Follower"]
