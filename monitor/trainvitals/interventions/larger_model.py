"""Give the model more to learn with."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_falls, setting
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

WIDER = 2
TRIAL_SHARE = 0.2
"""Of the run: by then a model that is large enough is visibly below the other."""


class LargerModel(Intervention):
    """Where training and validation loss stand still together, well above what the task should allow.

    A model that cannot fit its training data needs more units, more layers or better inputs; more data do not help it.
    """

    name = "larger-model"
    source = "Goodfellow et al. 2016, Deep learning, section 11.3; Karpathy 2019, A recipe for training neural networks"
    basis = "hypothesis"
    undo = "new start"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        parameters = setting(view.run, "trainable_parameters")
        has = "" if parameters is None else f" (now {parameters:,.0f} parameters)"
        return self.suggestion(
            summary=f"try {WIDER} times the width for a fifth of the run{has}",
            how=f"""
# hidden_size, channels, d_model, ...: whatever sets the width of your model
model = make_model(width={WIDER} * width)
optimizer = type(optimizer)(model.parameters(), lr=optimizer.param_groups[0]["lr"])
""",
            dialect=view.dialect,
            transformers=f"""
# hidden_size, d_model, n_embd, ...: whatever sets the width in your model's configuration
model.config.hidden_size *= {WIDER}
model = type(model)(model.config)
""",
            lightning=f"""
# hidden_size, channels, d_model, ...: whatever sets the width in your model's __init__
model = type(model)(**{{**model.hparams, "width": {WIDER} * model.hparams["width"]}})
""",
            expected="a training loss below the present one if it was the size; the same loss if it is noise",
            risk="a new run; costs up to four times the time and memory a step, and can overfit",
            verify=loss_falls(view, finding, TRIAL_SHARE),
        )
