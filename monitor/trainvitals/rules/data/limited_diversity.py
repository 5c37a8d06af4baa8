"""DAT002: the training sees the same examples too often, or batches that hold ever fewer different tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals import tags
from trainvitals.maths.robust import mad_scale
from trainvitals.model import Evidence, Finding, Series, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.generalisation.overfitting import Overfitting
from trainvitals.rules.generalisation.passes import passes_by_new_examples
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

MINIMUM_RECORDS = 20
FEW_BATCHES = 8
"""As many different batches at most are the subject of repeated-data."""

LEVEL_SHARE = 0.2
"""Of the records: what the diversity of the batches at the beginning and at the end is the median of."""

CERTAIN_SDS = 5.0
"""Of one record's noise, by which the level of the tokens must have fallen."""

SURE, LIKELY, NOTED = 0.9, 0.75, 0.6


@dataclass(frozen=True, slots=True)
class Tokens:
    """How many different tokens the batches hold, as a share of all their tokens.

    Args:
        before, now: medians of the first and of the last fifth. noise: of one record. since_step: where it fell.
    """

    before: float
    now: float
    noise: float
    since_step: int


@dataclass(frozen=True, slots=True)
class Diversity:
    """What the batches held.

    Args:
        passes: how often each example was seen on average; None where it was not recorded.
        seen_before: share of the examples at the end that an earlier recorded batch had held.
        harm: what the validation loss says, where it has turned upwards; None where it has not.
        first_step, last_step: of the records.
    """

    passes: float | None
    seen_before: float
    tokens: Tokens | None
    harm: Finding | None
    first_step: int
    last_step: int


class LimitedDiversity(Rule[Diversity]):
    """The data are too few, or too much alike, for how long the training goes over them.

    What it finds
    -------------
    A training that has gone over the same examples sixteen times and more, unchanged each time, and whose validation
    loss has turned upwards; the number of passes is in the finding. And batches of text that hold half as many
    different tokens as at the beginning. Both are an information as long as the validation loss does not suffer.

    Why it matters
    --------------
    An example that was seen a dozen times has little left to teach: what is learnt from then on is the example and not
    the task. No setting of the optimizer replaces data that are missing.

    How it is detected
    ------------------
    The hooks record which share of a batch an earlier recorded batch had held. Drawing from N examples at random meets
    N (1 - exp(-m / N)) different ones in m draws; that gives N, and with the steps from one record to the next the
    number of passes over them. Augmented examples are different each time and count as such. A finding needs
    `passes`; a warning also that overfitting finds a validation loss that has turned. A handful of batches that come
    again and again is the subject of repeated-data.

    Of token ids the hooks record the different ones as a share of all. A finding needs a level in the last fifth of the
    records at most `largest_token_share` of that in the first fifth, and the difference beyond five standard
    deviations.

    False alarms
    ------------
    Longer or larger batches have fewer different tokens for their length. Of more examples than 32,768 some are
    forgotten by the probe, and passes are counted too low. Small sets that are gone over on purpose, with a validation
    loss that bears it, are an information only.

    What to try
    -----------
    More data, or data of more kinds; random variation of each example; a curriculum that leaves out what is learnt;
    fewer passes; stronger regularisation where there are no more data.

    Sources
    -------
    Muennighoff et al. 2023, "Scaling data-constrained language models": four passes are nearly as good as new data,
    sixteen add hardly anything. The estimate of N is that of capture and recapture (Schnabel 1938).
    """

    code = "DAT002"
    name = "limited-diversity"
    summary = "The data are too few or too much alike."
    reads = (
        tags.BATCH_SEEN_BEFORE,
        tags.BATCH_CHECKSUM,
        tags.TOKEN_DIVERSITY,
        *Overfitting.reads,
    )
    thresholds = (
        Threshold(
            "passes",
            16.0,
            "Over each example. What further ones add to a language model is hardly measurable.",
            "Muennighoff et al. 2023",
        ),
        Threshold(
            "largest_token_share",
            0.5,
            "Of the different tokens at the beginning. Data that are shuffled vary by a few percent.",
            "convention",
        ),
    )
    absorbs = ("overfitting", "plateau")
    interventions = ("more-data", "data-mixing", "dynamic-curriculum", "more-regularisation", "early-stopping")

    def measure(self, view: RunView) -> Diversity | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        seen, checksum = view.recorded(tags.BATCH_SEEN_BEFORE), view.recorded(tags.BATCH_CHECKSUM)
        share = view.recorded(tags.TOKEN_DIVERSITY)
        recorded = [series for series in (seen, share) if series is not None and len(series) >= MINIMUM_RECORDS]
        if not recorded:
            return NotEnough((tags.BATCH_SEEN_BEFORE,), logging_lines.WATCH)
        few = checksum is not None and len(np.unique(checksum.value)) <= FEW_BATCHES
        return Diversity(
            passes=None if seen is None or len(seen) < MINIMUM_RECORDS or few else passes_by_new_examples(seen),
            seen_before=0.0 if seen is None else float(np.median(seen.value[-_level_points(seen) :])),
            tokens=None if share is None or len(share) < MINIMUM_RECORDS else _tokens(share),
            harm=_harm(view),
            first_step=min(int(series.step[0]) for series in recorded),
            last_step=max(int(series.step[-1]) for series in recorded),
        )

    def judge(self, measurement: Diversity, limits: Mapping[str, float]) -> list[Finding]:
        passes, tokens, harm = measurement.passes, measurement.tokens, measurement.harm
        exhausted = passes is not None and passes >= limits["passes"]
        alike = tokens is not None and _fell(tokens, limits)
        if not exhausted and not alike:
            return []
        first = measurement.first_step if exhausted or tokens is None else tokens.since_step
        harmed = harm is not None and (harm.first_step is None or harm.last_step is None or harm.last_step >= first)
        what = (
            f"the same examples were seen {passes:,.3g} times on average"
            if exhausted
            else "the batches hold far fewer different tokens than at the beginning"
        )
        return [
            self.finding(
                Severity.WARNING if harmed else Severity.INFO,
                (SURE if exhausted else LIKELY) if harmed else NOTED,
                f"{what}, and {harm.summary}" if harmed and harm is not None else what,
                first_step=first,
                last_step=measurement.last_step,
                evidence=tuple(_evidence(measurement, limits, exhausted=exhausted, alike=alike, harmed=harmed)),
            )
        ]

    def rule_out(self, measurement: Diversity, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.passes is None:
            return None
        text = f"each example was seen {measurement.passes:.3g} times on average"
        return Evidence(text, tags.BATCH_SEEN_BEFORE, measurement.passes, limits["passes"])


def _level_points(series: Series) -> int:
    return max(3, round(LEVEL_SHARE * len(series)))


def _tokens(share: Series) -> Tokens:
    value, points = np.asarray(share.value, dtype=np.float64), _level_points(share)
    before, now = float(np.median(value[:points])), float(np.median(value[-points:]))
    high = np.flatnonzero(value > (before + now) / 2)
    since = int(share.step[min(int(high[-1]) + 1, len(share) - 1)]) if len(high) else int(share.step[0])
    return Tokens(before, now, max(mad_scale(value[:points]), mad_scale(value[-points:])), since)


def _fell(tokens: Tokens, limits: Mapping[str, float]) -> bool:
    certain = tokens.before - tokens.now > CERTAIN_SDS * tokens.noise
    return certain and tokens.now <= limits["largest_token_share"] * tokens.before


def _harm(view: RunView) -> Finding | None:
    rule = Overfitting()
    turns = rule.measure(view)
    found = [] if isinstance(turns, NotEnough) else rule.judge(turns, rule.limits(view.settings_of(rule)))
    return next((finding for finding in found if finding.severity is not Severity.INFO), None)


def _evidence(
    measurement: Diversity, limits: Mapping[str, float], *, exhausted: bool, alike: bool, harmed: bool
) -> Iterator[Evidence]:
    if exhausted and measurement.passes is not None:
        yield Evidence(
            f"{measurement.seen_before:.0%} of the examples at the end were in an earlier recorded batch: about "
            f"{measurement.passes:,.3g} passes over the data",
            signal=tags.BATCH_SEEN_BEFORE,
            value=measurement.passes,
            threshold=limits["passes"],
            step=measurement.last_step,
        )
    if alike and measurement.tokens is not None:
        yield Evidence(
            f"different tokens fell from {measurement.tokens.before:.2g} to {measurement.tokens.now:.2g} of all",
            signal=tags.TOKEN_DIVERSITY,
            value=measurement.tokens.now,
            threshold=limits["largest_token_share"] * measurement.tokens.before,
            step=measurement.tokens.since_step,
        )
    if harmed and measurement.harm is not None:
        yield from measurement.harm.evidence
