"""starved-domain: a domain that runs dry, gets worse, or is fed too little is named; healthy mixtures are silent."""

from __future__ import annotations

import numpy as np
import pytest
from tests.monitor.rules.views import findings, make_view, severities

from trainvitals import check_rule, tags
from trainvitals.rules.data.starved_domain import StarvedDomain
from trainvitals.rules.rule import NotEnough
from trainvitals.signals import Role, Signals

RULE = StarvedDomain()
STEPS = np.arange(3000)
VAL_STEPS = STEPS[49::50]
RNG = np.random.default_rng(0)
DRAWN = RNG.random(len(STEPS))
NOISE = np.exp(0.03 * RNG.standard_normal(len(STEPS)))
FALLING = (1.5 + 2.0 * np.exp(-STEPS / 900)) * NOISE
STILL_HIGH = (3.4 - 0.7 * STEPS / len(STEPS)) * NOISE
TURNED = (1.5 + 1.6 * np.abs(STEPS / len(STEPS) - 0.4)) * NOISE


def view_of(shares, losses=None, *, dry=None, val=None, counted=True, amounts=None):
    """Batches drawn by shares; the domain ``dry`` gives up its batches to the first after half of the run."""
    edges, columns, roles = np.cumsum(list(shares.values())), {"train/loss": (STEPS, FALLING)}, []
    owner = np.minimum(np.searchsorted(edges, DRAWN * edges[-1], side="right"), len(shares) - 1)
    if dry is not None:
        owner[(owner == list(shares).index(dry)) & (len(STEPS) // 2 < STEPS)] = 0
    for index, name in enumerate(shares):
        steps = STEPS[owner == index]
        of_domain = {"loss": (losses or {}).get(name, FALLING)[steps]}
        if counted:
            of_domain["samples"] = np.cumsum(np.full(len(steps), (amounts or {}).get(name, 32)))
        for quantity, values in of_domain.items():
            columns[tags.train_metric(quantity, name)] = (steps, values)
            roles.append(Role(tags.train_metric(quantity, name), "domain", ""))
    suites = {name: f"val/{name}/loss" for name in val or {}}
    columns |= {suites[name]: (VAL_STEPS, values) for name, values in (val or {}).items()}
    return make_view(columns, Signals(train_loss=("train/loss",), val_loss=suites, roles=tuple(roles)))


def test_the_rule_keeps_the_contract():
    check_rule(StarvedDomain)


@pytest.mark.parametrize("shares", [{"a": 1, "b": 1, "c": 1}, {"web": 0.9, "books": 0.07, "code": 0.03}])
@pytest.mark.parametrize("counted", [True, False])
def test_mixtures_whose_domains_all_learn_are_silent(shares, counted):
    assert findings(RULE, view_of(shares, counted=counted)) == []


@pytest.mark.parametrize(
    ("loss", "found"), [(STILL_HIGH, ["warning"]), (FALLING, []), (np.full(3000, 3.3) * NOISE, [])]
)
def test_a_small_domain_that_is_behind_and_learns_from_what_it_gets_is_starved(loss, found):
    view = view_of({"web": 0.6, "books": 0.35, "code": 0.05}, {"code": loss})
    assert severities(RULE, view) == found


@pytest.mark.parametrize(("share", "found"), [(0.07, ["warning"]), (0.1, [])])
def test_a_quarter_of_an_equal_share_is_the_limit(share, found):
    view = view_of({"web": 0.6, "books": 0.4 - share, "code": share}, {"code": STILL_HIGH})
    assert severities(RULE, view) == found


def test_shares_are_those_of_the_samples_and_not_of_the_batches():
    view = view_of({"web": 0.5, "code": 0.5}, {"code": STILL_HIGH}, amounts={"code": 2})
    (finding,) = findings(RULE, view)
    assert "code" in finding.summary
    assert finding.signals >= {"train/code/loss"}


def test_a_domain_that_runs_dry_is_an_information_and_a_warning_where_its_suite_suffers():
    mixture = {"web": 0.6, "books": 0.2, "code": 0.2}
    (quiet,) = findings(RULE, view_of(mixture, dry="code"))
    assert (quiet.severity, quiet.first_step) == ("info", pytest.approx(1500, abs=30))
    suffering = np.where(VAL_STEPS < 1500, 2.0, 2.0 + 0.5 * (VAL_STEPS - 1500) / 1500)
    for val, severity in ((suffering, "warning"), (np.full(len(VAL_STEPS), 2.0), "info")):
        assert severities(RULE, view_of(mixture, dry="code", val={"code": val})) == [severity]


def test_a_domain_that_came_for_a_while_after_the_first_half_ran_not_dry_of_nothing():
    view = view_of({"web": 0.6, "books": 0.2, "code": 0.2})
    for quantity in ("loss", "samples"):
        whole = view.run.series[tags.train_metric(quantity, "code")]
        view.run.series[whole.tag] = whole.take((whole.step > 1600) & (whole.step < 2200))
    assert findings(RULE, view) == []


@pytest.mark.parametrize(("share", "found"), [(0.2, ["warning"]), (0.5, [])])
def test_a_domain_that_gets_worse_while_the_others_learn_is_starved_unless_it_gets_most(share, found):
    view = view_of({"web": (1 - share) / 2, "books": (1 - share) / 2, "code": share}, {"code": TURNED})
    assert severities(RULE, view) == found
    if found:
        assert findings(RULE, view)[0].first_step == pytest.approx(1200, abs=200)


def test_where_all_get_worse_none_is_starved():
    losses = dict.fromkeys(("web", "books", "code"), TURNED)
    assert findings(RULE, view_of({"web": 0.6, "books": 0.2, "code": 0.2}, losses)) == []


def test_without_domains_it_asks_for_them_only_where_there_are_several_suites():
    suites = {"a": np.full(len(VAL_STEPS), 2.0), "b": np.full(len(VAL_STEPS), 1.0)}
    missing = RULE.measure(view_of({"one": 1.0}, val=suites))
    assert isinstance(missing, NotEnough)
    assert "domain" in missing.how
    assert RULE.measure(view_of({"one": 1.0})) == NotEnough()


def test_reinforcement_learning_is_not_judged():
    assert RULE.measure(make_view({}, Signals(supervised=False))) == NotEnough()
