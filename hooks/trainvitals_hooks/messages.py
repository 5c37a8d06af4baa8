"""The line at the start of a watched training, and those at its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainvitals_hooks.recording.pace import PERCENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch.nn import Module

    from trainvitals_hooks.looking.parameters import Owners
    from trainvitals_hooks.recording.recorder import Recorder


def start_line(model: Module, owners: Owners, folder: Path, first: int, not_seen: Sequence[str], processes: int) -> str:
    """Layers, parameters, optimizers, folder, and what cannot be seen."""
    parameters = [parameter for owned in owners for parameter in owned.parameters]
    count = sum(parameter.numel() for parameter in parameters)
    optimizers = ", ".join(type(owned.optimizer).__name__ for owned in owners)
    blind = list(not_seen)
    if unowned := owners.unowned():
        blind.append(f"{len(unowned)} parameters that no optimizer updates ({unowned[0]}{' …' * (len(unowned) > 1)})")
    return "".join(
        (
            f"watching {type(model).__name__}, {count:,} parameters in {len(parameters)} tensors, {optimizers}",
            f", in {processes} processes" if processes > 1 else "",
            f"; recording to {shown(folder)}",
            f" from step {first:,} on" if first else "",
            f"; not seen: {'; '.join(blind)}" if blind else "",
        )
    )


def end_lines(
    steps: int, own_share: float, recorder: Recorder, *, verdict: str | None, live_cpu_s: float | None
) -> Iterator[str]:
    """The verdict, what was recorded, at what cost, what was lost, and the next command."""
    if verdict is not None:
        yield verdict
    if recorder.written:
        live = "" if live_cpu_s is None else f"; the live diagnosis took {live_cpu_s:.2g} s in a process of its own"
        yield f"{steps:,} steps recorded at a cost of {PERCENT * own_share:.2g} % of the training's time{live}"
    else:
        yield f"nothing recorded in {steps:,} steps"
    if recorder.lost:
        yield f"{recorder.lost:,} records could not be written"
    if recorder.written:
        yield f"next: trainvitals diagnose {shown(recorder.folder)}"


def shown(folder: Path) -> str:
    """The folder as a person in the working directory would type it."""
    try:
        return str(folder.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(folder)
