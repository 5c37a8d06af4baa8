"""The machine and the books: throughput, times, memory, counters."""

from __future__ import annotations

from trainvitals.naming import words as w
from trainvitals.naming.tokens import Name

_STEP_TIME_COMPANIONS = w.STEP_COUNT_WORDS | {"batch", "minibatch", "it", "update", "fwd", "bwd", "end"}
_CUMULATIVE_WORDS = frozenset(
    {"timestamp", "elapsed", "total", "eta", "remaining", "since", "wall", "runtime", "start"}
)
_PLAIN_TIME_WORDS = frozenset(
    {"time", "dt", "ms", "s", "duration", "train", "training", "perf", "performance", "system"}
)
_SAMPLE_WORDS = frozenset({"samples", "sample", "examples", "images", "imgs", "sequences", "episodes"})


def bookkeeping_kind(name: Name) -> tuple[str, str]:
    """Kind and reason of a tag that names no quantity of training; ``other`` where it names nothing known."""
    words = name.words
    present = frozenset(words)
    if _is_seconds_per_step(words):
        return "step_time", "time per step in the name"
    if not frozenset(words[: len(words) - len(name.last)]) & w.TIME_WORDS and (counter := _counter(name.last)):
        return counter
    if _is_rate(name, present):
        return "throughput", "work per time in the name"
    if present & w.TIME_WORDS and not present & {"steps", "timesteps"}:
        return _kind_of_time(present)
    if present & w.MEMORY_WORDS:
        if present & {"num", "count"}:
            return "other", "a count of memory events"
        return "memory", "memory in the name"
    return _counter(name.last) or _counter(words) or ("other", "nothing known in the name")


def _counter(words: tuple[str, ...]) -> tuple[str, str] | None:
    """What is counted, where the words name nothing else."""
    present = frozenset(words)
    companions = w.COUNTER_COMPANIONS | w.SPLIT_WORDS
    for kind, counted, extra in (
        ("epoch", w.EPOCH_WORDS, frozenset[str]()),
        ("tokens", frozenset({"tokens", "toks"}), w.TOKEN_WORDS | {"input", "trained", "nonpadding"}),
        ("step", w.STEP_COUNT_WORDS | {"timesteps"}, frozenset({"env"})),
        ("samples", _SAMPLE_WORDS, frozenset[str]()),
    ):
        if present & counted and present <= counted | companions | extra:
            return kind, f"counts {kind}" if kind.endswith("s") else f"counts {kind}s"
    return None


def _is_seconds_per_step(words: tuple[str, ...]) -> bool:
    if "per" in words:
        at = words.index("per")
        before, after = set(words[:at]), set(words[at + 1 :])
        return bool(before & (w.PER_TIME_WORDS | w.TIME_WORDS)) and bool(after & _STEP_TIME_COMPANIONS)
    return len(words) >= 2 and words[-2] in w.PER_TIME_WORDS and words[-1] in ("it", "iter", "step", "batch")


def _is_rate(name: Name, present: frozenset[str]) -> bool:
    if present & w.RATE_WORDS:
        return True
    words = name.words
    if "per" in words[:-1]:
        return bool(set(words[words.index("per") + 1 :]) & w.PER_TIME_WORDS)
    return len(name.segments) > 1 and len(name.last) == 1 and name.last[0] in w.PER_TIME_WORDS


def _kind_of_time(present: frozenset[str]) -> tuple[str, str]:
    if present & w.DATA_TIME_WORDS:
        return "data_time", "time spent waiting for data"
    if present & w.VALIDATION_WORDS or present & _CUMULATIVE_WORDS:
        return "time", "a time, but not that of one step"
    if present & _STEP_TIME_COMPANIONS or present <= _PLAIN_TIME_WORDS:
        return "step_time", "time of one step"
    return "time", "a time, but not that of one step"
