"""From facts and from what the rules found or ruled out to ranked causes of a symptom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp

from trainvitals.causes.facts import Fact
from trainvitals.causes.signatures import DECIDES, PRIOR, SIGNATURES, STRONG, Signature
from trainvitals.model import Cause, Evidence, Finding, Severity

FEWEST_FAMILIES = 2
"""Independent signals beside the loss itself without which a cause would be a guess."""

INNER = frozenset({"updates", "gradients"})
"""What goes on inside the model: without it no mechanism is eliminated, and nothing is left by elimination."""

OF_THE_SYMPTOM = frozenset({"loss"})
SHOWN = 0.05
"""Causes less likely than this are told only where a number rules them out."""

MOST_RULED_OUT = 6
FOUND = {Severity.ERROR: 2 * STRONG, Severity.WARNING: 2 * STRONG, Severity.INFO: STRONG}
"""What a rule's own finding weighs: the rule has looked more closely than any single fact."""


@dataclass(slots=True)
class _Candidate:
    name: str
    score: float
    speaks_for: list[str]
    speaks_against: list[str]

    @property
    def support(self) -> float:
        """By how much what was seen makes it likelier than it was before; 0 where it makes it less likely."""
        return max(self.score - PRIOR, 0.0)

    @property
    def is_ruled_out(self) -> bool:
        return not self.speaks_for and bool(self.speaks_against)


def rank(
    facts: Mapping[str, Fact], findings: Sequence[Finding], ruled_out: Mapping[str, Evidence]
) -> tuple[Cause, ...]:
    """Causes of a symptom, the likeliest first, then those that a number rules out.

    Confidences are those of a choice between all causes and "something else", which has the score 0; they add up to
    less than one. Nothing is said where fewer than two independent signals beside the loss were recorded and no rule
    found a mechanism.
    """
    by_name = {finding.name: finding for finding in findings}
    if not can_be_told(facts):
        facts = {}
    candidates = [
        _weighed(name, signature, facts, by_name.get(name), ruled_out.get(name))
        for name, signature in SIGNATURES.items()
    ]
    if not facts and not any(name in by_name for name in SIGNATURES):
        return ()
    if not {fact.family for fact in facts.values()} & INNER:
        candidates = [each for each in candidates if not SIGNATURES[each.name].by_elimination]
    most = max(candidate.support for candidate in candidates if not SIGNATURES[candidate.name].by_elimination)
    for candidate in candidates:
        if SIGNATURES[candidate.name].by_elimination:
            candidate.score -= most
    whole = 1.0 + sum(exp(candidate.score) for candidate in candidates)
    shares = {each.name: min(exp(each.score) / whole, SIGNATURES[each.name].surest) for each in candidates}
    candidates.sort(key=lambda candidate: (-candidate.score, candidate.name))
    likely = [each for each in candidates if each.speaks_for and shares[each.name] >= SHOWN]
    excluded = [each for each in candidates if each.is_ruled_out and each.score < PRIOR][-MOST_RULED_OUT:]
    deciding = _would_decide([each.name for each in likely])
    return tuple(
        Cause(each.name, shares[each.name], tuple(each.speaks_for), tuple(each.speaks_against), decide)
        for each, decide in [(each, deciding.get(each.name)) for each in (*likely, *excluded)]
    )


def can_be_told(facts: Mapping[str, Fact]) -> bool:
    """Whether enough was recorded to tell causes from each other."""
    return len({fact.family for fact in facts.values()} - OF_THE_SYMPTOM) >= FEWEST_FAMILIES


def _weighed(
    name: str, signature: Signature, facts: Mapping[str, Fact], finding: Finding | None, number: Evidence | None
) -> _Candidate:
    candidate = _Candidate(name, PRIOR, [], [])
    if finding is not None:
        candidate.score += FOUND[finding.severity] * finding.confidence
        candidate.speaks_for += [signature.mechanism, *(item.text for item in finding.evidence[:2])]
    elif number is not None:
        candidate.score -= STRONG
        candidate.speaks_against.append(number.text)
    for weight, fact in _weights(signature, facts):
        candidate.score += weight
        texts = candidate.speaks_for if weight > 0 else candidate.speaks_against
        if fact.text not in texts:
            texts.append(fact.text)
    return candidate


def _weights(signature: Signature, facts: Mapping[str, Fact]) -> Iterator[tuple[float, Fact]]:
    for (name, state), weight in signature.weights.items():
        fact = facts.get(name)
        if fact is not None and fact.state == state:
            yield weight, fact


def _would_decide(names: Sequence[str]) -> dict[str, str]:
    """What decides between the first two; of each further one, what decides it alone."""
    texts = {name: SIGNATURES[name].would_decide for name in names}
    if len(names) > 1:
        texts[names[0]] = DECIDES.get(frozenset(names[:2]), texts[names[0]])
    return texts
