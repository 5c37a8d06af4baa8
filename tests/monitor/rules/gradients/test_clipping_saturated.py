"""Clipping that leaves nothing is found where it matters: not mild, not under Adam, not in a run that learns."""

from __future__ import annotations

import pytest
from tests.monitor.rules.updates.trainings import ADAM, FALLING, SGD, STEPS, STUCK, training
from tests.monitor.rules.views import findings, severities

from trainvitals import check_rule, tags
from trainvitals.interventions.registry import all_interventions
from trainvitals.rules.gradients.clipping_saturated import ClippingSaturated
from trainvitals.rules.rule import NotEnough

RULE = ClippingSaturated()


def clipped(share=1.0, kept=1e-4, **changes):
    given = {"ratio": 1e-6, "loss": STUCK, "settings": SGD, tags.CLIPPED: share}
    norms = {tags.GRADIENT_NORM: kept * 3.0, tags.GRADIENT_NORM_BEFORE_CLIPPING: 3.0}
    return training(**{**given, **norms, **changes})


def test_the_rule_keeps_the_contract():
    check_rule(ClippingSaturated)


def test_a_training_that_is_stuck_because_nothing_is_left_of_its_gradients_is_a_warning():
    assert severities(RULE, clipped()) == ["warning"]


@pytest.mark.parametrize(("gain", "severity"), [(0.4, "warning"), (0.6, "info")])
def test_where_the_weights_stand_still_half_of_the_loss_may_be_gained(gain, severity):
    loss = 2.3 * (1 - gain * STEPS / STEPS[-1])
    assert severities(RULE, clipped(loss=loss)) == [severity]


@pytest.mark.parametrize(("ratio", "limit"), [(1e-6, "smallest_gain_unmoved"), (None, "smallest_gain")])
def test_the_gain_is_shown_against_the_limit_that_it_was_held_to(ratio, limit):
    (finding,) = findings(RULE, clipped(ratio=ratio))
    (gain,) = [each for each in finding.evidence if "has gained" in each.text]
    assert gain.threshold == RULE.limits({})[limit]


def test_one_that_learns_all_the_same_is_a_note():
    assert severities(RULE, clipped(loss=FALLING)) == ["info"]
    assert severities(RULE, clipped(ratio=1e-3)) == ["info"]


@pytest.mark.parametrize(("ratio", "severity"), [(0.9e-4, "warning"), (1.1e-4, "info")])
def test_a_rate_that_makes_up_for_it_gives_updates_of_usual_size(ratio, severity):
    assert severities(RULE, clipped(ratio=ratio)) == [severity]


def test_adam_makes_up_for_it():
    assert findings(RULE, clipped(settings=ADAM)) == []


@pytest.mark.parametrize(("kept", "found"), [(0.09, True), (0.2, False)])
def test_mild_clipping_at_every_step_is_silent(kept, found):
    assert bool(findings(RULE, clipped(kept=kept))) is found


@pytest.mark.parametrize(("share", "found"), [(0.95, True), (0.8, False)])
def test_nearly_every_step_must_be_clipped(share, found):
    assert bool(findings(RULE, clipped(share=share))) is found


def test_without_knowing_optimizer_and_updates_it_is_no_more_than_a_note():
    assert severities(RULE, clipped(settings={}, ratio=None)) == ["info"]


def test_a_loop_that_never_clips_is_not_asked_to():
    missing = RULE.measure(training())
    assert isinstance(missing, NotEnough)
    assert missing.missing == ()


def test_gradients_that_pass_rule_it_out():
    view = clipped(kept=0.5)
    assert RULE.rule_out(RULE.measure(view), RULE.limits({})) is not None


def test_the_limit_to_try_is_that_of_the_runs_own_norms():
    view = clipped()
    suggestion = all_interventions()["raise-clip-limit"].suggest(view, findings(RULE, view)[0])
    assert suggestion is not None
    assert "max_norm=3)" in suggestion.how
    assert suggestion.verify.direction == "down"
