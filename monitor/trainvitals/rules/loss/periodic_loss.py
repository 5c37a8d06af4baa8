"""LOS007: the training loss swings with a fixed period."""

from __future__ import annotations

from collections.abc import Mapping

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.loss.loss_period import LossPeriod, loss_period
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView

SURE, LIKELY = 0.9, 0.75
CLEAR_SHARE = 0.5


class PeriodicLoss(Rule[LossPeriod | None]):
    """The training loss swings with a fixed period, in the same shape from the first cycle to the last.

    What it finds
    -------------
    A training loss whose level depends on the place in a cycle of fixed length, with the length of the cycle. A warning
    where it swings visibly; as an information where it does so by little, where it only steps down once a cycle, or
    where only its noise comes again.

    Why it matters
    --------------
    Nothing in a healthy training knows a fixed period but its schedule. A period in the loss comes from the data: they
    are sorted by class, length or source and gone through in that order, so that each batch pulls the weights another
    way.

    How it is detected
    ------------------
    The loss of every step, averaged to at most two thousand points, is freed of its trend (a running median over a
    third) and turned to ranks. The strongest line of its spectrum and the periods of which it is a harmonic are tried:
    the phase must explain a quarter of the variance, more where points are few; the profiles of the first, second and
    last third must correlate by 0.4 at least; and there must be six cycles. It must swing by `smallest_swing` of the
    level, and neighbouring places of the cycle must be alike: where they are not, random batches come again in the same
    order, which harms little. Where the same period explains more than `largest_rate_share` of the learning rate, that
    is the reason and nothing is found.

    False alarms
    ------------
    Several tasks or data sources that take turns on purpose. A running mean that is reset in every epoch, and examples
    that are remembered from the epoch before, make a step down once an epoch: that is an information only.

    What to try
    -----------
    Shuffle anew in every epoch. Where the data are streamed, mix several places of the stream.

    Sources
    -------
    Bengio 2012, "Practical recommendations for gradient-based training of deep architectures": shuffle. Epoch folding:
    Leahy et al. 1983. The comparison of the thirds is ours.
    """

    code = "LOS007"
    name = "periodic-loss"
    summary = "The training loss swings with a fixed period."
    reads = ("train_loss", "learning_rate")
    thresholds = (
        Threshold(
            "smallest_swing",
            0.1,
            "Of the level, from the lowest to the highest phase: what one sees in a plot.",
            "as for loss-spikes",
        ),
        Threshold(
            "largest_rate_share",
            0.25,
            "Of the variance of the learning rate that the period explains: then it comes from the schedule.",
            "as much as is asked of the loss",
        ),
    )
    absorbs = ("oscillating-loss", "loss-spikes", "not-learning", "bad-batches", "diverging-loss")
    interventions = ("shuffle-data", "data-mixing")

    def measure(self, view: RunView) -> LossPeriod | NotEnough | None:
        if not view.signals.supervised:
            return NotEnough()
        if view.train_loss is None:
            return NotEnough(("train_loss",), logging_lines.TRAIN_LOSS)
        return loss_period(view)

    def judge(self, measurement: LossPeriod | None, limits: Mapping[str, float]) -> list[Finding]:
        if measurement is None or measurement.by_rate > limits["largest_rate_share"]:
            return []
        alarming = measurement.is_harmful(limits)
        why = ""
        if measurement.steps_down:
            why = "; it steps down once a cycle, as where examples are remembered"
        elif not measurement.smooth:
            why = "; the same noise comes again, as of random batches in a fixed order"
        return [
            self.finding(
                Severity.WARNING if alarming else Severity.INFO,
                SURE if measurement.share >= CLEAR_SHARE else LIKELY,
                f"{measurement.tag} swings by {measurement.swing:.0%} with a period of {measurement.steps:,.4g} steps"
                f"{why}",
                first_step=measurement.first_step,
                last_step=measurement.last_step,
                evidence=(
                    Evidence(
                        f"the place in the cycle explains {measurement.share:.0%} of how the loss varies around its "
                        f"trend, over {measurement.cycles:.3g} cycles",
                        signal=measurement.tag,
                        value=measurement.share,
                    ),
                    Evidence(
                        f"from the lowest to the highest place it swings by {measurement.swing:.1%} of its level",
                        signal=measurement.tag,
                        value=measurement.swing,
                        threshold=limits["smallest_swing"],
                    ),
                    Evidence(f"the shape of the cycle stays: correlation {measurement.agreement:.2f} at least"),
                ),
            )
        ]
