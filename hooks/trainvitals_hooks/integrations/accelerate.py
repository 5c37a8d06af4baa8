"""A training with Accelerate, watched by a tracker. What a script needs:

    from trainvitals_hooks.integrations.accelerate import VitalsTracker

    tracker = VitalsTracker()
    accelerator = Accelerator(log_with=tracker)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    accelerator.init_trackers("a name")
    tracker.watch(model, optimizer)

Who does not log by ``accelerator.log`` needs no tracker: ``trainvitals.watch`` takes what ``prepare`` gave.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainvitals_hooks.console import Once
from trainvitals_hooks.integrations.contained import contained
from trainvitals_hooks.integrations.metric_names import TAKEN, understood
from trainvitals_hooks.integrations.missing import missing
from trainvitals_hooks.settings_of_run import trained_by
from trainvitals_hooks.vitals import Vitals
from trainvitals_hooks.watcher import watch

try:
    from accelerate.tracking import GeneralTracker
except ModuleNotFoundError:
    raise missing("accelerate") from None

if TYPE_CHECKING:
    from torch.nn import Module
    from torch.optim import Optimizer


class VitalsTracker(GeneralTracker):
    """Records what ``accelerator.log`` is given at the step the optimizer has come to, and all that ``watch`` sees.

    The steps are those of the optimizer, whatever ``accelerator.log(step=...)`` counts. Names that begin with ``val``
    or ``eval`` are a validation's. With ``accelerator.register_for_checkpointing(tracker)`` a resumed training is one
    curve.

    Args:
        logdir, settings: as of ``trainvitals.watch``.

    Attributes:
        folder: where the last training is recorded.
    """

    name = "trainvitals"
    requires_logging_directory = False

    def __init__(self, logdir: str | os.PathLike[str] | None = None, **settings: Any) -> None:
        super().__init__()
        inspect.signature(watch).bind(None, None, logdir, **settings)
        self.folder: Path | None = None
        self.once = Once()
        self._logdir = logdir
        self._settings = settings
        self._vitals: Vitals | None = None
        self._configuration: Mapping[str, Any] = {}

    @property
    def tracker(self) -> Vitals | None:
        """The watcher, once there is one."""
        return self._vitals

    def watch(self, model: Module, optimizer: Optimizer | Sequence[Optimizer]) -> Vitals:
        """Begin to watch what ``accelerator.prepare`` gave."""
        self.finish()
        with trained_by("accelerate"):
            self._vitals = watch(model, optimizer, self._logdir, **self._settings)
        self.folder = self._vitals.folder
        if self._configuration:
            self._vitals.event("configuration", **self._configuration)
        return self._vitals

    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        self._configuration = {str(name): value for name, value in values.items()}

    @contained
    def log(self, values: Mapping[str, Any], step: int | None = None, **_: Any) -> None:
        if self._vitals is None:
            self.once.tell("watch", "nothing is recorded before tracker.watch(model, optimizer)")
            return
        train: dict[str, Any] = {}
        suites: dict[str, dict[str, Any]] = {}
        for key, value in values.items():
            name = understood(key)
            (suites.setdefault(name.suite, {}) if name.is_validation else train)[name.metric] = value
        progress = {name: train.pop(name) for name in TAKEN & train.keys()}
        if train or "epoch" in progress:
            self._vitals.log(epoch=progress.get("epoch"), **train)
        for suite, metrics in suites.items():
            self._vitals.log_validation(suite, **metrics)

    def finish(self) -> None:
        if self._vitals is not None:
            self._vitals.close()
            self._vitals = None

    def state_dict(self) -> dict[str, Any]:
        """What ``accelerator.save_state`` keeps."""
        return {} if self._vitals is None else self._vitals.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the checkpoint was made."""
        if self._vitals is not None and state:
            self._vitals.load_state_dict(state)
            self.folder = self._vitals.folder
