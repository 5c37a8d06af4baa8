"""What goes wrong, done to a healthy recording from a known step on. Each fault bears the name of its finding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from trainvitals.model import Restart
from trainvitals.synth.healthy import record
from trainvitals.synth.recording import Recording, SyntheticRun, Truth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from trainvitals.synth.curves import Array

CHANCE_LEVEL = float(np.log(10.0))
"""The cross-entropy of guessing among ten classes."""

DIVERGED_LEVEL = 30.0
RUNAWAY_FRACTION = 0.05
"""Of the run, until a diverging loss has run away."""

SPIKES = 6
SPIKE_HEIGHT = 4.0
SPIKE_RECORDS = 3

OVERFITTED_RISE = 0.6
"""Of the validation loss, relative, from its best to the end."""

VANISHED_SHRINKAGE = 0.02
"""From layer to layer towards the input: six layers leave 3e-9 of the output's gradient for the first."""

EXPLODED_GROWTH = 1e5
EXPLODED_LOSS = 3.0
RESTART_OVERLAP_FRACTION = 0.1
"""Of what was left to train: how much a restart does again."""

FRESH_NOISE = 0.01


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Args:
        spoil: the recording, the onset and a generator to the spoiled recording.
        stalls: whether the model learns nothing from the onset on.
        from_start: the fault is there since the first step, whatever onset is asked for.
    """

    spoil: Callable[[Recording, int, np.random.Generator], Recording]
    stalls: bool = False
    from_start: bool = False


def sick_run(
    kind: str,
    *,
    shape: str = "power-law",
    steps: int = 4000,
    every: int = 10,
    noise: float = 0.01,
    onset: float = 0.5,
    seed: int = 0,
) -> SyntheticRun:
    """A run with one known fault.

    Args:
        kind: one of ``FAULTS``, which is also the name of the finding that is expected.
        shape: of the healthy run before it; steps, every, noise, seed: as for ``healthy_run``.
        onset: when the fault begins, as a fraction of the run. Faults that are there from the start ignore it.

    Raises:
        KeyError: there is no such fault or shape.
        ValueError: ``onset`` is outside [0.1, 0.9].
    """
    if not 0.1 <= onset <= 0.9:
        raise ValueError(f"onset {onset} must lie between 0.1 and 0.9 of the run")
    fault = FAULTS[kind]
    start = 0.0 if fault.from_start else onset
    onset_step = every * round(start * steps / every)
    recording = record(
        shape,
        steps=steps,
        every=every,
        noise=noise,
        heavy_tails=False,
        seed=seed,
        stalls_at=onset_step / steps if fault.stalls else None,
    )
    spoiled = fault.spoil(recording, onset_step, np.random.default_rng([seed, 1]))
    return SyntheticRun(spoiled.to_run(kind), Truth((kind,), onset_step))


def _stall(recording: Recording, _onset_step: int, _rng: np.random.Generator) -> Recording:
    """Nothing but the stalled learning itself: the rate is as high as ever."""
    return recording


def _end_the_learning_rate(recording: Recording, onset_step: int, _rng: np.random.Generator) -> Recording:
    late = recording.since(onset_step)
    return replace(
        recording,
        learning_rate=np.where(late, 0.0, recording.learning_rate),
        update_ratio=np.where(late[:, None], 0.0, recording.update_ratio),
    )


def _never_learn(recording: Recording, _onset_step: int, _rng: np.random.Generator) -> Recording:
    return replace(
        recording,
        train_loss=CHANCE_LEVEL * recording.train_loss / recording.train_loss.mean(),
        val_loss=CHANCE_LEVEL * recording.val_loss / recording.val_loss.mean(),
    )


def _run_away(recording: Recording, onset_step: int, _rng: np.random.Generator) -> Recording:
    runaway_steps = RUNAWAY_FRACTION * recording.step[-1]

    def diverged(step: NDArray[np.int64], loss: Array) -> Array:
        progress = np.clip((step - onset_step) / runaway_steps, 0.0, 1.0)
        return np.asarray(loss * (DIVERGED_LEVEL / loss) ** progress)

    return replace(
        recording,
        train_loss=diverged(recording.step, recording.train_loss),
        val_loss=diverged(recording.val_step, recording.val_loss),
    )


def _become_nan(recording: Recording, onset_step: int, _rng: np.random.Generator) -> Recording:
    late = recording.since(onset_step)
    return replace(
        recording,
        train_loss=np.where(late, np.nan, recording.train_loss),
        val_loss=np.where(recording.val_since(onset_step), np.nan, recording.val_loss),
        grad_norm=np.where(late[:, None], np.nan, recording.grad_norm),
    )


def _spike(recording: Recording, onset_step: int, rng: np.random.Generator) -> Recording:
    loss = recording.train_loss.copy()
    first = int(np.argmax(recording.since(onset_step)))
    for start in np.linspace(first, len(loss) - 2 * SPIKE_RECORDS, SPIKES).astype(int):
        decay = np.exp(-np.arange(SPIKE_RECORDS))
        loss[start : start + SPIKE_RECORDS] *= 1.0 + (SPIKE_HEIGHT - 1.0) * rng.uniform(0.8, 1.4) * decay
    return replace(recording, train_loss=loss)


def _overfit(recording: Recording, onset_step: int, rng: np.random.Generator) -> Recording:
    way = np.clip((recording.val_step - onset_step) / (recording.step[-1] - onset_step), 0.0, 1.0)
    best = np.interp(onset_step, recording.val_step, recording.val_loss)
    rise = best * (1.0 + OVERFITTED_RISE * way) * np.exp(FRESH_NOISE * rng.standard_normal(len(way)))
    return replace(recording, val_loss=np.where(way > 0.0, rise, recording.val_loss))


def _vanish(recording: Recording, _onset_step: int, _rng: np.random.Generator) -> Recording:
    layers = recording.grad_norm.shape[1]
    share = VANISHED_SHRINKAGE ** np.arange(layers - 1, -1, -1.0)
    return replace(recording, grad_norm=recording.grad_norm * share, update_ratio=recording.update_ratio * share)


def _explode(recording: Recording, onset_step: int, _rng: np.random.Generator) -> Recording:
    def way(step: NDArray[np.int64]) -> Array:
        return np.asarray(np.clip((step - onset_step) / (RUNAWAY_FRACTION * recording.step[-1]), 0.0, 1.0))

    return replace(
        recording,
        grad_norm=recording.grad_norm * EXPLODED_GROWTH ** way(recording.step)[:, None],
        train_loss=recording.train_loss * EXPLODED_LOSS ** way(recording.step),
        val_loss=recording.val_loss * EXPLODED_LOSS ** way(recording.val_step),
    )


def _restart(recording: Recording, onset_step: int, rng: np.random.Generator) -> Recording:
    last_before = onset_step + round(RESTART_OVERLAP_FRACTION * (int(recording.step[-1]) - onset_step))
    return _play_again(recording, recording.step <= last_before, onset_step, rng, "session")


def _stack(recording: Recording, onset_step: int, rng: np.random.Generator) -> Recording:
    return _play_again(recording, np.ones(len(recording.step), dtype=bool), onset_step, rng, "step-back")


def _play_again(
    recording: Recording,
    before: NDArray[np.bool_],
    from_step: int,
    rng: np.random.Generator,
    kind: Literal["session", "step-back"],
) -> Recording:
    """The records ``before``, then those from ``from_step`` on with fresh noise."""
    last_step = int(recording.step[before][-1])
    rows = np.concatenate([np.flatnonzero(before), np.flatnonzero(recording.since(from_step))])
    val_rows = np.concatenate(
        [np.flatnonzero(recording.val_step <= last_step), np.flatnonzero(recording.val_since(from_step))]
    )
    again = np.arange(len(rows)) >= int(before.sum())
    noise = np.where(again, FRESH_NOISE * rng.standard_normal(len(rows)), 0.0)
    return replace(
        recording,
        step=recording.step[rows],
        learning_rate=recording.learning_rate[rows],
        train_loss=recording.train_loss[rows] * np.exp(noise),
        val_step=recording.val_step[val_rows],
        val_loss=recording.val_loss[val_rows],
        grad_norm=recording.grad_norm[rows],
        weight_norm=recording.weight_norm[rows],
        update_ratio=recording.update_ratio[rows],
        restarts=(Restart(step=from_step, previous_step=last_step, kind=kind, where="synthetic"),),
    )


FAULTS: Mapping[str, Fault] = {
    "diverging-loss": Fault(_run_away),
    "exploding-gradients": Fault(_explode),
    "learning-rate-exhausted": Fault(_end_the_learning_rate, stalls=True),
    "loss-spikes": Fault(_spike),
    "non-finite-loss": Fault(_become_nan),
    "not-learning": Fault(_never_learn, stalls=True, from_start=True),
    "overfitting": Fault(_overfit),
    "plateau": Fault(_stall, stalls=True),
    "restarted-run": Fault(_restart),
    "stacked-runs": Fault(_stack, from_start=True),
    "vanishing-gradients": Fault(_vanish, from_start=True),
}
