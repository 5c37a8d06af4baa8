"""Every intervention suggests something sane, with values of the run, code that parses, and tags that stay text."""

from __future__ import annotations

import ast

import pytest
from tests.monitor.interventions.suggesting import (
    BARE_FINDING,
    HOSTILE,
    NAMES,
    assert_sane,
    assert_verifiable,
    bare_view,
    finding,
    rich_view,
    short_view,
    suggest,
)

from trainvitals.interventions.registry import all_interventions
from trainvitals.interventions.values import quoted
from trainvitals.rules.registry import BUILT_IN


def test_the_registry_has_every_name_that_rules_may_use():
    assert set(NAMES) == {
        "adaptive-learning-rate",
        "anneal-learning-rate",
        "anomaly-detection",
        "average-weights",
        "better-initialisation",
        "broadcast-weights",
        "check-labels",
        "check-loss-inputs",
        "check-slow-device",
        "check-wiring",
        "clip-gradients",
        "clip-queries-and-keys",
        "compare-splits",
        "data-mixing",
        "deduplicate-splits",
        "dynamic-curriculum",
        "early-stopping",
        "empty-gradients",
        "exchange-less-often",
        "extend-schedule",
        "feed-data-faster",
        "fixed-probe-set",
        "larger-model",
        "log-more-often",
        "log-the-loss",
        "longer-warmup",
        "look-at-batches",
        "lower-adam-beta2",
        "lower-adam-epsilon",
        "lower-attention-rate",
        "lower-learning-rate",
        "lower-weight-decay",
        "more-data",
        "more-regularisation",
        "normalise-inputs",
        "normalise-layers",
        "normalise-queries-and-keys",
        "other-activation",
        "overfit-one-batch",
        "own-all-parameters",
        "pass-logits",
        "profile-slow-steps",
        "raise-batch-size",
        "raise-clip-limit",
        "raise-learning-rate",
        "recycle-units",
        "release-memory",
        "replay-old-data",
        "residual-connections",
        "restore-checkpoint",
        "separate-log-folders",
        "shuffle-data",
        "skip-bad-batches",
        "smaller-batch",
        "stop-and-keep-best",
        "training-mode",
        "use-bfloat16",
        "z-loss",
    }


@pytest.mark.parametrize("name", NAMES)
def test_on_a_run_that_has_what_it_needs_it_suggests_something_sane(name):
    view = short_view() if name == "log-more-often" else rich_view()
    suggestion = suggest(name, view)
    assert suggestion is not None
    assert_sane(suggestion, name)
    assert_verifiable(suggestion, view)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("view", [bare_view, short_view])
def test_without_its_signals_it_is_silent_or_still_sane(name, view):
    suggestion = suggest(name, view(), BARE_FINDING)
    if suggestion is not None:
        assert_sane(suggestion, name)


@pytest.mark.parametrize("name", NAMES)
def test_text_from_the_log_stays_text_inside_code(name):
    about = finding("foreign-validation-row", signal=HOSTILE, layers=(HOSTILE,))
    suggestion = suggest(name, rich_view(train=HOSTILE, suites=(HOSTILE, "code")), about)
    if suggestion is None:
        return
    assert_sane(suggestion, name)
    calls = [node for node in ast.walk(ast.parse(suggestion.how)) if isinstance(node, ast.Attribute)]
    assert "remove" not in {call.attr for call in calls}
    assert "\x1b" not in suggestion.how


@pytest.mark.parametrize("name", NAMES)
def test_every_intervention_says_when_and_why(name):
    page = type(all_interventions()[name]).__doc__
    assert page is not None
    assert len(page) > 40
    assert all_interventions()[name].source


@pytest.mark.parametrize(("module", "cls"), BUILT_IN)
def test_every_rule_names_only_interventions_that_exist(module, cls):
    rule_module = pytest.importorskip(f"trainvitals.rules.{module}")
    assert set(getattr(rule_module, cls).interventions) <= set(NAMES)


def test_quoted_text_is_one_plain_string():
    assert ast.literal_eval(quoted(HOSTILE)) == HOSTILE
    assert "\n" not in quoted(HOSTILE)
