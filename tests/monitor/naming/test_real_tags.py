"""Every tag of the collection gets the role that a careful person would give it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.monitor.naming.made_runs import counter, falling, level, run_of, schedule
from tests.monitor.naming.real_tags import RUNS

from trainvitals.model import Run
from trainvitals.signals import understand

VALUES: dict[str, Callable[[], NDArray[np.float64]]] = {
    "learning_rate": schedule,
    "epoch": counter,
    "tokens": counter,
    "step": counter,
    "samples": counter,
    "time": counter,
    "step_time": level,
}
CASES = [(run, tag) for run, tags in RUNS.items() for tag in tags]


def made(name: str) -> Run:
    return run_of({tag: VALUES.get(role, falling)() for tag, role in RUNS[name].items()})


@pytest.mark.parametrize(("name", "tag"), CASES, ids=[f"{run}: {tag}" for run, tag in CASES])
def test_the_tag_has_the_role_that_a_person_would_give_it(name: str, tag: str) -> None:
    roles = {role.tag: role for role in understand(made(name)).roles}
    assert roles[tag].role == RUNS[name][tag], roles[tag].why


def test_the_collection_is_large_enough_to_mean_something() -> None:
    assert len({tag for _, tag in CASES}) >= 150


@pytest.mark.parametrize("name", RUNS)
def test_every_tag_has_one_role_and_the_order_of_tags_plays_no_part(name: str) -> None:
    run = made(name)
    backwards = run_of(list(run.series.values())[::-1])
    signals = understand(run)
    assert sorted(role.tag for role in signals.roles) == sorted(run.series)
    assert all(role.why for role in signals.roles)
    assert understand(backwards) == signals
    assert list(understand(backwards).val_loss) == list(signals.val_loss)
