"""LOS005: the loss has stopped improving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.model import Evidence, Finding, Reason, Severity, Verdict
from trainvitals.progress import Assessment, NoNewGround
from trainvitals.rules import logging_lines
from trainvitals.rules.alignment import positions
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import LossCurve, RunView

STILL_IMPROVING = (Verdict.PROGRESSING, Verdict.SLOW)

WHY_FLAT = {
    Reason.CONVERGED: "it came to rest smoothly, as a run that has converged does",
    Reason.LR_LIMITED: "the learning rate has come down so far that little more can be expected at this rate",
    Reason.SCHEDULE_END: "the learning-rate schedule has ended",
}

# The best first: what is cheap and can be undone before what needs a new start.
TO_TRY_WHERE_STOPPED = (
    "adaptive-learning-rate",
    "check-wiring",
    "restore-checkpoint",
    "data-mixing",
    "dynamic-curriculum",
    "more-data",
)
TO_TRY_WHERE_HELD = ("check-wiring", "restore-checkpoint")
TO_TRY_WHERE_CONVERGED = ("stop-and-keep-best", "adaptive-learning-rate", "more-data", "more-regularisation")
TO_TRY_WHERE_THE_RATE_HOLDS_IT = ("stop-and-keep-best", "extend-schedule")
TO_TRY_WHERE_NOISE_HIDES = ("fixed-probe-set", "anneal-learning-rate", "average-weights", "stop-and-keep-best")
TO_TRY_WHERE_MEMORISED = ("stop-and-keep-best", "more-data", "more-regularisation")

# A training loss that halves while the validation loss wins nothing has learnt its data, not the task.
MEMORISED_SHARE = 0.5
# Points whose median is the training loss at a step.
LEVEL_POINTS = 3

HELD_CONFIDENCE = 0.95
BROKE_OFF_CONFIDENCE = 0.9
CERTIFIED_CONFIDENCE = 0.85
# Not proved, only not disproved: the eye says flat, the noise forbids more.
LOOKS_FLAT_CONFIDENCE = 0.6


@dataclass(frozen=True, slots=True)
class Memorised:
    """What a training loss fell from and to while the validation loss won nothing."""

    tag: str
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class FlatLoss:
    """A loss that has stopped improving, or looks as if it had.

    Args:
        tag: of the loss; assessment: of its progress.
        points: of this loss; steps_done: of the run.
        other_improves: the tag of the loss on other data that still improves, or None.
        memorised: how far that one fell meanwhile, where it is the training loss and fell far; else None.
    """

    tag: str
    assessment: Assessment
    points: int
    steps_done: int
    other_improves: str | None
    memorised: Memorised | None = None


class Plateau(Rule[FlatLoss | None]):
    """The loss has stopped improving.

    What it finds
    -------------
    A loss that provably gains less than 0.2 % over the next quarter of the steps done. A warning only where something
    stopped it: its descent broke off above the continuation of its own law, or it repeats one value to the last digit.
    As an information: a loss that came to rest smoothly (converged), one that the learning rate holds, one that was
    flat from the start, and one that has won no new ground for two thirds of the run, though noise hides what it may
    still gain or it is just regaining what it had lost. Also a validation loss that has won none while the training
    loss fell to half: what is learnt then is memorised.

    Why it matters
    --------------
    Steps on a plateau cost as much as others and buy nothing. A descent that broke off has a cause: a frozen part, a
    rate dropped too early, data that ran out, a saturated layer. A slow power law looks like a plateau and is none.

    How it is detected
    ------------------
    The curve is cut at restarts and at jumps of the learning rate, and averaged to sixty blocks. If a law before and a
    line after some block describe it better than one law throughout, only the part after counts. Two forecasts, by
    the law and by the latest slope, give the gain to expect with its 90 % interval; a plateau needs an interval
    inside plus or minus 0.2 % of the loss or, after a break, a third of what the law before it promised (at most 2 %).
    No visible trend is not enough: then the verdict is inconclusive, and says what gain the noise would hide.

    The descent broke off if a law and then a level fit better than every smooth law (power, exponential, logistic,
    arrival at constant speed, and each of these under a schedule that decays to zero, or under the learning rate where
    it was logged), if what is missing agrees with what the law promised, and if the law did not promise too much when
    it was tried on its own past.

    False alarms
    ------------
    A learning rate that was cut to a tenth while the loss was still falling, and was not logged, looks like a descent
    that broke off; in a way it is. Saddles end by themselves: a loss that falls again afterwards is not reported. Tasks
    that need a lower floor than 2 % of the first loss are taken as converged there.

    What to try
    -----------
    Look at what happened at the step named: data, schedule, frozen parameters. Where the loss converged and is good
    enough, stop. Where noise hides the answer, evaluate on a fixed set of examples: the same for every checkpoint.

    Sources
    -------
    Two one-sided tests: Schuirmann 1987. The law of the descent and its window were measured on real language-model
    curves (benchmarks/README.md, section Plateau), beside a patience rule and a trend test.
    """

    code = "LOS005"
    name = "plateau"
    summary = "The loss has stopped improving."
    reads = ("train_loss", "val_loss", "learning_rate")
    thresholds = (
        Threshold(
            "smallest_missing_share",
            0.002,
            "Of the loss. What a stop has cost so far must be worth as much as a gain that counts as progress.",
            "the smallest gain that counts; real language-model runs gain 0.5 to 1.2 % over a quarter of their steps",
        ),
        Threshold(
            "shortest_flat_share",
            0.1,
            "Of the steps done. A run may rest for a while; saddles of a few percent of the run end by themselves.",
            "convention",
        ),
        Threshold(
            "sure_points",
            12,
            "In fewer points one cannot see whether the noise is what the test takes it for; such a plateau is no more "
            "than likely.",
            "as for nothing-to-judge",
        ),
    )
    interventions = TO_TRY_WHERE_STOPPED

    def measure(self, view: RunView) -> FlatLoss | NotEnough | None:
        if not view.signals.supervised:
            return NotEnough()
        judged = view.judged_loss
        if judged is None:
            return NotEnough(("train_loss",), logging_lines.TRAIN_LOSS)
        others = [loss for loss in (view.train_loss, view.val_loss) if loss is not None and loss.tag != judged.tag]
        flat = _flattest(view, [judged, *others])
        if flat is None:
            return _memorising(view)
        improving = [
            loss.tag for loss in (judged, *others) if loss is not flat and view.assess(loss).verdict in STILL_IMPROVING
        ]
        return FlatLoss(flat.tag, view.assess(flat), len(flat), view.span_steps, next(iter(improving), None))

    def judge(self, measurement: FlatLoss | None, limits: Mapping[str, float]) -> list[Finding]:
        if measurement is None:
            return []
        assessment = measurement.assessment
        if assessment.verdict is not Verdict.PLATEAU:
            ground = assessment.no_new_ground
            return [] if ground is None else [self._looks_flat(measurement, ground)]
        stopped = _was_stopped(measurement, limits)
        certain = HELD_CONFIDENCE if assessment.held else BROKE_OFF_CONFIDENCE if stopped else CERTIFIED_CONFIDENCE
        if measurement.points < limits["sure_points"]:
            certain = LOOKS_FLAT_CONFIDENCE
        return [
            self.finding(
                Severity.WARNING if stopped else Severity.INFO,
                certain,
                _summary(measurement, stopped=stopped),
                first_step=assessment.since_step,
                last_step=assessment.last_step,
                evidence=_evidence(measurement),
                to_try=_to_try(assessment, stopped=stopped),
            )
        ]

    def _looks_flat(self, measurement: FlatLoss, ground: NoNewGround) -> Finding:
        return self.finding(
            Severity.INFO,
            LOOKS_FLAT_CONFIDENCE,
            _looks_flat_in_words(measurement, ground),
            first_step=ground.since_step,
            last_step=measurement.assessment.last_step,
            evidence=_evidence(measurement),
            to_try=TO_TRY_WHERE_NOISE_HIDES if measurement.memorised is None else TO_TRY_WHERE_MEMORISED,
        )


def _flattest(view: RunView, losses: list[LossCurve]) -> LossCurve | None:
    """The loss to report: one that was stopped, else one with a proved plateau, else one that looks flat."""
    assessed = [(loss, view.assess(loss)) for loss in losses]
    for loss, assessment in assessed:
        if assessment.stuck:
            return loss
    for loss, assessment in assessed:
        if assessment.verdict is Verdict.PLATEAU:
            return loss
    judged, assessment = assessed[0]
    ground = assessment.no_new_ground
    if ground is None or assessment.reason is Reason.TOO_FEW_POINTS or view.progress.gets_much_worse:
        return None
    return judged if ground.recovering or assessment.verdict not in STILL_IMPROVING else None


def _memorising(view: RunView) -> FlatLoss | None:
    """The validation loss, if it has won nothing for most of the run while the training loss fell to half or less."""
    train, val = view.train_loss, view.val_loss
    if train is None or val is None or view.assess(train).verdict not in STILL_IMPROVING:
        return None
    assessment = view.assess(val)
    ground = assessment.no_new_ground
    if ground is None or assessment.verdict in STILL_IMPROVING or assessment.reason is Reason.TOO_FEW_POINTS:
        return None
    val_position, train_position = positions(val.curve, train.curve)
    since = val_position[np.searchsorted(val.curve.step, ground.since_step)]
    at = int(np.searchsorted(train_position, since))
    before = float(np.median(train.curve.value[max(0, at - 1) : at - 1 + LEVEL_POINTS]))
    now = float(np.median(train.curve.value[-LEVEL_POINTS:]))
    if not 0 <= now <= MEMORISED_SHARE * before:
        return None
    return FlatLoss(val.tag, assessment, len(val), view.span_steps, train.tag, Memorised(train.tag, before, now))


def _was_stopped(measurement: FlatLoss, limits: Mapping[str, float]) -> bool:
    """Whether something stopped this loss, for long enough and at a price that matters."""
    assessment = measurement.assessment
    if not assessment.stuck or measurement.other_improves is not None:
        return False
    if assessment.held:
        return True
    descent, since, last = assessment.descent, assessment.since_step, assessment.last_step
    if descent is None or since is None or last is None or assessment.level is None:
        return False
    long_enough = last - since >= limits["shortest_flat_share"] * measurement.steps_done
    return long_enough and descent.missing >= limits["smallest_missing_share"] * abs(assessment.level)


def _to_try(assessment: Assessment, *, stopped: bool) -> tuple[str, ...]:
    if assessment.learning_rate_explains:
        return TO_TRY_WHERE_THE_RATE_HOLDS_IT
    if assessment.held:
        return TO_TRY_WHERE_HELD
    return TO_TRY_WHERE_STOPPED if stopped else TO_TRY_WHERE_CONVERGED


def _summary(measurement: FlatLoss, *, stopped: bool) -> str:
    assessment = measurement.assessment
    flat = f"{measurement.tag} is flat since step {assessment.since_step:,} at {_level(assessment)}"
    if assessment.held:
        return f"{flat}: one value to the last digit"
    if stopped and assessment.descent is not None:
        return f"{flat}; its descent broke off, {assessment.descent.missing:.2g} above where it was heading"
    if assessment.flat_throughout:
        return f"{measurement.tag} is flat throughout, at {_level(assessment)}"
    why = WHY_FLAT.get(assessment.reason) if assessment.reason is not None else None
    return f"{flat}; {why}" if why else flat


def _looks_flat_in_words(measurement: FlatLoss, ground: NoNewGround) -> str:
    assessment, tag, memorised = measurement.assessment, measurement.tag, measurement.memorised
    if memorised is not None:
        fell = f"{memorised.tag} fell from {memorised.before:.3g} to {memorised.now:.3g}"
        return f"{tag} has won nothing since step {ground.since_step:,} while {fell}: what is learnt since is memorised"
    if ground.recovering:
        low = f"{ground.level:.4g} at step {ground.since_step:,}"
        return f"{tag} has won hardly any ground since {low}: it rose, and has come back to {_level(assessment)}"
    flat = f"{tag} looks flat since step {ground.since_step:,} at {_level(assessment)}"
    if assessment.verdict is Verdict.REGRESSING:
        return f"{flat}; it even rises slightly"
    return f"{flat}; noise would hide a gain of up to {max(assessment.gain_high or 0.0, 0.0):.2g}"


def _evidence(measurement: FlatLoss) -> tuple[Evidence, ...]:
    assessment, tag = measurement.assessment, measurement.tag
    items = [
        Evidence(
            f"the next {assessment.horizon_steps:,} steps should gain {assessment.gain:.2g} "
            f"({assessment.gain_low:.2g} to {assessment.gain_high:.2g}); progress counts from {assessment.delta:.2g}",
            signal=tag,
            value=assessment.gain,
            threshold=assessment.delta,
            step=assessment.last_step,
        )
    ]
    if assessment.held:
        items.append(Evidence("every value since is the same to the last digit", tag, assessment.level))
    descent = assessment.descent
    if descent is not None and descent.abrupt:
        text = (
            f"the law of the descent before promised a loss lower by {descent.missing:.2g}; no smooth law explains it"
        )
        items.append(Evidence(text, tag, descent.missing, descent.delta, assessment.since_step))
    if measurement.other_improves is not None:
        items.append(Evidence(f"{measurement.other_improves} still improves", measurement.other_improves))
    return tuple(items)


def _level(assessment: Assessment) -> str:
    return "nothing" if assessment.level is None else f"{assessment.level:.4g}"
