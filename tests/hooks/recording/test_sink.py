"""Whatever is written also goes to ``on_record``."""

from __future__ import annotations

import threading

import pytest
import torch
from tests.hooks.training import network, plain_steps, recorded, watching

pytestmark = pytest.mark.torch


@pytest.fixture
def model():
    return network()


@pytest.fixture
def optimizer(model):
    return torch.optim.SGD(model.parameters(), 0.05)


def test_on_record_gets_exactly_what_is_in_the_event_file(tmp_path, model, optimizer):
    taken = {}
    threads = set()

    def on_record(step, scalars):
        threads.add(threading.current_thread())
        for tag, value in scalars.items():
            assert type(value) is float
            taken.setdefault(tag, {})[step] = value

    with watching(model, optimizer, tmp_path, every=3, on_record=on_record) as vitals:
        plain_steps(model, optimizer, vitals, 8)
        vitals.log_validation("code", loss=2.5)
    found = recorded(tmp_path)
    assert set(taken) == set(found)
    for tag, values in found.items():
        assert taken[tag] == pytest.approx(values, rel=1e-6, nan_ok=True)
    assert threads == {threading.current_thread()}


def test_an_on_record_that_raises_is_told_once_and_not_called_again(tmp_path, capsys, model, optimizer):
    calls = []

    def on_record(step, scalars):
        calls.append(step)
        raise ConnectionError("no line to the tracker")

    with watching(model, optimizer, tmp_path, on_record=on_record) as vitals:
        losses = plain_steps(model, optimizer, vitals, 5)
    assert calls == [0]
    assert capsys.readouterr().err.count("no line to the tracker") == 1
    assert recorded(tmp_path)["train/loss"] == pytest.approx(dict(enumerate(losses)), rel=1e-6)


def test_an_interrupt_inside_on_record_is_the_persons(tmp_path, model, optimizer):
    def on_record(step, scalars):
        raise KeyboardInterrupt

    with watching(model, optimizer, tmp_path, on_record=on_record) as vitals:
        with pytest.raises(KeyboardInterrupt):
            plain_steps(model, optimizer, vitals, 5)
        vitals._recorder._sink = None
