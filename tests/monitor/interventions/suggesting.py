"""Runs that interventions are asked about, and what every suggestion keeps."""

from __future__ import annotations

import ast
import math

import numpy as np
from tests.monitor.interventions.names import free_names
from tests.monitor.rules.views import layer_tags, make_view

from trainvitals import tags
from trainvitals.interventions.registry import all_interventions
from trainvitals.model import Evidence, Finding, Run, Severity
from trainvitals.signals import Signals
from trainvitals.view import RunView

NAMES = sorted(all_interventions())
STEPS = 10 * np.arange(1000)
SHARE = STEPS / STEPS[-1]
VAL_STEPS = STEPS[::20]
HOSTILE = 'loss"""\n"); import os; os.remove("x") # \u202e\x1b[31m\' {0} %s'


def rich_view(train="train", suites=("math", "code"), hyper_parameters=None):
    """A run with every signal: the loss falls, one suite gets worse, the rate decays to half of its peak."""
    rng = np.random.default_rng(0)
    noise = np.exp(0.02 * rng.standard_normal(len(STEPS)))
    layers = layer_tags("grad_norm", 4)
    columns = {
        train: (STEPS, (1.0 + 2.0 * np.exp(-5 * SHARE)) * noise),
        "rate": (STEPS, 1e-3 * np.minimum(SHARE / 0.1, 1.0) * (1.0 - 0.5 * SHARE)),
        "norm": (STEPS, np.exp(0.3 * rng.standard_normal(len(STEPS))) * np.where(SHARE > 0.2, 10.0, 1.0)),
        **{f"val-{suite}": (VAL_STEPS, 2.0 - VAL_STEPS / 1e4) for suite in suites[:-1]},
        f"val-{suites[-1]}": (VAL_STEPS, 1.0 + np.abs(VAL_STEPS / 1e4 - 0.3)),
        **{tag: (STEPS, 10.0 ** (index - 4) * noise) for index, tag in enumerate(layers.tags)},
    }
    signals = Signals(
        train_loss=(train,),
        val_loss={suite: f"val-{suite}" for suite in suites},
        learning_rate=("rate",),
        grad_norm=("norm",),
        per_layer={"grad_norm": layers},
    )
    view = make_view(columns, signals)
    if hyper_parameters:
        run = view.run
        view = RunView(
            Run(run.id, run.path, run.name, run.format, run.series, hyper_parameters=hyper_parameters), signals
        )
    return view


def short_view():
    return make_view({"train": (range(10), [1.0] * 10)}, Signals(train_loss=("train",)))


def bare_view():
    return make_view({"hp_metric": ([0], [-1.0])}, Signals())


def finding(name="diverging-loss", signal="train", first_step=2000, layers=()):
    evidence = (Evidence("measured", signal=signal),) if signal else ()
    return Finding(
        "LOS002", name, Severity.WARNING, 0.9, "a finding", first_step=first_step, evidence=evidence, layers=layers
    )


BARE_FINDING = finding(signal=None, first_step=None)


def suggest(name, view=None, about=None):
    return all_interventions()[name].suggest(view or rich_view(), about or finding())


def assert_sane(suggestion, name):
    assert suggestion.name == name
    for text in (suggestion.summary, suggestion.expected, suggestion.risk, suggestion.source, suggestion.verify.signal):
        assert text.strip()
    ast.parse(suggestion.how)
    assert suggestion.how.isascii()
    assert suggestion.verify.direction in ("down", "up", "finite")
    assert math.isfinite(suggestion.verify.size)
    assert suggestion.verify.size >= 0
    assert suggestion.verify.direction == "finite" or suggestion.verify.size > 0
    assert suggestion.verify.within_steps >= 1
    assert not free_names(suggestion.how) & {"nan", "inf"}


def assert_verifiable(suggestion, view):
    """What is to be watched is in the log, or is one of our own tags, or is logged by the suggestion itself."""
    signal = suggestion.verify.signal
    own = signal in tags.TAGS or any(signal.startswith(f"{kind}/") for kind in tags.PER_LAYER_KINDS)
    assert signal in view.run.series or own or signal.rpartition("/")[0] in suggestion.how or signal in suggestion.how
