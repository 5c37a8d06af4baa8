"""The Trainer of Hugging Face, watched by a callback. What a script needs:

    from trainvitals_hooks.integrations.transformers import VitalsCallback

    trainer = Trainer(..., callbacks=[VitalsCallback()])

Where the last training is recorded is the callback's ``folder``.
"""

from __future__ import annotations

import inspect
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainvitals import tags
from trainvitals_hooks.console import Once
from trainvitals_hooks.integrations.contained import contained
from trainvitals_hooks.integrations.missing import missing
from trainvitals_hooks.integrations.output_loss import OutputLoss
from trainvitals_hooks.settings_of_run import trained_by
from trainvitals_hooks.vitals import Vitals
from trainvitals_hooks.watcher import watch

try:
    from transformers import TrainerCallback
    from transformers.trainer_callback import ExportableState
except ModuleNotFoundError:
    raise missing("transformers") from None

if TYPE_CHECKING:
    from torch.nn import Module
    from torch.optim import Optimizer
    from transformers import TrainerControl, TrainerState, TrainingArguments

PREFIX = "eval"
"""What every metric of an evaluation begins with."""
_NO_METRIC = ("_runtime", "_per_second", "_time")
SAME_LOSS = 0.01
"""Relative difference up to which two means of the losses between two logs are the same: one may be of bfloat16."""


class VitalsCallback(TrainerCallback, ExportableState):
    """Watches every ``train``: the loss of every step, evaluations, checkpoints.

    The Trainer tells its callbacks no loss but the mean since its last log, without the non-finite ones. So the loss of
    each step is taken from what the model returns; where it returns none, or the Trainer trains on another, the mean is
    recorded. A training resumed from a checkpoint goes on with the same curves.

    Args:
        logdir, settings: as of ``trainvitals.watch``.

    Attributes:
        folder: where the last training is recorded.
    """

    def __init__(self, logdir: str | os.PathLike[str] | None = None, **settings: Any) -> None:
        inspect.signature(watch).bind(None, None, logdir, **settings)
        self.folder: Path | None = None
        self.once = Once()
        self._logdir = logdir
        self._settings = settings
        self._vitals: Vitals | None = None
        self._losses: OutputLoss | None = None

    @contained
    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: Module,
        optimizer: Optimizer,
        **_: Any,
    ) -> None:
        self._close()
        with trained_by("transformers"):
            self._vitals = watch(model, optimizer, self._logdir, **self._settings)
        if state.global_step:
            self._vitals.load_state_dict(self._state_at(state))
        self.folder = self._vitals.folder
        self._losses = OutputLoss(model)

    @contained
    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._vitals is None or self._losses is None:
            return
        taken = self._losses.take()
        loss: dict[str, Any] = {} if taken.loss is None else {"loss": taken.loss}
        self._vitals.log(epoch=state.epoch, samples=taken.samples, tokens=taken.tokens, **loss)

    @contained
    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if self._vitals is None or self._losses is None or not logs or "loss" not in logs:
            return
        norm = logs.get("grad_norm")
        if norm is not None and args.max_grad_norm:
            self._vitals.log(grad_norm_before_clipping=norm, grad_clipped=float(norm > args.max_grad_norm))
        mean = self._losses.mean_since_last_call()
        if mean is None:
            self._vitals.log(loss=logs["loss"])
        elif args.world_size == 1 and not _same(mean, logs["loss"]):
            self._losses.close()
            self.once.tell(
                "loss",
                "the Trainer trains on another loss than the one that the model returns: from here on its mean over "
                f"logging_steps={args.logging_steps:g} is recorded",
            )

    @contained
    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        metrics: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if self._vitals is None or not metrics:
            return
        # The Trainer names its own clock after the data set: eval_runtime, eval_code_runtime.
        clocks = [name.removesuffix("_runtime") for name in metrics if name.endswith("_runtime")]
        prefix = clocks[0] if clocks else PREFIX
        self._vitals.log_validation(
            prefix.removeprefix(PREFIX).removeprefix("_"),
            **{
                name.removeprefix(f"{prefix}_"): value
                for name, value in metrics.items()
                if name.startswith(f"{prefix}_") and not name.endswith(_NO_METRIC)
            },
        )

    @contained
    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._vitals is not None:
            path = Path(args.output_dir or ".") / f"checkpoint-{state.global_step}"
            self._vitals.event(tags.CHECKPOINT, path=str(path))

    @contained
    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._close()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; what JSON cannot hold is left out, for it would keep the Trainer from saving."""
        arguments: dict[str, Any] = {name: value for name, value in self._settings.items() if _fits_json(value)}
        if self._logdir is not None:
            arguments["logdir"] = os.fspath(self._logdir)
        return {"args": arguments, "attributes": {"saved": {} if self._vitals is None else self._vitals.state_dict()}}

    def _state_at(self, state: TrainerState) -> dict[str, Any]:
        """Where the checkpoint was made. One of a training that nobody watched says no more than its step."""
        exported: Any = (state.stateful_callbacks or {}).get(type(self).__name__, {})
        first = exported[0] if isinstance(exported, list) else exported
        saved = first.get("attributes", {}).get("saved") or {}
        assert self._vitals is not None
        return self._vitals.state_dict() | saved | {"next_step": state.global_step}

    def _close(self) -> None:
        if self._losses is not None:
            self._losses.close()
            self._losses = None
        if self._vitals is not None:
            self._vitals.close()
            self._vitals = None


def _same(ours: float, theirs: float) -> bool:
    # Among non-finite losses the Trainer's mean is of the others: nothing to compare.
    return not math.isfinite(ours) or math.isclose(ours, theirs, rel_tol=SAME_LOSS, abs_tol=SAME_LOSS / 10)


def _fits_json(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
