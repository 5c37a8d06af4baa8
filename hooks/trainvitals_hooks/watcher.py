"""``watch``: two hooks on each optimizer, and everything that follows from them."""

from __future__ import annotations

import atexit
import contextlib
import operator
import os
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, Self

import torch

from trainvitals import tags
from trainvitals_hooks.anomaly import DENSE_STEPS, Anomaly
from trainvitals_hooks.arguments import accepted_findings, check_arguments, chosen_probes, selector, unwrapped
from trainvitals_hooks.console import tell
from trainvitals_hooks.folder import choose_folder
from trainvitals_hooks.guard import Guard
from trainvitals_hooks.journal import Journal
from trainvitals_hooks.live import LiveDiagnosis, OnFinding
from trainvitals_hooks.messages import end_lines, shown, start_line
from trainvitals_hooks.modules import inside_ddp
from trainvitals_hooks.own_time import OwnTime
from trainvitals_hooks.pace import PERCENT, Pace
from trainvitals_hooks.parameters import Owners
from trainvitals_hooks.probe_set import PerExampleLoss, ProbeSet
from trainvitals_hooks.probes.probe import Context
from trainvitals_hooks.probes.registry import make_probes
from trainvitals_hooks.progress import Progress
from trainvitals_hooks.ranks import OtherRank, Ranks, ranks_of_training
from trainvitals_hooks.recorder import Recorder
from trainvitals_hooks.resume import last_step
from trainvitals_hooks.schedule import Schedule
from trainvitals_hooks.sender import Sender
from trainvitals_hooks.settings_of_run import settings_of_run
from trainvitals_hooks.shards import Shards
from trainvitals_hooks.shared_reading import of_clipping
from trainvitals_hooks.sink import OnRecord, Sink
from trainvitals_hooks.weight_samples import WeightSamples

if TYPE_CHECKING:
    from types import TracebackType

    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer

    from trainvitals.model import Finding
    from trainvitals_hooks.probes.probe import Probe
    from trainvitals_hooks.reading import Reading

Signals = Literal["light", "standard", "full"]


def watch(
    model: Module,
    optimizer: Optimizer | Sequence[Optimizer],
    logdir: str | os.PathLike[str] | None = None,
    *,
    every: int = 10,
    signals: Signals | Sequence[str] = "standard",
    budget: float = 0.01,
    layers: str | Sequence[str] | None = None,
    resume: bool = False,
    live: bool = True,
    ignore: str | Sequence[str] = (),
    on_finding: OnFinding | None = None,
    on_record: OnRecord | None = None,
) -> Vitals:
    """Record what a training does, for TensorBoard and ``trainvitals diagnose``.

    Args:
        model: what is trained.
        optimizer: what trains it, one or several.
        logdir: the run's folder, by default ``runs/<time>_<script>``. If it holds a run, a fresh subfolder is made.
        every: steps from one full record to the next. The loss is kept of every call of ``log``, whatever this is.
        signals: ``light`` (norms of weights and gradients, loss, learning rate), ``standard`` (also update ratios,
            activations, the wiring, times), ``full`` (also what costs more), or a list of these and of single probes.
        budget: share of the training's time that recording may take; beyond it, ``every`` is raised.
        layers: regular expressions; layers whose name holds none of them get no tags of their own.
        resume: go on in ``logdir`` behind the last step recorded there.
        live: diagnose the run while it is trained, in a child process of low priority that takes what recording leaves
            of the budget. What it finds is told on stderr, in ``vitals.findings``, and as text in TensorBoard.
        ignore: findings that the live diagnosis accepts: names, codes or families of rules.
        on_finding: called with a ``Finding`` and ``opened``, ``worsened`` or ``resolved``, in this thread, at the next
            ``log``. If it raises, that is told once, and it is called again for the next finding.
        on_record: called in this thread with a step and the scalars just written at it, by tag, to pass them on to W&B
            and the like. It is called for every step, its time counts as the monitor's, and if it raises, that is told
            once and it is not called again.

    An earlier watcher of one of these optimizers is closed: a step is recorded once.

    Raises:
        ConfigError: an argument is out of range.
    """
    given = tuple(optimizer) if isinstance(optimizer, Iterable) else (optimizer,)
    optimizers: Any = tuple(unwrapped(each) for each in given)
    model = inside_ddp(model)
    check_arguments(optimizers, every=every, budget=budget)
    kinds = chosen_probes(signals)
    selected = selector(layers)
    accepted = accepted_findings(ignore)
    _close_watchers_of(optimizers)
    ranks = ranks_of_training()
    folder: Path | None = None
    first = 0
    try:
        if ranks.writes:
            folder = choose_folder(logdir, resume=resume)
            first = last_step(folder) + 1 if resume and logdir is not None else 0
    except OSError as error:
        tell(f"{error.filename or logdir}: {error.strerror or error}. Nothing will be recorded; the training goes on.")
    return Vitals(
        model,
        optimizers,
        folder,
        first=first,
        every=every,
        kinds=kinds,
        budget=budget,
        selected=selected,
        live=live,
        ignore=accepted,
        on_finding=on_finding,
        on_record=on_record,
        ranks=ranks,
    )


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
        self._closed = True
        self._ranks = ranks
        self._once = ranks.once
        self._own = OwnTime()
        self._progress = Progress()
        self._schedule = Schedule(every, budget)
        self._pace = Pace(self._own, self._progress)
        self._anomaly = Anomaly()
        settings = settings_of_run(model, optimizers, every=every, signals=[kind.name for kind in kinds])
        sink = None if on_record is None else Sink(on_record, self._once)
        if isinstance(ranks, OtherRank):
            self._recorder: Recorder = Sender(ranks)
        else:
            self._recorder = Recorder(folder or Path(), settings, self._once, self._look, sink, ranks)
        self._live = LiveDiagnosis(
            self._recorder, self._pace, self._once, budget=budget, ignore=ignore, on_finding=on_finding
        )
        if not (live and ranks.writes):
            self._live.switch_off()
        # A rank that does not write has nothing to wait for, unless another optimizer's step belongs to the record.
        at_once = None if ranks.writes else len(optimizers) == 1
        self._journal = Journal(self._recorder, self._progress, self._once, first, at_once)
        self._owners = Owners(model, optimizers)
        shards = self._shards = Shards(self._owners.parameters(), ranks.rank, ranks.size)
        context = Context(
            model,
            optimizers,
            self._owners,
            self._own,
            self._switch_off,
            selected,
            ranks,
            shards,
            WeightSamples(self._owners, shards),
            self._journal.event,
            self._journal,
            self._once,
        )
        made = make_probes(context, kinds)
        self._guard = Guard(made.probes, self._once, shards)
        self._probe_set = ProbeSet(model, self._journal, self._once, budget, ranks)
        self._clipping: Reading | None = None
        self._due = self._recording = False
        # Making a step before this one needs nothing but the numbers of the loop written. 0: every step needs more.
        self._busy_from = 0
        self._alone = len(optimizers) == 1 and ranks.size == 1
        self._updating: Optimizer | None = None
        # The first step that can still be prepared for.
        self._preparable = 0
        self._handles: list[Any] = []
        self._before_update_as_it_is: Any = torch.compiler.disable(self._before_update)
        self._after_update_as_it_is: Any = torch.compiler.disable(self._after_update)
        if folder is None and ranks.writes:
            return
        self._closed = False
        if folder is not None and first:
            self._recorder.continue_at(folder, first)
        for optimizer in optimizers:
            self._handles.append(optimizer.register_step_pre_hook(self._before_update))
            self._handles.append(optimizer.register_step_post_hook(self._after_update))
        self._prepare_next()
        _open.add(self)
        if folder is not None:
            tell(start_line(model, self._owners, folder, first, made.not_seen, ranks.size))

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
        return self._due and not self._closed

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
        if self._closed:
            return
        # What ``_Inside`` does, in fewer calls: this runs at every step, when no cache is warm.
        began_s = perf_counter()
        try:
            self._journal.log(metrics, step=step, epoch=epoch, tokens=tokens, samples=samples, domain=domain)
        except Exception as error:
            self._went_wrong("log", error)
        self._own.total_s += perf_counter() - began_s
        if self._live.news:
            self._live.call_back()

    def log_validation(self, suite: str = "", /, **metrics: Any) -> None:
        """Keep the metrics of a validation after the last step; ``suite`` names one of several validation sets."""
        with _Inside(self, "log_validation") as awake:
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
        with _Inside(self, "probe_set") as awake:
            if awake:
                self._probe_set.use(batch, per_example_loss)

    def event(self, kind: str, **details: Any) -> None:
        """Mark what happened here: ``checkpoint``, ``data_switch``, ``intervention``, whatever may explain a curve."""
        with _Inside(self, "event") as awake:
            if awake:
                self._journal.event(kind, details)

    def clip_grad_norm_(self, parameters: Tensor | Iterable[Tensor], max_norm: float) -> Tensor:
        """``torch.nn.utils.clip_grad_norm_``, with the norm before clipping and the share of clipped calls recorded."""
        total_norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
        self.log_clipping(total_norm, max_norm)
        return total_norm

    def log_clipping(self, total_norm: Tensor, max_norm: float) -> None:
        """Keep the norm before clipping of a loop that clips by other means, with the limit it was clipped to."""
        with _Inside(self, "log_clipping") as awake:
            if awake:
                with torch.no_grad():
                    share = self._shards.share_of_norm(total_norm)
                if share is None:
                    self._journal.log_clipping(total_norm, max_norm)
                elif self._due:
                    # To know the norm takes the other ranks, which tell theirs at recorded steps.
                    self._clipping = of_clipping(share, max_norm, self._shards.ranks)

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
        with _Inside(self, "load_state_dict") as awake:
            if awake:
                self._continue(state)

    def close(self) -> None:
        """Write what is left, take every hook off, and say how it went and where the record is.

        The last live diagnosis is waited for, at most ten seconds. Closing again does nothing.
        """
        if self._closed:
            return
        with _Inside(self, "close"):
            self._journal.close()
            self._recorder.drain()
        self._ranks.close()
        own_share, verdict = self._own.share(), None
        try:
            with _Inside(self, "live diagnosis"):
                verdict = self._live.finish(self._journal.number)
        finally:
            # Also when Ctrl-C cuts the waiting short.
            with _Inside(self, "close"):
                self._recorder.close()
            self._closed = True
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
        if not self._closed:
            self._live.switch_off()
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _before_update(
        self, optimizer: Optimizer, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        if torch.compiler.is_compiling():
            # Whoever compiles the optimizer's step compiles its hooks with it, and whatever they call.
            return self._before_update_as_it_is(optimizer, arguments, keywords)
        if self._closed:
            return None
        # A subclass whose step calls that of its parent fires the hooks twice: the first end ends the step.
        self._updating = optimizer
        if (self._due or self._recording) and (
            self._due if self._journal.steps.begins_with(id(optimizer)) else self._recording
        ):
            with _Inside(self, "step"), torch.no_grad():
                self._guard.before_update(optimizer)
        if not self._guard.looks:
            return None
        began_s = perf_counter()
        changed = self._guard.look(optimizer, arguments, keywords)
        self._own.total_s += perf_counter() - began_s
        return changed

    def _after_update(self, optimizer: Optimizer, *_: object) -> None:
        if torch.compiler.is_compiling():
            self._after_update_as_it_is(optimizer)
            return
        if self._updating is not optimizer or self._closed:
            return
        self._updating = None
        journal = self._journal
        if journal.steps.current + 1 < self._busy_from:
            began_s, made = perf_counter(), False
            self._preparable = journal.steps.current + 2
            try:
                made = journal.make_step_shortly()
                if made:
                    self._recording = False
                    if journal.steps.current >= self._busy_from:
                        # What was just written was an anomaly, which asks for the next steps.
                        self._prepare_next()
            except Exception as error:
                self._went_wrong("step", error)
            now_s = perf_counter()
            self._own.total_s += now_s - began_s
            if made:
                if now_s >= self._live.due_at_s:
                    self._hear()
                return
        with _Inside(self, "step"):
            self._step_made(optimizer)
        if perf_counter() >= self._live.due_at_s:
            self._hear()

    def _step_made(self, optimizer: Optimizer) -> None:
        self._pace.end_quiet(self._journal.steps.made)
        new = self._journal.make_step(id(optimizer))
        if new:
            self._ranks.step_made()
            self._recording = self._due
            if self._recording:
                self._account()
        if self._recording:
            with torch.no_grad():
                self._journal.add(self._guard.after_update(optimizer))
            if self._clipping is not None:
                self._journal.add([self._clipping])
                self._clipping = None
            if new:
                self._pace.set_aside(self._probe_set.at_record())
        if new:
            self._prepare_next()
        self._journal.settle()
        self._pace.begin_quiet(self._journal.steps.made)

    def _hear(self) -> None:
        """Listen to the live diagnosis. What that takes is no record's: it never changes how often is recorded."""
        before_s = self._own.total_s
        with _Inside(self, "live diagnosis"):
            self._live.look(self._journal.number)
        self._pace.set_aside(self._own.total_s - before_s)

    def _account(self) -> None:
        """Write the pace, and hold the cost of a record against the budget."""
        numbers, record_s, training_s = self._pace.take(self._journal.steps.made)
        readings = self._ranks.step_time(numbers[tags.STEP_TIME_S]) if numbers else []
        self._journal.add(readings, numbers)
        if training_s and self._ranks.writes and self._schedule.spend(record_s, training_s):
            every, cost = self._schedule.every, PERCENT * record_s / training_s
            self._journal.add(numbers={tags.EVERY: float(every)})
            self._journal.event("recording_interval", {"every": every, "cost_of_last_record_pct": round(cost, 2)})

    def _prepare_next(self) -> None:
        self._ranks.agree(self._schedule, self._journal.steps)
        was_due, next_step = self._due, self._journal.steps.current + 1
        self._due = self._schedule.due(next_step)
        self._plan(next_step)
        self._preparable = next_step + 1
        if self._due:
            self._guard.arm()
        elif was_due:
            self._guard.disarm()

    def _plan(self, next_step: int) -> None:
        """The step before a recorded one prepares it, and what was recorded must be out of the way."""
        self._busy_from = self._schedule.next_due(next_step) - 1 if self._alone else 0

    def _look(self, values: Mapping[str, float]) -> None:
        if self._anomaly.begins(values):
            self._schedule.ask_for(self._preparable + self._ranks.notice_steps, DENSE_STEPS)
            self._ranks.agree(self._schedule, self._journal.steps)
            self._plan(self._preparable)
            self._live.hurry()

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
        self._recording = False
        self._prepare_next()
        if self._ranks.writes:
            tell(f"goes on at step {first:,} in {shown(self._recorder.folder)}")

    def _went_wrong(self, what: str, error: Exception) -> None:
        text = f"{what}: {type(error).__name__}: {error}. The training goes on, a part of the record is lost."
        self._once.tell(what, text)

    def _switch_off(self, probe: Probe, error: Exception) -> None:
        self._guard.switch_off(probe, error)


class _Inside:
    """The monitor at work: its time is counted, and what goes wrong is told once and goes no further.

    Entering says whether the watcher is awake; a closed one has nothing to do.
    """

    __slots__ = ("_vitals", "_what")

    def __init__(self, vitals: Vitals, what: str) -> None:
        self._vitals = vitals
        self._what = what

    def __enter__(self) -> bool:
        self._vitals._own.enter()
        return not self._vitals._closed

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._vitals._own.leave()
        if not isinstance(error, Exception):
            return False
        self._vitals._went_wrong(self._what, error)
        return True


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


_open: weakref.WeakSet[Vitals] = weakref.WeakSet()


def _close_watchers_of(optimizers: Iterable[Optimizer]) -> None:
    """Whoever runs a cell of a notebook twice means the second watcher."""
    wanted = {id(optimizer) for optimizer in optimizers}
    for vitals in list(_open):
        if not vitals._closed and any(id(owned.optimizer) in wanted for owned in vitals._owners):
            tell(f"closes the earlier watcher of this optimizer, in {shown(vitals.folder)}")
            vitals.close()


@atexit.register
def _close_all() -> None:
    for vitals in list(_open):
        try:
            vitals.close()
        except KeyboardInterrupt:
            # Whoever wants to be gone waits for no other diagnosis.
            for other in list(_open):
                other._live.switch_off()


def _leave_to_parent() -> None:
    """In a forked process: the parent records, this one does not."""
    for vitals in list(_open):
        vitals._closed = True
        vitals._live.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
