"""Whether a run's losses are those of supervised learning, or of rewards or of an adversary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainvitals.naming.meaning import Meaning
from trainvitals.naming.words import DISCRIMINATOR_WORDS, GENERATOR_WORDS, LOSS_WORDS

_POLICY_WORDS = frozenset({"policy", "actor", "pi", "surrogate", "pg"})
_VALUE_WORDS = frozenset({"value", "critic", "vf", "q", "qf", "qf1", "q1", "baseline"})


@dataclass(frozen=True, slots=True)
class Supervision:
    """The answer, and in one clause why not; the clause is empty where the learning is supervised."""

    supervised: bool
    why_not: str = ""


def supervision(meanings: Sequence[Meaning]) -> Supervision:
    """Judges the kind of learning by the names of all tags.

    A loss to be minimised on fixed data is what the rules understand. A return that an agent collects, the losses of
    actor and critic, and the two losses of an adversarial game are not of that kind: they need not fall when all is
    well.
    """
    losses = [meaning for meaning in meanings if meaning.kind == "loss"]
    rewards = [meaning for meaning in meanings if meaning.kind == "reward"]
    policy = [meaning for meaning in meanings if meaning.kind in ("reinforcement", "episode_length")]
    roles = _roles_of_agents(losses)
    has_val_loss = any(loss.split.data == "val" for loss in losses)
    only_evaluated = has_val_loss and not policy and not roles and all(r.split.data == "val" for r in rewards)
    if rewards and not only_evaluated:
        return Supervision(False, f"reinforcement learning: rewards are logged ({rewards[0].tag})")
    if len(roles) > 1 and not has_val_loss and not any(meaning.kind == "metric" for meaning in meanings):
        return Supervision(False, f"reinforcement learning: the losses are those of {' and '.join(sorted(roles))}")
    if any(meaning.kind == "episode_length" for meaning in policy) or len(policy) > 1:
        return Supervision(False, f"reinforcement learning: {policy[0].tag} is logged")
    return _adversarial(losses)


def _roles_of_agents(losses: Sequence[Meaning]) -> set[str]:
    words = {word for loss in losses for word in loss.name.words}
    if not words & _POLICY_WORDS:
        return set()
    return {"policy", "value"} if words & _VALUE_WORDS else {"policy"}


def _adversarial(losses: Sequence[Meaning]) -> Supervision:
    generator = [loss for loss in losses if _qualifiers(loss) & GENERATOR_WORDS]
    discriminator = [loss for loss in losses if _qualifiers(loss) & DISCRIMINATOR_WORDS]
    pair = [loss.tag for loss in (*generator[:1], *discriminator[:1])]
    if generator and discriminator:
        return Supervision(False, f"adversarial training: generator and discriminator losses ({', '.join(pair)})")
    return Supervision(True)


def _qualifiers(loss: Meaning) -> frozenset[str]:
    return frozenset(loss.name.words) - LOSS_WORDS
