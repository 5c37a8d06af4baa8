"""Compute in bfloat16 instead of float16."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.snippets import lightning_trainer, training_arguments
from trainvitals.interventions.values import loss_is_finite
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

HALF_PRECISION = ("fp16", "float16", "amp", "half")


class UseBfloat16(Intervention):
    """Where numbers overflow: a loss or gradient that becomes infinite or NaN under float16.

    bfloat16 has the range of float32 (to 3e38) where float16 ends at 65504, so nothing has to be scaled.
    """

    name = "use-bfloat16"
    source = "Micikevicius et al. 2018, Mixed precision training; Kalamkar et al. 2019, A study of BFLOAT16"
    basis = "paper"
    undo = "at any step"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        settings = {str(key).casefold(): value for key, value in view.run.hyper_parameters.items()}
        known = [key for key in settings if any(word in key for word in HALF_PRECISION)]
        already = any("bf16" in str(value).casefold() for value in settings.values())
        if already or settings.get("bf16") in (True, 1):
            return None
        seen = " (the run's settings mention half precision)" if known else ", if the run uses float16"
        return self.suggestion(
            summary=f"compute in bfloat16 instead of float16{seen}",
            how="""
with torch.autocast(device_type=x.device.type, dtype=torch.bfloat16):
    loss = loss_fn(model(x), y)
loss.backward()  # without a GradScaler: bfloat16 does not need one
optimizer.step()
""",
            dialect=view.dialect,
            transformers=training_arguments(bf16="True", fp16="False"),
            lightning=lightning_trainer(precision='"bf16-mixed"'),
            expected="nothing overflows any more, if the range of float16 was the cause",
            risk="three bits less precision; needs a device with bfloat16",
            verify=loss_is_finite(view, finding),
        )
