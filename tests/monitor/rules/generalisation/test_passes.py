"""How often the data were gone through: by epochs, by rows, by examples seen before; and where it is not known."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import make_view

from trainvitals import tags
from trainvitals.rules.generalisation.passes import passes_of
from trainvitals.signals import Signals

STEPS = np.arange(0, 4000, 10)
EPOCHS = Signals(epoch=("epoch",))


def of_epochs(value):
    return passes_of(make_view({"epoch": (STEPS, value)}, EPOCHS))


def of_examples(passes_at, every=10, seed=0):
    share = 1.0 - (1.0 - 1.0 / every) ** np.floor(passes_at)
    noise = np.random.default_rng(seed).binomial(32, np.clip(share, 0, 1)) / 32
    return passes_of(make_view({tags.BATCH_SEEN_BEFORE: (STEPS, noise)}, Signals()))


@pytest.mark.parametrize("begin", [0, 1])
def test_whole_epochs_count_from_zero_or_one(begin):
    passes = of_epochs(begin + STEPS // 1000)
    assert passes.total == 4
    assert passes.first_until == 990


def test_fractions_of_epochs_are_passes_themselves():
    passes = of_epochs(STEPS / 1000)
    assert passes.total == pytest.approx(3.99)
    assert passes.first_until == 1000


def test_a_run_that_continues_at_a_later_epoch_has_no_first_pass():
    assert of_epochs(7 + STEPS // 1000).first_until < STEPS[0]
    assert of_epochs(7.5 + STEPS / 1000).first_until < STEPS[0]


def test_examples_seen_before_tell_the_passes():
    passes = of_examples(STEPS / 400)
    assert passes.total == pytest.approx(10, abs=2)
    assert passes.first_until == pytest.approx(400, abs=100)


def test_fresh_examples_are_a_first_pass_throughout():
    passes = of_examples(np.zeros(len(STEPS)))
    assert passes.total == 1
    assert passes.first_until == STEPS[-1]


def test_an_example_seen_by_chance_begins_no_second_pass():
    seen = np.zeros(len(STEPS))
    seen[::17] = 1 / 32
    assert passes_of(make_view({tags.BATCH_SEEN_BEFORE: (STEPS, seen)}, Signals())).first_until == STEPS[-1]


def test_a_log_with_both_losses_at_every_step_has_a_row_for_each_epoch():
    rows = np.arange(1, 31)
    losses = {"train": (rows, 1.0 / rows), "val": (rows, 1.0 / rows)}
    signals = Signals(train_loss=("train",), val_loss={"": "val"})
    assert passes_of(make_view(losses, signals)).total == 30
    assert passes_of(make_view({**losses, "val": (rows[::2], 1.0 / rows[::2])}, signals)) is None
    assert passes_of(make_view({name: (rows + 40, value) for name, (rows, value) in losses.items()}, signals)) is None
