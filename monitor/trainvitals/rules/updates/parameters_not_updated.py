"""UPD001: some or all parameters of the model are not trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trainvitals import tags
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.updates.standstill import Sign, signs_of_standstill
from trainvitals.rules.updates.untrained_parts import Part, untrained_parts
from trainvitals.rules.updates.wiring_record import FEWEST_RECORDS, WATCH
from trainvitals.view import RunView

NAMED_LAYERS = 20
SURE = 0.92
ON_PURPOSE = 0.6
"""Where it may be meant so."""


WITHOUT_OWNER = ("own-all-parameters", "check-wiring")


@dataclass(frozen=True, slots=True)
class Trained:
    """What of a model is trained.

    Args:
        parts: what is not. signs: that nothing is any more.
        records: of the wiring; 0 where the hooks did not look.
        last_step: of the run.
    """

    parts: tuple[Part, ...]
    signs: tuple[Sign, ...]
    records: int
    last_step: int


@dataclass(frozen=True, slots=True)
class _Fault:
    severity: Severity
    confidence: float
    summary: str
    first_step: int
    begins_by: int | None
    layers: tuple[str, ...]
    evidence: tuple[Evidence, ...]


class ParametersNotUpdated(Rule[Trained]):
    """Some or all parameters of the model are not trained.

    What it finds
    -------------
    Parameters that no optimizer owns, that get no gradient, or that get one and do not move; and a whole model that
    stands still while the training seems to go on, because no optimizer step is made any more.

    Why it matters
    --------------
    Layers that are not trained keep their random weights. The others learn around them, so the loss falls, only not as
    far as it could, and nothing else tells.

    How it is detected
    ------------------
    The hooks count, at each record, parameters that may be trained and are in no optimizer, that had no gradient at an
    update, and that did not change although gradient and rate are not zero. A finding needs the same number in nine of
    ten records from some record on and in the last `fewest_records`.

    A model stands still where samples or validations pile up at the last step that was made; where a validation loss
    repeats itself to the last digit, five times or more, and moved by far more until then; or where the norms of all
    weights repeat themselves, or all updates are exactly zero, at a learning rate that is not.

    False alarms
    ------------
    Parameters that are frozen by `requires_grad_(False)`, from the start or later, are not counted. Copies that are
    moved by other means (called target, teacher, ema or alike, or seen to change) are an information, as are a few
    parameters without gradient behind the first layer, such as a head that is not used, and a single one that does
    not move. Parameters that do not move because their gradient is a thousandth of the others' are left to vanishing-
    gradients. Experts and heads that take turns have a changing set. Layers at the input side that no optimizer owns
    may be meant to be frozen: that is told with less confidence, because freezing them would save their gradients. A
    model that was given all but one of its optimizers to watch gets a false alarm: watch them all.

    What to try
    -----------
    Check each parameter for an owner, a gradient and a change; make the optimizer after the last change of the model.

    Sources
    -------
    TrainCheck (OSDI 2025): parameters that silently do not change are among the most frequent faults of training code.
    """

    code = "UPD001"
    name = "parameters-not-updated"
    summary = "Some or all parameters of the model are not trained."
    reads = (
        *(tags.UNOWNED_PARAMETERS, tags.NO_GRADIENT, tags.NOT_MOVED),
        *("train_loss", "val_loss", "learning_rate"),
        *("per_layer.weight_norm", "per_layer.grad_norm", "per_layer.update_ratio", "per_layer.unit_similarity"),
    )
    thresholds = (
        Threshold(
            "fewest_records",
            FEWEST_RECORDS,
            "What is counted is exact, so that a few records in a row are no accident.",
            "convention",
        ),
        Threshold(
            "unused_share",
            0.5,
            "Of the parameters: what is cut off begins at the input side, and what is not used lies behind; half of a "
            "model is not left unused on purpose.",
            "a pooler or an auxiliary head is a few per cent of common models, and a third of a small one",
        ),
        Threshold(
            "still_share",
            0.05,
            "A single parameter may be held by a limit, as the temperature of contrastive models is; a share may not.",
            "convention",
        ),
    )
    absorbs = (
        *("plateau", "not-learning", "vanishing-gradients", "learning-rate-too-low", "updates-too-small"),
        *("underfitting", "representation-collapse"),
    )
    interventions = ("check-wiring", "overfit-one-batch")

    def measure(self, view: RunView) -> Trained | NotEnough:
        parts, records = untrained_parts(view)
        signs = signs_of_standstill(view)
        if not records and not signs:
            return NotEnough((tags.UNOWNED_PARAMETERS, tags.NO_GRADIENT, tags.NOT_MOVED), WATCH)
        return Trained(parts, signs, records, view.run.last_step or 0)

    def judge(self, measurement: Trained, limits: Mapping[str, float]) -> list[Finding]:
        faults = [*_still(measurement.signs)]
        if measurement.records >= limits["fewest_records"]:
            faults += [_fault(part, limits) for part in measurement.parts if not part.starves]
        if not faults:
            return []
        # One event is one finding: an optimizer of another model owns nothing, and what it owns gets no gradient.
        worst = max(faults, key=lambda fault: (fault.severity.rank, fault.confidence))
        alike = [fault for fault in faults if fault.severity is worst.severity]
        first = min(alike, key=lambda fault: fault.first_step)
        layers = dict.fromkeys(name for fault in alike for name in fault.layers)
        in_order = (worst, *(fault for fault in alike if fault is not worst))
        return [
            self.finding(
                worst.severity,
                worst.confidence,
                worst.summary,
                first_step=first.first_step,
                begins_by=first.begins_by,
                last_step=max(measurement.last_step, first.first_step),
                layers=tuple(layers)[:NAMED_LAYERS],
                evidence=tuple(item for fault in in_order for item in fault.evidence),
                to_try=WITHOUT_OWNER if worst.evidence[0].signal == tags.UNOWNED_PARAMETERS else (),
            )
        ]

    def rule_out(self, measurement: Trained, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.records < limits["fewest_records"] or measurement.parts or measurement.signs:
            return None
        text = "every parameter has an optimizer, gets a gradient and moves"
        return Evidence(text, signal=tags.NOT_MOVED, value=0.0, threshold=0.0)


def _still(signs: tuple[Sign, ...]) -> Iterator[_Fault]:
    if not signs:
        return
    first, by = max(sign.first_step for sign in signs), min(sign.begins_by for sign in signs)
    yield _Fault(
        Severity.WARNING,
        signs[0].confidence,
        f"no parameter moves since step {first:,}, while the training goes on",
        min(first, by),
        by,
        (),
        tuple(sign.evidence for sign in signs),
    )


def _fault(part: Part, limits: Mapping[str, float]) -> _Fault:
    severity, confidence = Severity.WARNING, SURE
    if part.kind == "unowned":
        what = "are owned by no optimizer that is watched"
        confidence = 0.7 if part.leads else SURE
        lesser = part.moves or part.is_copy
    elif part.kind == "no gradient":
        what = "get no gradient"
        lesser = not part.leads and part.share < limits["unused_share"]
    else:
        what = "get a gradient and do not move"
        lesser = part.count == 1 and part.share < limits["still_share"]
    if lesser:
        severity, confidence = Severity.INFO, ON_PURPOSE
    count = "1 parameter" if part.count == 1 else f"{part.count:,} parameters"
    text = f"{count} of {part.total:,} {what}" if part.total else f"{count} {what}"
    where = f" ({_span(part.names)})" if part.names else ""
    evidence = Evidence(text + where, signal=part.tag, value=float(part.count), threshold=0.0, step=part.first_step)
    hint = (
        "; if they are frozen on purpose, requires_grad_(False) says so"
        if part.kind == "unowned" and part.leads
        else ""
    )
    return _Fault(severity, confidence, f"{text}{where}{hint}", part.first_step, None, part.names, (evidence,))


def _span(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} … {names[-1]}"
