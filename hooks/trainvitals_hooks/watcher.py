"""``watch``: from its arguments to a training being watched; every open watcher is closed when the process ends."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trainvitals_hooks.arguments import accepted_findings, check_arguments, chosen_probes, selector, unwrapped
from trainvitals_hooks.console import tell
from trainvitals_hooks.folder import choose_folder
from trainvitals_hooks.live import OnFinding
from trainvitals_hooks.looking.modules import inside_ddp
from trainvitals_hooks.messages import shown
from trainvitals_hooks.processes.ranks import ranks_of_training
from trainvitals_hooks.recording.sink import OnRecord
from trainvitals_hooks.resume import last_step
from trainvitals_hooks.vitals import Vitals

if TYPE_CHECKING:
    from torch.nn import Module
    from torch.optim import Optimizer

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
    vitals = Vitals(
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
    if vitals.is_open:
        _open.add(vitals)
    return vitals


_open: weakref.WeakSet[Vitals] = weakref.WeakSet()


def _close_watchers_of(optimizers: Iterable[Optimizer]) -> None:
    """Whoever runs a cell of a notebook twice means the second watcher."""
    for vitals in list(_open):
        if vitals.watches(optimizers):
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
                other.wait_for_no_verdict()


def _leave_to_parent() -> None:
    for vitals in list(_open):
        vitals.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
