"""Lightning, watched by a callback. What a script needs:

    from trainvitals_hooks.integrations.lightning import VitalsCallback

    trainer = Trainer(callbacks=[VitalsCallback()])

Where the last training is recorded is the callback's ``folder``.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from trainvitals import tags
from trainvitals_hooks.console import Once
from trainvitals_hooks.integrations.batches import samples_in, tokens_in
from trainvitals_hooks.integrations.contained import contained
from trainvitals_hooks.integrations.metric_names import LOSS, TAKEN, understood
from trainvitals_hooks.integrations.missing import missing
from trainvitals_hooks.settings_of_run import trained_by
from trainvitals_hooks.vitals import Vitals
from trainvitals_hooks.watcher import watch

try:
    from lightning.pytorch import Callback
except ModuleNotFoundError:
    try:
        from pytorch_lightning import Callback
    except ModuleNotFoundError:
        raise missing("lightning") from None

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer
    from torch.optim import Optimizer

# What Lightning adds to the name of a metric: which of several loaders it is from, and over what it is averaged.
_LOADER = re.compile(r"/dataloader_idx_(\d+)$")
_AVERAGED_OVER = re.compile(r"_(?:step|epoch)$")

_SHARDED = ("FSDP", "DeepSpeed", "ModelParallel")


class VitalsCallback(Callback):
    """Watches every ``fit``: the loss of every step, what the module logs, validations, checkpoints.

    A second ``fit`` of the same trainer goes on with the same curves, and so does one from a checkpoint. Sanity checks,
    ``test`` and ``predict`` leave nothing.

    Args:
        logdir, settings: as of ``trainvitals.watch``.

    Attributes:
        folder: where the last training is recorded.
    """

    def __init__(self, logdir: str | os.PathLike[str] | None = None, **settings: Any) -> None:
        super().__init__()
        inspect.signature(watch).bind(None, None, logdir, **settings)
        self.folder: Path | None = None
        self.once = Once()
        self._logdir = logdir
        self._settings = settings
        self._vitals: Vitals | None = None
        self._state: Mapping[str, Any] | None = None
        self._micro_batches: list[dict[str, Any]] = []
        self._updates = 0
        self._known: dict[str, Any] = {}

    @contained
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close()
        with trained_by("lightning"):
            self._vitals = watch(pl_module, trainer.optimizers, self._logdir, **self._settings)
        if trainer.global_step:
            # A checkpoint of a training that nobody watched says no more than its updates.
            made = {"next_step": trainer.global_step // len(trainer.optimizers)}
            self._vitals.load_state_dict(self._state or self._vitals.state_dict() | made)
        self.folder = self._vitals.folder
        self._micro_batches = []
        self._updates = trainer.global_step

    @contained
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._new_metrics(trainer)

    @contained
    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        # Lightning clips afterwards and keeps no norm; that of a step which is not recorded would be computed for it.
        if self._vitals is None or not self._vitals.is_due or not trainer.gradient_clip_val:
            return
        if trainer.gradient_clip_algorithm in (None, "norm") and not _is_sharded(trainer):
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            if gradients:
                with torch.no_grad():
                    total_norm = torch.nn.utils.get_total_norm(gradients)
                self._vitals.log_clipping(total_norm, float(trainer.gradient_clip_val))

    @contained
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._vitals is None:
            return
        metrics = {
            name.metric: value
            for key, value in self._new_metrics(trainer).items()
            if not (name := understood(_AVERAGED_OVER.sub("", key))).is_validation and name.metric not in TAKEN
        }
        loss = outputs.get(LOSS) if isinstance(outputs, Mapping) else outputs
        if loss is not None:
            # What automatic optimization hands out is a micro-batch's part of the step's loss.
            parts = trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1
            metrics[LOSS] = loss * parts if parts > 1 else loss
        self._micro_batches.append({"samples": samples_in(batch), "tokens": tokens_in(batch), **metrics})
        if trainer.global_step != self._updates:
            self._updates = trainer.global_step
            self._log(trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches)

    @contained
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self._new_metrics(trainer)

    @contained
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._vitals is None or trainer.sanity_checking:
            return
        suites: dict[str, dict[str, Any]] = {}
        for key, value in self._new_metrics(trainer).items():
            loader = _LOADER.search(key)
            name = understood(_AVERAGED_OVER.sub("", _LOADER.sub("", key)))
            suite = name.suite if loader is None else _loader_name(trainer.val_dataloaders, int(loader[1]))
            suites.setdefault(suite, {})[name.metric] = value
        for suite, metrics in suites.items():
            self._vitals.log_validation(suite, **metrics)

    @contained
    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self._vitals is not None:
            self._vitals.event(tags.CHECKPOINT, update=trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        # After the training too: many save their last checkpoint by hand.
        return dict(self._state or {}) if self._vitals is None else self._vitals.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._state = state_dict or None

    @contained
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self._vitals is not None:
            self._vitals.event("exception", type=type(exception).__name__, text=str(exception))
        self._close()

    @contained
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self._close()

    def _log(self, epoch: float) -> None:
        """The micro-batches of the update just made, each for itself, so that their mean is that of the step."""
        assert self._vitals is not None
        for metrics in self._micro_batches:
            self._vitals.log(epoch=epoch, **metrics)
        self._micro_batches = []

    def _new_metrics(self, trainer: Trainer) -> dict[str, Any]:
        """What was logged since the last call: Lightning keeps all metrics, old and new, in one dictionary."""
        metrics = dict(trainer.callback_metrics)
        new = {name: value for name, value in metrics.items() if self._known.get(name) is not value}
        self._known = metrics
        return new

    def _close(self) -> None:
        if self._vitals is not None:
            self._state = self._vitals.state_dict()
            self._vitals.close()
            self._vitals = None
        self._known = {}


def _is_sharded(trainer: Trainer) -> bool:
    """Whether each process has a part of the gradient only, whose norm is not that of the whole."""
    return any(word in type(trainer.strategy).__name__ for word in _SHARDED)


def _loader_name(loaders: Any, number: int) -> str:
    return str(list(loaders)[number]) if isinstance(loaders, Mapping) else f"loader{number}"
