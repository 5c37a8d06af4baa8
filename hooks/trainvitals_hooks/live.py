"""The diagnosis of a training while it runs: a child process reads what is recorded, the training hears of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from trainvitals.live.companion import SHARE, Companion
from trainvitals.tags import DIAGNOSIS
from trainvitals_hooks.console import is_terminal, tell, tell_line
from trainvitals_hooks.messages import shown

if TYPE_CHECKING:
    from trainvitals.live.changes import ChangeKind
    from trainvitals.model import Finding
    from trainvitals.reporters.live_json import Line, Told
    from trainvitals_hooks.console import Once
    from trainvitals_hooks.recording.pace import Pace
    from trainvitals_hooks.recording.recorder import Recorder

LOOK_EVERY_S = 1.0
"""As often as the child itself looks; oftener there is nothing to hear."""
DEATHS_FORGIVEN = 1
"""One may be bad luck, such as a machine short of memory; what happens again will go on happening."""
PATIENCE_S = 10.0
"""How long the end of a training may wait for the last diagnosis. That of a million points takes a second or two."""
LEAST_SHARE = 1e-4
"""Of one core: with less, nothing would ever be looked at. The most is what `trainvitals follow` takes."""
LEAST_OF_BUDGET = 0.1
"""This part of the budget is the child's even where recording takes all of it."""
SMOOTHING = 0.1
"""How much of the latest cost of recording counts at each look: single records vary by a factor."""
NOTEWORTHY = 0.2
"""A share that changes by less is not worth a message to the child."""

OnFinding = Callable[["Finding", "ChangeKind"], object]


class LiveDiagnosis:
    """A child process that follows the recorded run, and what it has told.

    Everything here happens in the training thread, at most once a second, and waits for nothing but at the end.

    Args:
        recorder: whose run is followed, from the first record on. pace: says what recording costs.
        budget: share of the training's time, of which the child takes what recording leaves.
        ignore: findings that are accepted.
        on_finding: called in the training thread, in ``call_back``.
    """

    def __init__(
        self,
        recorder: Recorder,
        pace: Pace,
        once: Once,
        *,
        budget: float,
        ignore: Sequence[str],
        on_finding: OnFinding | None,
    ) -> None:
        self.due_at_s = 0.0
        """When to look again, by ``perf_counter``; infinite where there is nothing to look for."""
        self.news: list[tuple[Finding, ChangeKind]] = []
        """What ``on_finding`` has not been told yet."""
        self.findings: tuple[Finding, ...] = ()
        self.verdict: str | None = None
        self.cpu_s: float | None = None
        """Processor time that the child took; known at the end."""
        self._recorder = recorder
        self._pace = pace
        self._once = once
        self._budget = budget
        self._ignore = ignore
        self._on_finding = on_finding
        self._companion: Companion | None = None
        self._share = self._recording_share = 0.0
        self._deaths = 0
        self._known: tuple[Finding, ...] = ()
        self._is_ending = False

    def switch_off(self) -> None:
        """No diagnosis from now on."""
        self.due_at_s = math.inf
        companion, self._companion = self._companion, None
        if companion is not None:
            companion.kill()

    def look(self, step: int) -> None:
        """Hear what the child has found, see that it lives, and say what it may take.

        Args:
            step: the one to note the diagnosis at.
        """
        if self._companion is None:
            if self._recorder.written:
                self._start()
            return
        self.due_at_s = perf_counter() + LOOK_EVERY_S
        end = self._companion.end
        for line in self._companion.lines():
            self._take(line, step)
        if end is not None:
            self._bury(self._companion, end)
        else:
            self._fit_budget(self._companion)

    def hurry(self) -> None:
        """Something bad was just recorded: have the child look at once."""
        if self._companion is not None:
            self._companion.look()

    def call_back(self) -> None:
        """Hand the news to ``on_finding``."""
        news, self.news = self.news, []
        for finding, change in news:
            if self._on_finding is not None:
                try:
                    self._on_finding(finding, change)
                except Exception as error:
                    text = f"on_finding: {type(error).__name__}: {error}. The training goes on."
                    self._once.tell("on_finding", text)

    def follow_anew(self) -> None:
        """The run goes on elsewhere, or from an earlier step: what was found of it before is void."""
        if self._companion is not None:
            self.switch_off()
            self.due_at_s = 0.0
        self.findings, self._known, self.verdict, self.news = (), (), None, []

    def finish(self, step: int) -> str | None:
        """Wait for the last diagnosis, not for ever. The verdict, or why there is none; None where nobody looked."""
        companion, self._companion = self._companion, None
        self.due_at_s = math.inf
        if companion is None:
            return None
        self._is_ending = True
        trouble = companion.finish(PATIENCE_S, lambda line: self._take(line, step))
        return self.verdict if trouble is None else f"no verdict: {trouble}"

    def leave_to_parent(self) -> None:
        """In a forked process: the child is the parent's."""
        companion, self._companion = self._companion, None
        self.due_at_s, self.news = math.inf, []
        if companion is not None:
            companion.let_go()

    def _start(self) -> None:
        self.due_at_s = perf_counter() + LOOK_EVERY_S
        self._share = self._left()
        try:
            self._companion = Companion(
                self._recorder.folder,
                interval_s=LOOK_EVERY_S,
                ignore=self._ignore,
                share=self._share,
                colour=is_terminal(),
            )
        except Exception as error:
            self.due_at_s = math.inf
            tell(f"no live diagnosis: {error}. The training goes on.")

    def _fit_budget(self, companion: Companion) -> None:
        self._recording_share += SMOOTHING * (self._pace.own_share - self._recording_share)
        left = self._left()
        if abs(left - self._share) > NOTEWORTHY * self._share:
            self._share = left
            companion.take_share(left)

    def _left(self) -> float:
        left = max(self._budget - self._recording_share, LEAST_OF_BUDGET * self._budget)
        return min(max(left, LEAST_SHARE), SHARE)

    def _take(self, line: Line, step: int) -> None:
        if line.kind == "final":
            self.cpu_s = line.cpu_s
        elif line.kind == "standing":
            self.findings, self.verdict = line.findings, line.verdict
            self._recorder.put_text(step, DIAGNOSIS, line.summary)
        elif not self._is_known(line):
            self.news.append((line.finding, line.kind))
            if not self._is_ending:
                tell_line(line.text)

    def _is_known(self, told: Told) -> bool:
        """Whether a child that was started again only repeats what the one before it had told."""
        if not self._known:
            return False
        from trainvitals.identity import Level, likeness

        return told.kind == "opened" and any(
            before.name == told.finding.name
            and likeness(before, told.finding) > 0
            and Level.of(told.finding) <= Level.of(before)
            for before in self._known
        )

    def _bury(self, companion: Companion, end: str) -> None:
        refused = companion.refused
        self.switch_off()
        self._deaths += 1
        if refused:
            tell(f"no live diagnosis: {end}")
        elif self._deaths > DEATHS_FORGIVEN:
            other_way = f"trainvitals follow {shown(self._recorder.folder)}"
            tell(f"the live diagnosis ended again ({end}) and stays off; `{other_way}` does the same")
        else:
            tell(f"the live diagnosis ended ({end}) and is started again")
            self._known = tuple(finding for finding in self.findings if finding.state == "open")
            self._start()
