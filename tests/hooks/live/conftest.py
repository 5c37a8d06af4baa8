"""A watched training whose diagnosis comes from a child that says what the test wants."""

from __future__ import annotations

import pytest

# Where torch is not installed this file is loaded all the same: what needs it is imported by the fixtures.


@pytest.fixture
def children(monkeypatch):
    """Those that were started, the newest last; every step of a training looks."""
    from tests.hooks.live.child import Child

    from trainvitals_hooks import live

    monkeypatch.setattr(Child, "made", [])

    def start(folder, **settings):
        Child.made.append(Child(folder, settings))
        return Child.made[-1]

    monkeypatch.setattr(live, "Companion", start)
    monkeypatch.setattr(live, "LOOK_EVERY_S", 0.0)
    return Child.made


@pytest.fixture
def model():
    from tests.hooks.training import network

    return network()


@pytest.fixture
def optimizer(model):
    import torch

    return torch.optim.SGD(model.parameters(), 0.05)


@pytest.fixture
def vitals(tmp_path, children, model, optimizer):
    from tests.hooks.training import watching

    with watching(model, optimizer, tmp_path, live=True) as vitals:
        yield vitals


@pytest.fixture
def child(vitals, children, model, optimizer):
    """A child that was started by the first steps."""
    from tests.hooks.training import plain_steps

    plain_steps(model, optimizer, vitals, 3)
    return children[-1]
