"""From facts and from what the rules found or ruled out to ranked causes of a symptom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, inf

from trainvitals.causes.signature import CLEAR, PRIOR, STRONG, Signature
from trainvitals.causes.signatures import DECIDES, OPPOSITES, SIGNATURES
from trainvitals.causes.stretch import Fact
from trainvitals.model import Cause, Evidence, Finding, Severity

FEWEST_FAMILIES = 2
"""Independent signals beside the loss itself without which a cause would be a guess."""

INNER = frozenset({"updates", "gradients"})
"""What goes on inside the model: without it no mechanism is eliminated, and nothing is left by elimination."""

OF_THE_SYMPTOM = frozenset({"loss", "validation"})
"""What the symptom was read from; it says that something is wrong, and hardly what."""

SHOWN = 0.05
"""Causes less likely than this are told only where a number rules them out."""

FOUND = {Severity.ERROR: 2 * STRONG, Severity.WARNING: 2 * STRONG, Severity.INFO: STRONG}
"""What a rule's own finding weighs: the rule has looked more closely than any single fact."""

AGAINST_AN_ALARM = -CLEAR
"""The most that facts take from it: the rule knows what was before, the facts only what a blow-up has left behind."""

SAID_OF_A_FINDING = 2
"""Items of its evidence that are repeated as evidence for the cause."""


@dataclass(slots=True)
class _Candidate:
    """A cause with what speaks for and against it.

    Args:
        found: a rule found it; number: what a rule rules it out by. refuted: a fact alone rules it out.
        marked: something speaks for it that is more than a hint, or nothing more can be asked for.
    """

    name: str
    found: bool = False
    score: float = PRIOR
    speaks_for: list[str] = field(default_factory=list)
    speaks_against: list[str] = field(default_factory=list)
    number: str = ""
    refuted: bool = False
    marked: bool = False

    @property
    def support(self) -> float:
        """By how much what was seen makes it likelier than it was before; 0 where it makes it less likely."""
        return max(self.score - PRIOR, 0.0)

    @property
    def is_ruled_out(self) -> bool:
        return not self.speaks_for and (bool(self.number) or self.refuted)

    @property
    def against(self) -> tuple[str, ...]:
        """The rule's number alone where there is one: facts of the same signal would only repeat it."""
        return (self.number,) if self.number else tuple(self.speaks_against)


def rank(
    facts: Mapping[str, Fact], findings: Sequence[Finding], ruled_out: Mapping[str, Evidence]
) -> tuple[Cause, ...]:
    """Causes of a symptom, the likeliest first, then those that a number rules out, in the order of the table.

    Confidences are those of a choice between all causes and "something else", which has the score 0; they add up to
    less than one. Of two causes that exclude each other the less likely is not told. Where fewer than two independent
    signals beside the loss were recorded, only what a rule found or ruled out counts.
    """
    if not can_be_told(facts):
        facts = {}
    candidates = [_weighed(name, signature, facts, findings, ruled_out) for name, signature in SIGNATURES.items()]
    if not {fact.family for fact in facts.values()} & INNER:
        candidates = [each for each in candidates if each.found or not SIGNATURES[each.name].by_elimination]
    _eliminate(candidates)
    whole = 1.0 + sum(exp(each.score) for each in candidates if each.found or SIGNATURES[each.name].shows_in_facts)
    shares = {each.name: min(exp(each.score) / whole, SIGNATURES[each.name].surest) for each in candidates}
    candidates.sort(key=lambda candidate: (-shares[candidate.name], -candidate.score, candidate.name))
    likely = _without_opposites([each for each in candidates if each.marked and shares[each.name] >= SHOWN])
    deciding = _would_decide([each.name for each in likely])
    usual = list(SIGNATURES)
    excluded = sorted((each for each in candidates if each.is_ruled_out), key=lambda each: usual.index(each.name))
    told = [(each, deciding.get(each.name)) for each in (*likely, *excluded)]
    return tuple(
        Cause(each.name, shares[each.name], tuple(each.speaks_for), each.against, decide) for each, decide in told
    )


def can_be_told(facts: Mapping[str, Fact]) -> bool:
    """Whether enough was recorded to tell causes from each other."""
    return len({fact.family for fact in facts.values()} - OF_THE_SYMPTOM) >= FEWEST_FAMILIES


def _weighed(
    name: str,
    signature: Signature,
    facts: Mapping[str, Fact],
    findings: Sequence[Finding],
    ruled_out: Mapping[str, Evidence],
) -> _Candidate:
    candidate = _Candidate(name)
    by_rule = by_facts = against = 0.0
    at_most_against = -inf
    shown = [finding for finding in findings if finding.name in (name, *signature.shown_by)]
    if shown:
        best = max(shown, key=lambda finding: FOUND[finding.severity] * finding.confidence)
        candidate.found = candidate.marked = True
        by_rule = FOUND[best.severity] * best.confidence
        at_most_against = -inf if best.severity is Severity.INFO else AGAINST_AN_ALARM
        candidate.speaks_for += [signature.mechanism, *(item.text for item in best.evidence[:SAID_OF_A_FINDING])]
    elif name in ruled_out:
        candidate.score -= STRONG
        candidate.number = ruled_out[name].text
    for weight, fact in _weights(signature, facts):
        by_facts += max(weight, 0.0)
        against += min(weight, 0.0)
        candidate.refuted |= weight <= -STRONG and signature.shows_in_facts
        candidate.marked |= weight >= CLEAR or (weight > 0 and signature.by_elimination)
        texts = candidate.speaks_for if weight > 0 else candidate.speaks_against
        # The strong fact is what the rule has looked at; of a found cause it would say the same again.
        if fact.text not in texts and not (candidate.found and weight >= STRONG):
            texts.append(fact.text)
    # Rule and facts read the same signals: together they are no surer than the surer of them.
    candidate.score += max(by_rule, by_facts) + max(against, at_most_against)
    return candidate


def _weights(signature: Signature, facts: Mapping[str, Fact]) -> Iterator[tuple[float, Fact]]:
    for (name, state), weight in signature.weights.items():
        fact = facts.get(name)
        if fact is not None and fact.state == state:
            yield weight, fact


def _eliminate(candidates: Sequence[_Candidate]) -> None:
    """What is left by elimination loses what speaks for the strongest of the others."""
    most = max(candidate.support for candidate in candidates if not SIGNATURES[candidate.name].by_elimination)
    for candidate in candidates:
        if SIGNATURES[candidate.name].by_elimination:
            candidate.score -= most


def _without_opposites(ranked: Sequence[_Candidate]) -> list[_Candidate]:
    kept: list[_Candidate] = []
    for candidate in ranked:
        if not any(frozenset((candidate.name, other.name)) in OPPOSITES for other in kept):
            kept.append(candidate)
    return kept


def _would_decide(names: Sequence[str]) -> dict[str, str]:
    """What decides between the first two; of each further one, what decides it alone."""
    texts = {name: SIGNATURES[name].would_decide for name in names}
    if len(names) > 1:
        texts[names[0]] = DECIDES.get(frozenset(names[:2]), texts[names[0]])
    return texts
