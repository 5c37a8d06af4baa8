"""What one tag means by its name alone, before the other tags and the values are consulted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from trainvitals.naming import words as w
from trainvitals.naming.books import bookkeeping_kind
from trainvitals.naming.split import Split, split_of
from trainvitals.naming.tokens import Name, stem

Better = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """One tag understood by its name.

    Args:
        kind: ``loss``, ``learning_rate``, ``grad_norm``, ``metric``, ``reward``, ... or ``other``.
        why: which part of the name says so.
        better: direction of a metric.
    """

    name: Name
    kind: str
    why: str
    split: Split
    better: Better | None = None

    @property
    def tag(self) -> str:
        return self.name.tag


def read_meaning(name: Name) -> Meaning:
    """The words after the last slash decide; where they say nothing, those before it do."""
    split = split_of(name)
    if name.words == ("hp", "metric"):
        return Meaning(name, "other", "Lightning's placeholder for a hyper-parameter metric", split)
    if _is_over_another_axis(name.words):
        return Meaning(name, "copy", "the same curve over another axis, with steps of another unit", split)
    for scope in (name.words,) if _is_vague_reward(name) else (name.last, name.words):
        found = _quantity(scope)
        if found is not None:
            kind, why, better = found
            return Meaning(name, kind, why, split, better)
    kind, why = bookkeeping_kind(name)
    return Meaning(name, kind, why, split)


def better_direction(words: Sequence[str]) -> tuple[Better, str] | None:
    """In which direction a measure is better, and the word that says so; None where no word does."""
    if "rate" in words and ("false" in words or "miss" in words):
        return "down", "false" if "false" in words else "miss"
    if "explained" in words and "variance" in words:
        return "up", "explained variance"
    if _adjacent(words, "abs", "rel") or _adjacent(words, "sq", "rel"):
        return "down", "rel"
    if any(word in w.DERIVED_WORDS for word in words):
        return None
    # Beside anything but the data it is as likely a norm or a penalty on the weights.
    if "l1" in words and len(words) > 1 and frozenset(words) <= w.SPLIT_WORDS | {"l1"}:
        return "down", "l1"
    for word in reversed(words):
        for form in (word, stem(word)):
            if form in w.BETTER_DOWN:
                return "down", word
            if form in w.BETTER_UP:
                return "up", word
    return None


def _quantity(words: Sequence[str]) -> tuple[str, str, Better | None] | None:
    """Kind, reason and direction, or None where the words name none of the quantities that training is about."""
    present = frozenset(words)
    loss = bool(present & w.LOSS_WORDS) and words[-1] not in ("ppl", "perplexity", "acc", "accuracy")
    direction = better_direction(words)
    if present & w.BEST_WORDS and (loss or direction):
        return "best_so_far", "the best value so far, not a curve of its own", None
    if _is_loss_scale(words, present):
        return "loss_scale", "scale factor of mixed precision", None
    if _is_gradient_norm(present):
        if present & {"max", "threshold"} and present & {"clip", "max"}:
            return "other", "a clipping threshold or a largest value, not the norm", None
        if present & w.STATISTIC_WORDS:
            return "statistic", "a statistic of the gradient norm", None
        return "grad_norm", "gradient and norm in the name", None
    if _is_learning_rate(words) and not loss and direction is None:
        return "learning_rate", "learning rate in the name", None
    if loss:
        return _kind_of_loss(words, present)
    return _beside_losses(words, present, direction)


def _kind_of_loss(words: Sequence[str], present: frozenset[str]) -> tuple[str, str, Better | None] | None:
    """``count_loss`` is a loss, ``loss_count`` counts losses: what follows the word loss says what became of it."""
    last_loss = max(i for i, word in enumerate(words) if word in w.LOSS_WORDS)
    if present & w.CLOCK_WORDS and not _adjacent(words, "time", "series"):
        return None
    if w.NOT_A_LOSS_WORDS & frozenset(words[last_loss + 1 :]):
        return "other", "a setting or a derivative of the loss", None
    if present & w.STATISTIC_WORDS:
        return "loss_statistic", "an extreme or a spread of the loss, not its mean", None
    return "loss", "loss in the name", None


def _is_loss_scale(words: Sequence[str], present: frozenset[str]) -> bool:
    if "scaler" in present or _adjacent(words, "loss", "scale"):
        return True
    return "scale" in present and ("amp" in present or present == {"grad", "scale"})


def _beside_losses(
    words: Sequence[str], present: frozenset[str], direction: tuple[Better, str] | None
) -> tuple[str, str, Better | None] | None:
    if present & w.REWARD_WORDS:
        if present & w.PREFERENCE_WORDS:
            return "preference", "implicit reward of a preference loss", None
        if direction is None or direction[1] in w.VAGUE_MEASURES or direction[1] not in words[_last_reward(words) :]:
            return "reward", "reward or return in the name", None
    if present & w.EPISODE_WORDS and present & {"len", "length", "lengths"}:
        return "episode_length", "length of an episode", None
    if _is_reinforcement(words, present):
        return "reinforcement", "a quantity of policy optimisation", None
    if direction is not None:
        if present & {"std", "stddev", "variance"} and "explained" not in present:
            return "statistic", "a spread of a measure", None
        return "metric", f"{direction[1]!r} in the name", direction[0]
    lone = present & w.LONE_LOSS_WORDS
    if lone or _adjacent(words, "cross", "entropy"):
        return "loss", f"{min(lone, default='cross entropy')!r} is a loss though the name does not say so", None
    if _adjacent(words, "log", "likelihood"):
        if present & {"negative", "neg"}:
            return "loss", "negative log-likelihood is a loss", None
        return "metric", "log-likelihood rises as a model gets better", "up"
    return None


def _is_vague_reward(name: Name) -> bool:
    """``Reward/score``: what stands after the slash is a measure of the reward before it."""
    measures = {word for word in name.last if word in w.BETTER_UP or word in w.BETTER_DOWN}
    return bool(w.REWARD_WORDS & frozenset(name.words)) and measures <= w.VAGUE_MEASURES and not _has_loss(name)


def _has_loss(name: Name) -> bool:
    return bool(w.LOSS_WORDS & frozenset(name.last))


def _last_reward(words: Sequence[str]) -> int:
    return max(i for i, word in enumerate(words) if word in w.REWARD_WORDS)


def _is_over_another_axis(words: Sequence[str]) -> bool:
    """Megatron repeats its curves over samples (``lm loss vs samples``); Keras names the steps themselves."""
    if "vs" not in words:
        return False
    axis = frozenset(words[words.index("vs") + 1 :])
    return bool(axis) and not axis & (w.SPLIT_WORDS | w.STEP_WORDS | w.EPOCH_WORDS)


def _is_gradient_norm(present: frozenset[str]) -> bool:
    if "gnorm" in present:
        return True
    if not present & w.NORM_WORDS:
        return "l2" in present and bool(present & w.GRADIENT_WORDS)
    return bool(present & w.GRADIENT_WORDS) or present - w.TRAIN_WORDS <= {"global", "total", "norm"}


def _is_learning_rate(words: Sequence[str]) -> bool:
    named = _adjacent(words, "learning", "rate") or any(stem(word) in ("lr", "lrs", "lrate") for word in words)
    return named and not any(word in w.NOT_A_LEARNING_RATE for word in words)


def _is_reinforcement(words: Sequence[str], present: frozenset[str]) -> bool:
    return (
        bool(present & {"advantage", "advantages", "clipfrac", "clipfraction"})
        or _adjacent(words, "approx", "kl")
        or _adjacent(words, "clip", "fraction")
        or _adjacent(words, "clip", "frac")
        or _adjacent(words, "td", "error")
        or bool(present & {"q", "qf", "qf1", "q1", "qvalue"} and present & {"value", "values", "mean", "qvalue"})
    )


def _adjacent(words: Sequence[str], first: str, second: str) -> bool:
    return any(pair == (first, second) for pair in pairwise(words))
