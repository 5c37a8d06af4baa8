"""A training being watched: what the loop tells it, and its end."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

import torch

from trainvitals_hooks.at_work import AtWork
from trainvitals_hooks.console import tell
from trainvitals_hooks.live import LiveDiagnosis, OnFinding
from trainvitals_hooks.looking.parameters import Owners
from trainvitals_hooks.looking.weight_samples import WeightSamples
from trainvitals_hooks.messages import end_lines, shown, start_line
from trainvitals_hooks.probe_set import PerExampleLoss, ProbeSet
from trainvitals_hooks.probes.guard import Guard
from trainvitals_hooks.probes.probe import Context
from trainvitals_hooks.probes.registry import make_probes
from trainvitals_hooks.processes.ranks import OtherRank, Ranks
from trainvitals_hooks.processes.sender import Sender
from trainvitals_hooks.processes.shards import Shards
from trainvitals_hooks.processes.shared_reading import of_clipping
from trainvitals_hooks.recording.journal import Journal
from trainvitals_hooks.recording.pace import Pace
from trainvitals_hooks.recording.progress import Progress
from trainvitals_hooks.recording.recorder import Recorder
from trainvitals_hooks.recording.schedule import Schedule
from trainvitals_hooks.recording.sink import OnRecord, Sink
from trainvitals_hooks.settings_of_run import settings_of_run
from trainvitals_hooks.step_hooks import Parts, StepHooks

if TYPE_CHECKING:
    from types import TracebackType

    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer

    from trainvitals.model import Finding
    from trainvitals_hooks.probes.probe import Probe


class Vitals:
    """A training being watched. Made by ``watch``; closes itself when the process ends, or as a context manager."""

    def __init__(
        self,
        model: Module,
        optimizers: Sequence[Optimizer],
        folder: Path | None,
        *,
        first: int,
        every: int,
        kinds: Sequence[type[Probe]],
        budget: float,
        selected: Callable[[str], bool],
        live: bool,
        ignore: Sequence[str],
        on_finding: OnFinding | None,
        on_record: OnRecord | None,
        ranks: Ranks,
    ) -> None:
        work = self._work = AtWork(ranks.once)
        self._ranks = ranks
        self._progress = Progress()
        self._schedule = Schedule(every, budget)
        self._pace = Pace(work.own, self._progress)
        settings = settings_of_run(model, optimizers, every=every, signals=[kind.name for kind in kinds])
        sink = None if on_record is None else Sink(on_record, work.once)
        if isinstance(ranks, OtherRank):
            self._recorder: Recorder = Sender(ranks)
        else:
            self._recorder = Recorder(folder or Path(), settings, work.once, self._look_at, sink, ranks)
        self._live = LiveDiagnosis(
            self._recorder, self._pace, work.once, budget=budget, ignore=ignore, on_finding=on_finding
        )
        if not (live and ranks.writes):
            self._live.switch_off()
        # A rank that does not write has nothing to wait for, unless another optimizer's step belongs to the record.
        at_once = None if ranks.writes else len(optimizers) == 1
        self._journal = Journal(self._recorder, self._progress, work.once, first, at_once)
        self._owners = Owners(model, optimizers)
        shards = self._shards = Shards(self._owners.parameters(), ranks.rank, ranks.size)
        context = Context(
            model,
            optimizers,
            self._owners,
            work.own,
            self._switch_off,
            selected,
            ranks,
            shards,
            WeightSamples(self._owners, shards),
            self._journal.event,
            self._journal,
            work.once,
        )
        made = make_probes(context, kinds)
        self._guard = Guard(made.probes, work.once, shards)
        self._probe_set = ProbeSet(model, self._journal, work.once, budget, ranks)
        parts = Parts(work, self._journal, self._guard, self._schedule, self._pace, ranks, self._live, self._probe_set)
        self._steps = StepHooks(parts, len(optimizers))
        self._handles: list[Any] = []
        if folder is None and ranks.writes:
            return
        work.closed = False
        if folder is not None and first:
            self._recorder.continue_at(folder, first)
        for optimizer in optimizers:
            self._handles.append(optimizer.register_step_pre_hook(self._steps.before_update))
            self._handles.append(optimizer.register_step_post_hook(self._steps.after_update))
        self._steps.prepare_next()
        if folder is not None:
            tell(start_line(model, self._owners, folder, first, made.not_seen, ranks.size))

    @property
    def is_open(self) -> bool:
        """Whether it still records."""
        return not self._work.closed

    @property
    def folder(self) -> Path:
        """Where the event file lies; only rank 0 of several has one."""
        return self._recorder.folder

    @property
    def every(self) -> int:
        """Steps from one full record to the next, as the budget has it now."""
        return self._schedule.every

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the live diagnosis has told: what stands, then what was resolved, its state ``resolved``."""
        return self._live.findings

    @property
    def is_due(self) -> bool:
        """Whether the step about to be made is one that is recorded in full."""
        return self._steps.due and not self._work.closed

    def log(
        self,
        *,
        step: int | None = None,
        epoch: float | None = None,
        tokens: float | None = None,
        samples: float | None = None,
        domain: str | None = None,
        **metrics: Any,
    ) -> None:
        """Keep the loss, and whatever else is a number, of this batch.

        Calls between two optimizer steps are micro-batches and are averaged. In a loop that logs after
        ``optimizer.step()`` they belong to the step just made, in one that logs before it to the step about to be made.

        Args:
            step: the loop's own number of this step, instead of the count of optimizer steps.
            epoch: as a number, fractions welcome.
            tokens, samples: how many this batch had.
            domain: which part of the data the batch is from; its metrics are kept apart too.
            metrics: numbers or tensors; nothing waits for a device.
        """
        if self._work.closed:
            return
        # What ``Inside`` does, in fewer calls: this runs at every step, when no cache is warm.
        began_s = perf_counter()
        try:
            self._journal.log(metrics, step, epoch, tokens, samples, domain)
        except Exception as error:
            self._work.went_wrong("log", error)
        self._work.own.total_s += perf_counter() - began_s
        if self._live.news:
            self._live.call_back()

    def log_validation(self, suite: str = "", /, **metrics: Any) -> None:
        """Keep the metrics of a validation after the last step; ``suite`` names one of several validation sets."""
        with self._work.inside("log_validation") as awake:
            if awake:
                self._journal.log_validation(metrics, suite)
                self._pace.set_aside(self._probe_set.at_validation())

    def probe_set(self, batch: Any, per_example_loss: PerExampleLoss) -> None:
        """Evaluate the same examples again and again, and keep the loss of each.

        They are evaluated at each ``log_validation``; in a loop that never calls it, as often as the budget allows. The
        model is in evaluation mode and without gradients then, and afterwards as it was, random numbers included. Two
        evaluations are compared example by example, which takes a hundredth of the examples that a validation needs to
        see the same difference: 256 to 1024 are enough. They should be held out, and from every domain.

        Args:
            batch: whatever ``per_example_loss`` takes; it is held on to, and must not change.
            per_example_loss: from the model and the batch to the loss of each example, ``[K]``.
        """
        with self._work.inside("probe_set") as awake:
            if awake:
                self._probe_set.use(batch, per_example_loss)

    def event(self, kind: str, **details: Any) -> None:
        """Mark what happened here: ``checkpoint``, ``data_switch``, ``intervention``, whatever may explain a curve."""
        with self._work.inside("event") as awake:
            if awake:
                self._journal.event(kind, details)

    def clip_grad_norm_(self, parameters: Tensor | Iterable[Tensor], max_norm: float) -> Tensor:
        """``torch.nn.utils.clip_grad_norm_``, with the norm before clipping and the share of clipped calls recorded."""
        total_norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
        self.log_clipping(total_norm, max_norm)
        return total_norm

    def log_clipping(self, total_norm: Tensor, max_norm: float) -> None:
        """Keep the norm before clipping of a loop that clips by other means, with the limit it was clipped to."""
        with self._work.inside("log_clipping") as awake:
            if awake:
                with torch.no_grad():
                    share = self._shards.share_of_norm(total_norm)
                if share is None:
                    self._journal.log_clipping(total_norm, max_norm)
                elif self._steps.due:
                    # To know the norm takes the other ranks, which tell theirs at recorded steps.
                    self._steps.clipping = of_clipping(share, max_norm, self._shards.ranks)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs so that ``load_state_dict`` goes on with the same curves."""
        return {
            "next_step": self._journal.number + 1,
            "tokens": self._progress.tokens,
            "samples": self._progress.samples,
            "domains": dict(self._progress.domains),
            "folder": str(self._recorder.folder),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the checkpoint was made, in its folder if it is there; what was recorded since then is void."""
        with self._work.inside("load_state_dict") as awake:
            if awake:
                self._continue(state)

    def close(self) -> None:
        """Write what is left, take every hook off, and say how it went and where the record is.

        The last live diagnosis is waited for, at most ten seconds. Closing again does nothing.
        """
        if self._work.closed:
            return
        with self._work.inside("close"):
            self._journal.close()
            self._recorder.drain()
        self._ranks.close()
        own_share, verdict = self._work.own.share(), None
        try:
            with self._work.inside("live diagnosis"):
                verdict = self._live.finish(self._journal.number)
        finally:
            # Also when Ctrl-C cuts the waiting short.
            with self._work.inside("close"):
                self._recorder.close()
            self._work.closed = True
            for handle in self._handles:
                handle.remove()
            self._guard.close()
            if self._ranks.writes:
                made, cpu_s = self._journal.steps.made, self._live.cpu_s
                for line in end_lines(made, own_share, self._recorder, verdict=verdict, live_cpu_s=cpu_s):
                    tell(line)
                _remove_if_empty(self._recorder.folder)
        self._live.call_back()

    def __del__(self) -> None:
        # A cell of a notebook that is run again replaces model, optimizer and watcher without closing anything.
        if not self._work.closed:
            self._live.switch_off()
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _continue(self, state: Mapping[str, Any]) -> None:
        first = operator.index(state["next_step"])
        self._progress.tokens, self._progress.samples = float(state["tokens"]), float(state["samples"])
        self._progress.domains = dict(state.get("domains", {}))
        before, theirs = self._recorder.folder, Path(state["folder"])
        self._recorder.continue_at(theirs if theirs.is_dir() else before, first)
        if before != self._recorder.folder:
            _remove_if_empty(before)
        self._journal.continue_at(first)
        self._live.follow_anew()
        self._steps.start_anew()
        if self._ranks.writes:
            tell(f"goes on at step {first:,} in {shown(self._recorder.folder)}")

    def _switch_off(self, probe: Probe, error: Exception) -> None:
        self._guard.switch_off(probe, error)

    def _look_at(self, values: Mapping[str, float]) -> None:
        self._steps.look_at(values)

    def watches(self, optimizers: Iterable[Optimizer]) -> bool:
        """Whether one of these is recorded here."""
        wanted = {id(optimizer) for optimizer in optimizers}
        return self.is_open and any(id(owned.optimizer) in wanted for owned in self._owners)

    def leave_to_parent(self) -> None:
        """In a forked process: the parent records, this one does not."""
        self._work.closed = True
        self._live.leave_to_parent()

    def wait_for_no_verdict(self) -> None:
        """Closing is to take no longer than writing what is left."""
        self._live.switch_off()


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
