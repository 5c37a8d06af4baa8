"""DAT004: one domain of the data gets too little of the training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.domains import Domain, domains_of
from trainvitals.maths.turning_point import TurningPoint, turning_point
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

LOG_THE_DOMAIN = "vitals.log(loss=loss, domain=name_of_the_domain, samples=len(x))"
MINIMUM_RECORDS = 16
LEVEL_SHARE = 0.2
"""Of a domain's records: what its levels at the beginning and at the end are the median of."""

LATE_SHARE = 0.25
"""Of the run: the stretch at its end in which a domain that ran dry is missing."""

MORE_THAN_MEDIAN = 1.25
"""The standard error of a median over that of a mean, for normal noise (the root of pi / 2)."""

SCORE = 4.0
"""Of the noise of a level, as for forgetting."""

FEWEST_BLOCKS_AFTER = 3
FEWEST_LEFT = 6
"""Records of another domain that show a fall: three at either end."""

SURE, LIKELY, NOTED = 0.9, 0.75, 0.6


@dataclass(frozen=True, slots=True)
class Fed:
    """One domain beside the others.

    Args:
        name, tag, unit: of it.
        share: of the whole training; equal: that of an equal mixture.
        share_before, share_late: in the first half and in the last quarter of the run; dry_since: after its last batch.
        progress, others: logarithm of its loss at the beginning over that at the end; the median of the others.
        others_since: the fall of that median since the domain turned.
        late_fall, late_score: the same over the second half of its records, and in units of its noise.
        turn: of the logarithm of its loss; best_step: where it turned.
        harmed: the tag of its validation suite that has risen since it ran dry, and by how much.
        first_step, last_step: of its records, and of the run.
    """

    name: str
    tag: str
    unit: str
    share: float
    equal: float
    share_before: float
    share_late: float
    dry_since: int
    progress: float
    others: float
    others_since: float
    late_fall: float
    late_score: float
    turn: TurningPoint
    best_step: int
    harmed: tuple[str, float] | None
    first_step: int
    last_step: int


class StarvedDomain(Rule[tuple[Fed, ...]]):
    """One domain of the data gets too little of the training, and falls behind.

    What it finds
    -------------
    A domain that ran dry: it was part of the mixture and hardly comes any more. A domain whose loss rises while the
    others fall. And one that gets less than a quarter of an equal share, has gained less than half of what the others
    have, and still falls with each batch that it gets.

    Why it matters
    --------------
    The mean of the losses hides it: a domain of two percent can be lost altogether without moving the total. Often it
    is no decision but an iterator that ended, or weights by size where weights by worth were meant.

    How it is detected
    ------------------
    Losses and amounts of each domain are as told to `vitals.log(domain=...)`. Ran dry: its share of the last quarter is
    at most `dry_share` of that of the first half, in which it came; a warning where its validation suite has risen
    since, else an information. Rises: the turning point is found as for overfitting, with a rise of `smallest_rise`,
    `smallest_score` times the noise and three times any that was undone, while the median of the others fell by as
    much; and its share is no more than an equal one. Behind: a share below `small_share` of an equal one, less than
    half of the progress of the others, and a fall over the second half of its own batches of `smallest_rise` and four
    times its noise.

    False alarms
    ------------
    Phases on purpose, with other data in each. A small domain that is harder than the others and small by decision:
    what it still gains is then the price of that decision.

    What to try
    -----------
    Look at the iterator of the domain; sample by progress or with equal weights for a while; keep a few percent of a
    domain that is finished, as replay; more data of it where it is merely small.

    Sources
    -------
    Jiang et al. 2024, "Adaptive data optimization": weight by how fast a domain still learns. Xie et al. 2023,
    "DoReMi". Chen et al. 2024, "Aioli", on equal weights as a baseline that no method beats everywhere.
    """

    code = "DAT004"
    name = "starved-domain"
    summary = "One domain of the data gets too little of the training."
    reads = ("train_loss", "val_loss")
    thresholds = (
        Threshold("dry_share", 0.1, "Of its own share before. A mixture that changes slowly keeps more.", "convention"),
        Threshold("small_share", 0.25, "Of an equal share; larger ones are a matter of taste.", "convention"),
        Threshold("smallest_rise", 0.05, "Of the loss: worth acting on.", "as for overfitting"),
        Threshold("smallest_score", 4.0, "A rise over the noise of a block.", "as for overfitting"),
        Threshold("false_alarm_rate", 0.005, "Few blocks know their noise badly.", "as for overfitting"),
        Threshold("times_healed_rise", 3.0, "What has risen and come back may do so again.", "as for overfitting"),
        Threshold("behind_share", 0.5, "Of the progress of the others, as logarithms of the loss.", "convention"),
    )
    absorbs = ("forgetting", "plateau")
    interventions = ("data-mixing", "replay-old-data", "more-data", "dynamic-curriculum")

    def measure(self, view: RunView) -> tuple[Fed, ...] | NotEnough:
        # The hooks write the loss of the whole batch beside that of its domain.
        if not view.signals.supervised or view.train_loss is None:
            return NotEnough()
        domains = domains_of(view)
        if len(domains) < 2:
            # A training on data of one kind lacks nothing; one with several suites may have several domains.
            return NotEnough(("loss of each domain",), LOG_THE_DOMAIN) if len(view.val_losses) > 1 else NotEnough()
        judged = [domain for domain in domains if _is_judgeable(domain)]
        if len(judged) < 2:
            return NotEnough()
        return tuple(_fed(domain, judged, domains, view) for domain in judged)

    def judge(self, measurement: tuple[Fed, ...], limits: Mapping[str, float]) -> list[Finding]:
        found = []
        for fed in measurement:
            if _rises(fed, limits):
                found.append((fed, Severity.WARNING, SURE, fed.best_step, _rise_of(fed, limits)))
            elif fed.share_before > 0 and fed.share_late <= limits["dry_share"] * fed.share_before:
                harmed = fed.harmed is not None and fed.harmed[1] >= limits["smallest_rise"]
                severity, confidence = (Severity.WARNING, SURE) if harmed else (Severity.INFO, NOTED)
                found.append((fed, severity, confidence, fed.dry_since, _dry(fed, limits)))
            elif _is_behind(fed, limits):
                found.append((fed, Severity.WARNING, LIKELY, fed.first_step, _behind(fed, limits)))
        if not found:
            return []
        found.sort(key=lambda each: (each[1] is Severity.INFO, each[0].share))
        worst, severity, confidence, _, evidence = found[0]
        alike = [each for each in found if each[1] is severity]
        more = f", and {len(alike) - 1} more" if len(alike) > 1 else ""
        return [
            self.finding(
                severity,
                confidence,
                f"domain {worst.name} gets {worst.share:.2g} of the {worst.unit}{more}: {evidence[0].text}",
                first_step=min(each[3] for each in alike),
                last_step=worst.last_step,
                evidence=tuple(item for each in alike for item in each[4]),
            )
        ]


def _is_judgeable(domain: Domain) -> bool:
    return len(domain.loss) >= MINIMUM_RECORDS and float(domain.loss.value.min()) > 0


def _fed(domain: Domain, judged: list[Domain], domains: tuple[Domain, ...], view: RunView) -> Fed:
    first, last = view.run.first_step or 0, view.run.last_step or 0
    middle, late = (first + last) / 2, last - LATE_SHARE * (last - first)
    log_loss = np.log(np.asarray(domain.loss.value, dtype=np.float64))
    turn = turning_point(log_loss)
    fall, score = _fall(log_loss[len(log_loss) // 2 :])
    dry_since, best_step = int(domain.loss.step[-1]), int(domain.loss.step[turn.best_index])
    others = [other.loss for other in judged if other is not domain]
    return Fed(
        name=domain.name,
        tag=domain.loss.tag,
        unit=domain.unit,
        share=_share(domain, domains, first - 1, last),
        equal=1 / len(domains),
        share_before=_share(domain, domains, first - 1, middle),
        share_late=_share(domain, domains, late, last),
        dry_since=dry_since,
        progress=_fall(log_loss)[0],
        others=_median_fall(others),
        others_since=_median_fall([loss.take(loss.step >= best_step) for loss in others]),
        late_fall=fall,
        late_score=score,
        turn=turn,
        best_step=best_step,
        harmed=_risen_since(dry_since, domain.name, view),
        first_step=int(domain.loss.step[0]),
        last_step=last,
    )


def _share(domain: Domain, domains: tuple[Domain, ...], from_step: float, to_step: float) -> float:
    everything = sum(each.amount(from_step, to_step) for each in domains)
    return domain.amount(from_step, to_step) / everything if everything > 0 else 0.0


def _median_fall(losses: list[Series]) -> float:
    falls = [_fall(np.log(np.asarray(loss.value, dtype=np.float64)))[0] for loss in losses if len(loss) >= FEWEST_LEFT]
    return float(np.median(falls)) if falls else 0.0


def _fall(log_loss: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    """From the level at the beginning to that at the end, and in units of its noise."""
    points = max(3, round(LEVEL_SHARE * len(log_loss)))
    before, now = log_loss[:points], log_loss[-points:]
    fall = float(np.median(before) - np.median(now))
    spread = float(np.hypot(np.std(before, ddof=1), np.std(now, ddof=1)))
    noise = max(spread * MORE_THAN_MEDIAN / float(np.sqrt(points)), float(np.finfo(np.float64).tiny))
    return fall, fall / noise


def _risen_since(step: int, suite: str, view: RunView) -> tuple[str, float] | None:
    """The validation suite of this name, and by how much it has risen over its level at a step."""
    loss = view.val_losses.get(suite)
    if loss is None:
        return None
    before, after = _around(loss.curve, step)
    if len(before) == 0 or len(after) < MINIMUM_RECORDS // 2 or float(loss.curve.value.min()) <= 0:
        return None
    level = float(np.median(before[-3:]))
    return loss.tag, float(np.median(after[-max(3, len(after) // 3) :])) / level - 1


def _around(curve: Series, step: int) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], ...]:
    value = np.asarray(curve.value, dtype=np.float64)
    return value[curve.step <= step], value[curve.step > step]


def _rises(fed: Fed, limits: Mapping[str, float]) -> bool:
    turn, smallest = fed.turn, float(np.log1p(limits["smallest_rise"]))
    return (
        fed.share <= fed.equal
        and turn.rise >= smallest
        and fed.others_since >= smallest
        and turn.blocks_after >= FEWEST_BLOCKS_AFTER
        and turn.low_end > 0
        and turn.score >= turn.score_needed(limits["smallest_score"], limits["false_alarm_rate"])
        and turn.rise >= limits["times_healed_rise"] * turn.healed_rise
    )


def _is_behind(fed: Fed, limits: Mapping[str, float]) -> bool:
    smallest = float(np.log1p(limits["smallest_rise"]))
    return (
        fed.share <= limits["small_share"] * fed.equal
        and fed.others >= smallest
        and fed.progress <= limits["behind_share"] * fed.others
        and fed.late_fall >= smallest
        and fed.late_score >= SCORE
    )


def _rise_of(fed: Fed, limits: Mapping[str, float]) -> tuple[Evidence, ...]:
    rise = float(np.expm1(fed.turn.rise))
    text = f"its loss rose by {rise:.0%} since step {fed.best_step:,} while that of the others fell"
    return Evidence(text, fed.tag, rise, limits["smallest_rise"], fed.best_step), _of_others(fed.others_since)


def _dry(fed: Fed, limits: Mapping[str, float]) -> tuple[Evidence, ...]:
    text = (
        f"it hardly comes since step {fed.dry_since:,}: {fed.share_before:.2g} before, {fed.share_late:.2g} at the end"
    )
    dry = Evidence(text, fed.tag, fed.share_late, limits["dry_share"] * fed.share_before, fed.dry_since)
    if fed.harmed is None:
        return (dry,)
    tag, rise = fed.harmed
    return dry, Evidence(f"{tag} changed by {rise:+.0%} since", tag, rise, limits["smallest_rise"])


def _behind(fed: Fed, limits: Mapping[str, float]) -> tuple[Evidence, ...]:
    text = (
        f"its loss fell by {-np.expm1(-fed.progress):.0%} and still falls with its own batches, "
        f"by {-np.expm1(-fed.late_fall):.0%} over the second half of them"
    )
    return (
        Evidence(text, fed.tag, fed.progress, limits["behind_share"] * fed.others),
        _of_others(fed.others),
        Evidence(f"an equal share would be {fed.equal:.2g}", None, fed.share, limits["small_share"] * fed.equal),
    )


def _of_others(fall: float) -> Evidence:
    return Evidence(f"the loss of the other domains fell by {-np.expm1(-fall):.0%}", None, fall)
