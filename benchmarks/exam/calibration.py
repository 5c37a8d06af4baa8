"""What confidence is worth: how often claims of a given confidence are right, by tenths and by the three words.

A claim is one thing that a person is told is so: an open warning, or a ranked cause. On a run with an injected fault a
warning is right if its name is among what the fault declares, cause or symptom, and a cause only if it is a declared
cause; on a healthy run every warning is wrong. Infos make no claim that something is wrong, and are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from benchmarks.intervals import clustered_wilson

from trainvitals.model import Diagnosis, Severity, likelihood_in_words

EDGES = (0.0, 0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Narrower where most claims are."""

RESAMPLES = 2000
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Claim:
    """One statement and whether it was right; claims of one cluster resemble each other."""

    confidence: float
    right: bool
    cluster: str


@dataclass(frozen=True)
class Reliability:
    """Claims of like confidence: how sure they were on average, and how many were right.

    Args:
        low, high: 95 % interval of the share that is right.
    """

    label: str
    confidence: float
    right: int
    count: int
    low: float
    high: float

    @property
    def row(self) -> str:
        share = f"{100 * self.right / self.count:.0f} %, {100 * self.low:.0f}-{100 * self.high:.0f} %"
        return f"| {self.label} | {self.confidence:.2f} | {self.right} of {self.count} ({share}) |"


@dataclass(frozen=True)
class Brier:
    """Mean squared distance of confidence from truth, with its 95 % interval; 0 is best.

    Args:
        of_base_rate: what saying the share of right claims each time would score.
    """

    score: float
    low: float
    high: float
    of_base_rate: float


def warnings_of(diagnosis: Diagnosis, declared: Collection[str], cluster: str) -> list[Claim]:
    """Each open warning or error; ``declared`` has causes and symptoms of the fault, and nothing for a healthy run."""
    return [
        Claim(finding.confidence, finding.name in declared, cluster)
        for finding in diagnosis.open_findings
        if finding.severity is not Severity.INFO
    ]


def causes_of(diagnosis: Diagnosis, declared: Collection[str], cluster: str) -> list[Claim]:
    """Each cause that is told of an open warning and not ruled out; ``declared`` has the causes of the fault."""
    return [
        Claim(cause.confidence, cause.name in declared, cluster)
        for finding in diagnosis.open_findings
        if finding.severity is not Severity.INFO
        for cause in finding.causes
        if not cause.is_ruled_out
    ]


def by_confidence(claims: Iterable[Claim]) -> list[Reliability]:
    """The reliability diagram: a row for each stretch of confidence in which there are claims."""
    claims = list(claims)
    where = np.clip(np.searchsorted(EDGES, [claim.confidence for claim in claims], side="right"), 1, len(EDGES) - 1)
    return [
        _of(f"{EDGES[index - 1]:g}-{EDGES[index]:g}", [claims[at] for at in np.flatnonzero(where == index)])
        for index in np.unique(where)
    ]


def by_word(claims: Iterable[Claim]) -> list[Reliability]:
    """What each word has kept, from the weakest to the strongest."""
    kept: dict[str, list[Claim]] = {}
    for claim in sorted(claims, key=lambda claim: claim.confidence):
        kept.setdefault(likelihood_in_words(claim.confidence), []).append(claim)
    return [_of(word, of_word) for word, of_word in kept.items()]


def brier(claims: Sequence[Claim]) -> Brier:
    """With an interval from resampling whole clusters.

    Raises:
        ValueError: there are no claims.
    """
    if not claims:
        raise ValueError("no claims")
    squared = np.array([(claim.confidence - claim.right) ** 2 for claim in claims])
    _, cluster = np.unique([claim.cluster for claim in claims], return_inverse=True)
    count = np.bincount(cluster)
    total = np.bincount(cluster, weights=squared)
    drawn = np.random.default_rng(0).integers(len(count), size=(RESAMPLES, len(count)))
    low, high = np.percentile(total[drawn].sum(axis=1) / count[drawn].sum(axis=1), PERCENTILES)
    share = float(np.mean([claim.right for claim in claims]))
    return Brier(float(squared.mean()), float(low), float(high), share * (1 - share))


def table(claims: Sequence[Claim]) -> Iterator[str]:
    """Words, tenths and the Brier score, in Markdown."""
    if not claims:
        yield "no claims"
        return
    score = brier(claims)
    yield "| said | mean confidence | right |"
    yield "|---|---|---|"
    yield from (each.row for each in (*by_word(claims), *by_confidence(claims)))
    yield ""
    interval = f"95 % interval {score.low:.3f}-{score.high:.3f}"
    yield f"Brier score {score.score:.3f} ({interval}); always saying the share that is right: {score.of_base_rate:.3f}"


def _of(label: str, claims: list[Claim]) -> Reliability:
    right = [claim.right for claim in claims]
    low, high = clustered_wilson(right, [claim.cluster for claim in claims])
    return Reliability(
        label, float(np.mean([claim.confidence for claim in claims])), sum(right), len(claims), low, high
    )
