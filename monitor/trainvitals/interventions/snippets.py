"""Pieces of code in the words of a framework, of which suggestions are made."""

from __future__ import annotations

from trainvitals.interventions.values import optimizer_name, quoted, rate_now, setting, short
from trainvitals.view import LossCurve, RunView

CUSTOMARY_RATE = 1e-3
"""Adam's default, taken where the run logged no rate."""

FROM_WEIGHTS = "# To go on from a checkpoint, load its weights alone: a full resume brings the old settings back."

_OF_ACCELERATE = (
    ("loss.backward()", "accelerator.backward(loss)"),
    ("torch.nn.utils.clip_grad_norm_(", "accelerator.clip_grad_norm_("),
    ("# With a GradScaler, call scaler.unscale_(optimizer) first.\n", ""),
)


def in_accelerate(how: str) -> str | None:
    """Code of a plain loop as one with Accelerate has it; None where they are the same."""
    changed = how
    for plain, own in _OF_ACCELERATE:
        changed = changed.replace(plain, own)
    return None if changed == how else changed


def training_arguments(**settings: str) -> str:
    """The Trainer's arguments with these set, as code; values are code, too."""
    lines = "".join(f"    {name}={value},\n" for name, value in settings.items())
    return f"""
from transformers import TrainingArguments

args = TrainingArguments(
    output_dir="out",  # this and all else as you have it
{lines})
"""


def lightning_trainer(**settings: str) -> str:
    """Lightning's Trainer with these set, as code; values are code, too."""
    given = ", ".join(f"{name}={value}" for name, value in settings.items())
    return f"""
from lightning import Trainer

trainer = Trainer({given})  # all else as you have it
"""


def monitored(view: RunView, loss: LossCurve) -> str:
    """What the framework itself calls a validation loss, as code; our own record has names of its own."""
    theirs = "trainvitals" not in view.run.hyper_parameters
    if view.dialect == "transformers":
        return quoted(loss.tag.replace("/", "_") if theirs and loss.tag.startswith("eval") else "eval_loss")
    return quoted(loss.tag if theirs else "val_loss")


def configure_optimizers(view: RunView, then: str = "return optimizer", **settings: str) -> str:
    """A LightningModule's method that makes this run's optimizer with these set, as code; values are code, too.

    Args:
        then: its further lines.
    """
    known = {"lr": short(rate_now(view) or CUSTOMARY_RATE), **_kept(view), **settings}
    given = ", ".join(f"{name}={value}" for name, value in known.items())
    lines = "\n".join(f"    {line}" for line in then.splitlines())
    return f"""
def configure_optimizers(self):  # of your LightningModule
    optimizer = torch.optim.{optimizer_name(view, settings)}(self.parameters(), {given})
{lines}
"""


def _kept(view: RunView) -> dict[str, str]:
    """The settings that a new optimizer would lose."""
    kept = {name: setting(view.run, name) for name in ("weight_decay", "momentum")}
    return {name: short(value) for name, value in kept.items() if value}
