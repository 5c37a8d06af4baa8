"""label-noise-floor: contradicted labels are told from hard examples, from learning and from label smoothing."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, layer_tags, make_view

from trainvitals import check_rule
from trainvitals.rules.data.label_noise_floor import LabelNoiseFloor
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Signals

RULE = LabelNoiseFloor()
EXAMPLES, CLASSES, EVALUATIONS = 256, 4, 30
GUESS = np.log(CLASSES)


def losses(share, *, rng_seed=0, easy=None, learnt=30.0, moving=False):
    """A model that comes to believe labels as far as a share of wrong ones allows: ``[T, K]``."""
    rng = np.random.default_rng(rng_seed)
    wrong = rng.permutation(EXAMPLES) < round(share * EXAMPLES)
    price = -np.log1p(-share) if share else 0.01
    floor = np.where(wrong, -np.log(max(share, 1e-3) / (CLASSES - 1)), price if easy is None else easy)
    rows = []
    for time in np.linspace(0, learnt, EVALUATIONS):
        known = 1 - np.exp(-time / 2)
        target = rng.permutation(floor) if moving else floor
        rows.append((GUESS + (target - GUESS) * known) * np.exp(0.1 * rng.standard_normal(EXAMPLES)))
    return np.array(rows)


def view_of(values, *, supervised=True):
    each = layer_tags("probe_set_example_loss", values.shape[1])
    steps = 50 * np.arange(len(values))
    columns = {tag: (steps, values[:, index]) for index, tag in enumerate(each.tags)}
    return make_view(columns, Signals(per_layer={"probe_set_example_loss": each}, supervised=supervised))


def test_the_rule_keeps_the_contract():
    check_rule(LabelNoiseFloor)


@pytest.mark.parametrize("share", [0.1, 0.25, 0.4])
def test_wrong_labels_are_an_information_with_their_share_and_places(share):
    (finding,) = findings(RULE, view_of(losses(share)))
    assert finding.severity == "info"
    assert finding.evidence[0].value == pytest.approx(share, abs=0.02)
    assert finding.last_step == 50 * (EVALUATIONS - 1)
    wrong = np.flatnonzero(np.random.default_rng(0).permutation(EXAMPLES) < round(share * EXAMPLES))
    assert finding.evidence[0].signal.removeprefix("probe_set_example_loss/layer") in map(str, wrong)


@pytest.mark.parametrize(("share", "found"), [(0.03, 0), (0.07, 1), (0.6, 0)])
def test_few_wrong_labels_are_everywhere_and_most_would_be_no_task(share, found):
    assert len(findings(RULE, view_of(losses(share)))) == found


@pytest.mark.parametrize(("easy", "found"), [(0.01, 0), (0.23, 1), (0.6, 0)])
def test_the_others_must_cost_what_the_doubt_is_worth(easy, found):
    """Hard examples beside easy ones cost less, those that are half learnt cost more; -ln(1 - 0.25) is 0.288."""
    assert len(findings(RULE, view_of(losses(0.25, easy=easy)))) == found


def test_classes_that_overlap_leave_sure_examples_beside_doubtful_ones():
    easy = np.where(np.arange(EXAMPLES) % 5 == 0, 0.08, 0.3)
    assert findings(RULE, view_of(losses(0.25, easy=easy))) == []


def test_label_smoothing_lifts_all_and_contradicts_none():
    view = view_of(losses(0.0, easy=0.3))
    assert findings(RULE, view) == []
    assert RULE.rule_out(RULE.measure(view), RULE.limits({})).value == 0.0


def test_a_loss_that_still_falls_has_not_come_to_its_floor():
    assert findings(RULE, view_of(losses(0.25, learnt=6.0))) == []


def test_examples_that_take_turns_are_chance():
    assert findings(RULE, view_of(losses(0.25, moving=True))) == []


@pytest.mark.parametrize("values", [losses(0.25)[:8], losses(0.25)[:, :63], losses(0.25) - 1.0])
def test_too_little_or_no_cross_entropy_is_not_judged(values):
    assert RULE.measure(view_of(values)) == NotEnough()


def test_without_a_probe_set_it_says_how_to_set_one():
    missing = RULE.measure(make_view({}, Signals()))
    assert missing.missing == ("loss of each example of a probe set",)
    compile(missing.how, "how", "eval")


def test_reinforcement_learning_is_not_judged():
    assert RULE.measure(view_of(losses(0.25), supervised=False)) == NotEnough()
