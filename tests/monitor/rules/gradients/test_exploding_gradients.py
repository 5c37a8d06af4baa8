"""Growth far beyond the past is found and dated; warm-up, heavy tails, drifts and breakthroughs are not explosions."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, layer_tags, make_view, severities

from trainvitals.rules.gradients.exploding_gradients import ExplodingGradients
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals
from trainvitals.synth.faults import sick_run
from trainvitals.synth.healthy import SHAPES, healthy_run
from trainvitals.view import RunView

RULE = ExplodingGradients()
SIGNALS = Signals(train_loss=("loss",), grad_norm=("norm",))
SYNTHETIC = Signals(train_loss=("train/loss",), grad_norm=("train/grad_norm",))
STEPS = 10 * np.arange(1000)
SHARE = STEPS / STEPS[-1]
RNG = np.random.default_rng(0)
NORMS = np.exp(0.3 * RNG.standard_normal(1000))
FALLING = (1.0 + 2.0 * np.exp(-5 * SHARE)) * np.exp(0.02 * RNG.standard_normal(1000))


def view_of(norm, loss=FALLING):
    return make_view({"norm": (STEPS, norm), "loss": (STEPS, loss)}, SIGNALS)


def grown(decades, since=0.6, over=0.05):
    return NORMS * 10.0 ** (decades * np.clip((SHARE - since) / over, 0, 1))


def worse(since=0.6):
    return FALLING * np.where(since <= SHARE, 2.0, 1.0)


def test_a_hundredfold_growth_that_hurts_the_loss_is_a_warning_at_its_onset():
    (finding,) = findings(RULE, view_of(grown(2.0), worse()))
    assert finding.severity == "warning"
    assert finding.first_step == pytest.approx(6000, abs=200)
    assert {"norm", "loss"} == finding.signals


def test_a_loss_that_breaks_makes_it_an_error():
    assert severities(RULE, view_of(grown(2.0), np.where(SHARE < 0.7, FALLING, np.nan))) == ["error"]


def test_a_norm_that_overflows_makes_it_an_error():
    assert severities(RULE, view_of(np.where(SHARE < 0.8, grown(4.0), np.inf))) == ["error"]


@pytest.mark.parametrize("onset", [0.3, 0.5, 0.7])
def test_synthetic_explosions_are_dated_within_two_percent(onset):
    synthetic = sick_run("exploding-gradients", onset=onset)
    (finding,) = findings(RULE, RunView(synthetic.run, SYNTHETIC))
    assert finding.first_step == pytest.approx(synthetic.truth.onset_step, abs=0.02 * 4000)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_healthy_synthetic_run_explodes(shape):
    for heavy_tails in (False, True):
        run = healthy_run(shape, noise=0.1, heavy_tails=heavy_tails).run
        assert findings(RULE, RunView(run, SYNTHETIC)) == []


def test_a_norm_that_drifts_upwards_while_the_loss_falls_is_healthy():
    assert findings(RULE, view_of(NORMS * (1.0 + 4.0 * SHARE))) == []


def test_a_hundredfold_growth_under_a_falling_loss_is_healthy():
    assert findings(RULE, view_of(grown(2.0))) == []


@pytest.mark.parametrize(("decades", "found"), [(2.9, False), (3.2, True)])
def test_a_thousandfold_growth_speaks_for_itself(decades, found):
    assert bool(findings(RULE, view_of(grown(decades)))) is found


def test_the_breakthrough_from_a_saddle_point_is_healthy():
    loss = np.where(SHARE < 0.6, 0.693, 0.693 * np.exp(-10 * (SHARE - 0.6)))
    assert findings(RULE, view_of(1e-4 * grown(4.0), loss)) == []


def test_the_first_gradients_and_wild_batches_are_healthy():
    norm = np.exp(np.random.default_rng(1).standard_t(2.0, 1000))
    norm[:20] *= 1e4
    assert findings(RULE, view_of(norm)) == []


def test_a_growth_that_is_over_by_the_end_does_not_speak_for_itself():
    norm = NORMS * np.where((SHARE > 0.4) & (SHARE < 0.5), 1e4, 1.0)
    assert findings(RULE, view_of(norm)) == []


def test_limits_can_be_set():
    view = view_of(grown(2.0), worse())
    assert findings(RULE, view, smallest_growth=500.0) == []
    assert findings(RULE, view_of(grown(2.0)), certain_growth=50.0) != []


def test_the_norm_with_the_largest_peak_is_the_one_before_clipping():
    signals = Signals(train_loss=("loss",), grad_norm=("clipped", "norm"))
    columns = {"clipped": np.minimum(grown(4.0), 1.0), "norm": grown(4.0), "loss": worse()}
    view = make_view({tag: (STEPS, value) for tag, value in columns.items()}, signals)
    assert [finding.evidence[0].signal for finding in findings(RULE, view)] == ["norm"]


def test_layers_alone_suffice_and_are_named():
    tags = layer_tags("grad_norm", 3)
    columns = {"loss": (STEPS, worse())} | dict.fromkeys(tags.tags, (STEPS, NORMS))
    columns[tags.tags[1]] = (STEPS, grown(3.0))
    view = make_view(columns, Signals(train_loss=("loss",), per_layer={"grad_norm": tags}))
    (finding,) = findings(RULE, view)
    assert finding.layers == ("layer1",)


def test_what_is_missing_is_named():
    measured = RULE.measure(make_view({"loss": (STEPS, FALLING)}, Signals(train_loss=("loss",))))
    assert isinstance(measured, NotEnough)
    assert measured.missing == ("grad_norm",)


def test_a_norm_within_its_past_rules_it_out_by_its_number():
    number = RULE.rule_out(RULE.measure(view_of(2.0 * NORMS)), RULE.limits({}))
    assert number is not None
    assert number.value == pytest.approx(1.0, rel=0.2)


@pytest.mark.parametrize("norm", [grown(2.0), np.where(SHARE < 0.99, NORMS, np.inf), np.zeros(1000)])
def test_a_norm_that_grew_broke_or_is_nothing_rules_nothing_out(norm):
    assert RULE.rule_out(RULE.measure(view_of(norm)), RULE.limits({})) is None
