"""How numbers, verdicts and states are put into words, the same in every report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import floor, isfinite, log10

from trainvitals.maths.level_change import LevelChange
from trainvitals.model import (
    Basis,
    Diagnosis,
    Finding,
    FindingOutcome,
    Progress,
    Reason,
    Severity,
    Status,
    Verdict,
    Verified,
    Verify,
)
from trainvitals.reporters.visible import visible

STATUS_WORDS = {
    Status.HEALTHY: "healthy",
    Status.WARNING: "sick",
    Status.ERROR: "sick",
    Status.UNDETERMINED: "cannot tell yet",
}

_REASON_WORDS = {
    Reason.CONVERGED: "converged",
    Reason.LR_LIMITED: "limited by the learning rate",
    Reason.SCHEDULE_END: "the schedule has ended",
    Reason.NOISE_LIMITED: "the noise hides it",
    Reason.TOO_FEW_POINTS: "too few points",
}

BASIS_WORDS: dict[Basis, str] = {
    "paper": "published",
    "law": "follows from a formula",
    "this run": "from the numbers of this run",
    "documentation": "documented",
    "hypothesis": "a guess",
}
"""What an expectation rests on."""

# Promises of one finding; the first belongs to the first suggestion.
PROMISES_SHOWN = 2

# A promise of when there will be enough points rests on the noise seen so far; further out it is a guess.
FARTHEST_OUTLOOK = 20


def number(value: float) -> str:
    """Three significant digits, or all digits of a large whole number: 0.0213, 2.31, 12,400."""
    if 1000 <= abs(value) < 1e15 and value == int(value):
        return f"{int(value):,}"
    return f"{value:.3g}"


def step(value: int) -> str:
    """A step with thousands separated: 12,400."""
    return f"{value:,}"


def gain(progress: Progress) -> str:
    """The expected gain with its 90 % half-width: ``0.021 ± 0.006``."""
    if progress.gain is None or progress.gain_low is None or progress.gain_high is None:
        return "unknown"
    return _with_half_width(progress.gain, (progress.gain_high - progress.gain_low) / 2)


def progress_sentence(diagnosis: Diagnosis) -> str:
    """The progress verdict in one clause, for example ``progressing: next 3,000 steps should gain 0.021 ± 0.006``."""
    progress = diagnosis.progress
    if progress.signal is None:
        return "no loss to judge progress by"
    if loss_is_lost(diagnosis):
        return "no progress to judge: the loss is not finite any more"
    if progress.reason is Reason.TOO_FEW_POINTS:
        return f"{progress.points} point{'' if progress.points == 1 else 's'}{_needed(diagnosis)}"
    horizon = f"next {step(progress.horizon_steps)} steps" if progress.horizon_steps else "what comes next"
    reason = f" ({_REASON_WORDS[progress.reason]})" if progress.reason else ""
    if progress.verdict is Verdict.PROGRESSING:
        return f"progressing{reason}: {horizon} should gain {gain(progress)}"
    if progress.verdict is Verdict.SLOW:
        return f"slow{reason}: {horizon} should gain only {gain(progress)}"
    if progress.verdict is Verdict.REGRESSING:
        rising = "rising" if progress.gets_much_worse else "creeping up"
        return f"{rising}{reason}: {horizon} should add {_loss(progress)}"
    if progress.verdict is Verdict.PLATEAU:
        since = f" since step {step(progress.since_step)}" if progress.since_step is not None else ""
        return f"flat{since}{reason}: {horizon} should gain {gain(progress)}"
    hidden = progress.minimum_detectable_gain
    if hidden is None:
        return f"progress unclear{reason}"
    return f"progress unclear: noise hides gains below {number(hidden)} in the {horizon}"


def _needed(diagnosis: Diagnosis) -> str:
    """How many points a verdict takes, and when the run will have them."""
    progress = diagnosis.progress
    if not progress.points_needed or diagnosis.first_step is None or diagnosis.last_step is None:
        return ""
    if progress.points_needed <= progress.points and progress.since_step is not None:
        begun = f"too few since step {step(progress.since_step)}, where another stretch begins"
        return f", but {begun}: a verdict needs about {progress.points_needed}"
    if progress.points_needed > FARTHEST_OUTLOOK * progress.points:
        return ": too few and too noisy for a verdict on progress"
    needed = f"; a verdict on progress needs about {progress.points_needed}"
    if progress.points < 2 or diagnosis.last_step == diagnosis.first_step:
        return needed
    every_steps = (diagnosis.last_step - diagnosis.first_step) / (progress.points - 1)
    until = diagnosis.first_step + round(every_steps * (progress.points_needed - 1))
    return f"{needed} (every {number(round(every_steps, 1))} steps: until step {step(until)})"


def moved(signal: str, change: LevelChange) -> str:
    """``train/loss 2.31 → 2.1 (-0.21 ± 0.01)``."""
    levels = f"{number(change.before)} → {number(change.after)}"
    return f"{visible(signal, longest=60)} {levels} ({_with_half_width(change.change, change.half_width)})"


def promise(verified: Verified) -> str:
    """``train/loss down by 0.023: held, 2.31 → 2.1 (-0.21 ± 0.01)``."""
    outcome = "held" if verified.held else "did not hold" if verified.held is False else f"cannot tell: {verified.why}"
    if verified.change is not None:
        change = verified.change
        levels = f"{number(change.before)} → {number(change.after)}"
        outcome += f", {levels} ({_with_half_width(change.change, change.half_width)})"
    return f"{_wanted(verified.verify)}: {outcome}"


def success(verify: Verify) -> str:
    """How to see whether something helped: ``train/loss down by 0.023 within 200 steps``."""
    return f"{_wanted(verify)} within {step(verify.within_steps)} steps"


def _wanted(verify: Verify) -> str:
    size = "finite" if verify.direction == "finite" else f"{verify.direction} by {number(verify.size)}"
    return f"{visible(verify.signal, longest=60)} {size}"


def outcome_details(outcome: FindingOutcome) -> Iterator[str]:
    """How the signal has moved that the finding rests on, and what became of the first promises."""
    if outcome.finding.severity is Severity.INFO:
        return
    promised = {verified.verify.signal for verified in outcome.verified[:PROMISES_SHOWN] if verified.change is not None}
    if outcome.moved is not None and outcome.moved.change is not None and outcome.moved.signal not in promised:
        yield moved(outcome.moved.signal, outcome.moved.change)
    for verified in outcome.verified[:PROMISES_SHOWN]:
        yield promise(verified)


def loss_is_lost(diagnosis: Diagnosis) -> bool:
    """Whether the loss has become NaN or infinite, so that where it stood and how it fell before matters no more."""
    errors = (finding for finding in diagnosis.open_findings if finding.severity is Severity.ERROR)
    return any("non-finite-loss" in (finding.name, *finding.consequences) for finding in errors)


def loss_level(diagnosis: Diagnosis) -> float | None:
    """Where the loss stands, as far as it stands anywhere."""
    return None if loss_is_lost(diagnosis) else diagnosis.progress.level


def progress_word(diagnosis: Diagnosis) -> str:
    """The progress verdict and its reason in two or three words, for a table."""
    progress = diagnosis.progress
    if loss_is_lost(diagnosis):
        return "not finite"
    if progress.reason is Reason.TOO_FEW_POINTS or progress.signal is None:
        return "too few points" if progress.signal else "no loss"
    if progress.verdict is Verdict.INCONCLUSIVE:
        return "unclear"
    short = {Reason.CONVERGED: ", converged", Reason.SCHEDULE_END: ", schedule ended", Reason.LR_LIMITED: ", low rate"}
    return f"{progress.verdict.value.lower()}{short.get(progress.reason, '') if progress.reason else ''}"


def finding_headline(finding: Finding) -> str:
    """``plateau since step 3,100 (very likely)``."""
    if finding.first_step is None:
        when = ""
    else:
        when = f" {'at' if finding.first_step == finding.last_step else 'since'} step {step(finding.first_step)}"
    return f"{finding.name}{when} ({finding.likelihood})"


def headline(diagnosis: Diagnosis) -> str:
    """The whole run in one clause: what is wrong with it, else how it progresses."""
    worst = worst_open_finding(diagnosis)
    if worst is not None:
        level = loss_level(diagnosis)
        return finding_headline(worst) + ("" if level is None else f", loss {number(level)}")
    instead = stands_for_a_verdict(diagnosis)
    return progress_sentence(diagnosis) if instead is None else visible(instead.summary)


def stands_for_a_verdict(diagnosis: Diagnosis) -> Finding | None:
    """What is said of a run that could not be judged."""
    undetermined = diagnosis.status is Status.UNDETERMINED and worst_open_finding(diagnosis) is None
    return next(iter(diagnosis.open_findings), None) if undetermined else None


def continuation(diagnosis: Diagnosis) -> str | None:
    """What going on would bring: ``12,400 → 15,500: gain 0.000 ± 0.004``; None where nothing was forecast."""
    progress, last_step = diagnosis.progress, diagnosis.last_step
    if progress.gain is None or not progress.horizon_steps or last_step is None:
        return None
    return f"{step(last_step)} → {step(last_step + progress.horizon_steps)}: gain {gain(progress)}"


def is_stuck(finding: Finding) -> bool:
    """Whether it is a training that is stuck, so that one asks what going on would bring."""
    return bool(finding.causes) or finding.unexplained is not None


def onset(finding: Finding) -> str:
    """Since when: ``since step 3,100``, ``at step 700``, ``began between steps 1,400 and 1,500``; "" without a step."""
    if finding.first_step is None:
        return ""
    if finding.begins_by is not None and finding.begins_by > finding.first_step:
        return f"began between steps {step(finding.first_step)} and {step(finding.begins_by)}"
    return f"{'at' if finding.first_step == finding.last_step else 'since'} step {step(finding.first_step)}"


def cause_of(diagnosis: Diagnosis) -> str:
    """The name of the best root cause where it is not the finding itself, else an empty string."""
    worst = worst_open_finding(diagnosis)
    if worst is None or worst.root is None or worst.root.name == worst.name:
        return ""
    return worst.root.name


def worst_open_finding(diagnosis: Diagnosis) -> Finding | None:
    """The open finding at warning or above that matters most; a symptom before the finding that is its cause."""
    serious = [finding for finding in diagnosis.open_findings if finding.severity is not Severity.INFO]
    for finding in serious[1:]:
        if finding.root is not None and finding.root.name == serious[0].name:
            return finding
    return serious[0] if serious else None


def count_of_runs(diagnoses: Sequence[Diagnosis]) -> str:
    """``3 runs: 1 sick, 1 healthy, 1 cannot tell yet``."""
    count = Counter(STATUS_WORDS[diagnosis.status] for diagnosis in diagnoses)
    accepted = sum(finding.state == "accepted" for diagnosis in diagnoses for finding in diagnosis.findings)
    parts = [f"{count[word]} {word}" for word in ("sick", "healthy", "cannot tell yet")]
    if accepted:
        parts.append(f"{accepted} accepted finding{'s' if accepted > 1 else ''}")
    return f"{len(diagnoses)} run{'' if len(diagnoses) == 1 else 's'}: {', '.join(parts)}"


def extent(diagnosis: Diagnosis) -> str:
    """How much was recorded: ``12,400 steps · 38 layers · 3 suites``."""
    parts = []
    if diagnosis.last_step is not None:
        parts.append(f"{step(diagnosis.last_step)} steps")
    layers = max(diagnosis.signals.per_layer.values(), default=0)
    if layers:
        parts.append(f"{layers} layers")
    if len(diagnosis.signals.val_loss) > 1:
        parts.append(f"{len(diagnosis.signals.val_loss)} suites")
    return " · ".join(parts)


def run_name(diagnosis: Diagnosis, *, longest: int = 48) -> str:
    """The run's id, safe to print."""
    return visible(diagnosis.id, longest=longest)


def _loss(progress: Progress) -> str:
    """The expected gain with its sign turned round."""
    if progress.gain is None or progress.gain_low is None or progress.gain_high is None:
        return "unknown"
    return _with_half_width(-progress.gain, (progress.gain_high - progress.gain_low) / 2)


def _with_half_width(value: float, half_width: float) -> str:
    """As many decimals as the half-width deserves; powers of ten where a person would count zeros."""
    largest = max(abs(value), half_width)
    if largest >= 1e6 or 0 < largest < 1e-5:
        return f"{value:.1e} ± {half_width:.0e}"
    digits = max(0, min(12, _decimals(max(half_width, abs(value) / 100))))
    return f"{value:.{digits}f} ± {half_width:.{digits}f}"


def _decimals(value: float) -> int:
    """Decimals that show the first significant digit of ``value``."""
    return 3 if value <= 0 or not isfinite(value) else -floor(log10(value))
