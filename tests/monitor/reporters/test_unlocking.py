"""A line of code that lets several rules be judged is told once."""

from trainvitals.model import NotAssessed
from trainvitals.reporters.unlocking import lines_that_unlock

WATCH, LOG = "vitals = trainvitals.watch(model, optimizer)", "vitals.log(loss=loss)"


def test_each_line_is_told_once_with_all_that_it_unlocks_the_most_first():
    rules = (
        NotAssessed("LOS001", "non-finite-loss", ("train_loss",), LOG),
        NotAssessed("ACT001", "dead-units", ("activations",), WATCH),
        NotAssessed("ACT003", "activation-growth", ("activations", "norms"), WATCH),
    )
    watch, log = lines_that_unlock(rules)
    assert (watch.how, log.how) == (WATCH, LOG)
    assert [rule.name for rule in watch.rules] == ["dead-units", "activation-growth"]
    assert watch.missing == ("activations", "norms")
    assert log.rules == rules[:1]


def test_nothing_to_unlock_is_no_line():
    assert lines_that_unlock(()) == ()
