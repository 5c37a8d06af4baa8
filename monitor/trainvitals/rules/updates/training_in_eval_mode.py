"""UPD009: updates are made while dropout and batch norm are in evaluation mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals import tags
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.updates.wiring_record import FEWEST_RECORDS, WATCH, begin_of_mostly, names_told
from trainvitals.view import RunView


@dataclass(frozen=True, slots=True)
class Modes:
    """In which mode the training steps were made.

    Args:
        records: of the modes. share: median share of the modules with modes that are in evaluation mode while the
            whole model is; NaN where it never is.
        first_step: from which the whole model is, None where it is not. last_step: of the records.
        trained_before: whether it was in training mode before that.
        layers: names of the modules, as far as they were told.
    """

    records: int
    share: float
    first_step: int | None
    last_step: int
    trained_before: bool
    layers: tuple[str, ...]


class TrainingInEvalMode(Rule[Modes]):
    """Updates are made while the model is in evaluation mode.

    What it finds
    -------------
    A model whose dropout and batch norm modules are in evaluation mode in the training steps, usually because
    `model.eval()` was called for a validation and `model.train()` never again.

    Why it matters
    --------------
    Dropout does nothing then, and batch norm divides by the running statistics of long ago and does not renew them. The
    model regularises less than it was told to, and drifts away from the statistics that it is normalised with.

    How it is detected
    ------------------
    At recorded training steps the hooks note whether the model itself is in evaluation mode, and which share of the
    modules that behave otherwise there. A finding needs the whole model in that mode in nine of ten records from some
    record on and in the last `fewest_records`, and at least `smallest_share` of those modules.

    False alarms
    ------------
    Batch norm that is frozen on purpose has its modules in evaluation mode, and not the whole model: no finding. Models
    without dropout and batch norm are the same in both modes: no finding. Whoever calls `model.eval()` on purpose while
    fine-tuning gets one.

    What to try
    -----------
    Call `model.train()` before the training steps of each epoch, after each validation.

    Sources
    -------
    The documentation of `torch.nn.Module.eval`; Ioffe and Szegedy 2015 for what batch norm does in both modes.
    """

    code = "UPD009"
    name = "training-in-eval-mode"
    summary = "Updates are made while dropout and batch norm are in evaluation mode."
    reads = (tags.MODEL_IN_EVAL_MODE, tags.EVAL_MODE)
    thresholds = (
        Threshold(
            "fewest_records",
            FEWEST_RECORDS,
            "The mode is exact, so that a few records in a row are no accident.",
            "convention",
        ),
        Threshold(
            "smallest_share",
            0.5,
            "Somebody who puts single modules back into training mode knows what the modes are.",
            "convention; `model.eval()` gives 1",
        ),
    )
    interventions = ("training-mode",)

    def measure(self, view: RunView) -> Modes | NotEnough:
        whole, modules = view.recorded(tags.MODEL_IN_EVAL_MODE), view.recorded(tags.EVAL_MODE)
        if whole is None:
            return NotEnough((tags.MODEL_IN_EVAL_MODE,), WATCH)
        if modules is None or not len(whole.finite()):
            return NotEnough()
        whole = whole.finite()
        in_evaluation = np.asarray(whole.value > 0)
        onset = begin_of_mostly(in_evaluation)
        return Modes(
            records=len(whole),
            share=_share(modules.finite(), whole.step[in_evaluation]),
            first_step=None if onset is None else int(whole.step[onset]),
            last_step=int(whole.step[-1]),
            trained_before=onset is not None and not bool(in_evaluation[:onset].all()),
            layers=names_told(view.run, "eval_mode"),
        )

    def judge(self, measurement: Modes, limits: Mapping[str, float]) -> list[Finding]:
        modes = measurement
        few = modes.records < limits["fewest_records"]
        if modes.first_step is None or few or not modes.share >= limits["smallest_share"]:
            return []
        since = f"since step {modes.first_step:,}" if modes.trained_before else "from the first step on"
        return [
            self.finding(
                Severity.WARNING,
                0.95 if modes.trained_before else 0.9,
                f"the model is trained in evaluation mode {since}",
                first_step=modes.first_step,
                last_step=modes.last_step,
                layers=modes.layers,
                evidence=(
                    Evidence(
                        f"the whole model is in evaluation mode while updates are made, {since}",
                        signal=tags.MODEL_IN_EVAL_MODE,
                        value=1.0,
                        threshold=0.0,
                        step=modes.first_step,
                    ),
                    Evidence(
                        f"so are {modes.share:.0%} of its dropout and batch norm modules",
                        signal=tags.EVAL_MODE,
                        value=modes.share,
                        threshold=limits["smallest_share"],
                    ),
                ),
            )
        ]

    def rule_out(self, measurement: Modes, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.records < limits["fewest_records"] or np.isfinite(measurement.share):
            return None
        text = f"the model was in training mode at all of {measurement.records:,} steps looked at"
        return Evidence(text, signal=tags.MODEL_IN_EVAL_MODE, value=0.0)


def _share(modules: Series, steps: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    beside = modules.value[np.isin(modules.step, steps)]
    return float(np.median(beside)) if len(beside) else float("nan")
