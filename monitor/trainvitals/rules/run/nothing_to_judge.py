"""RUN003: there is nothing, or too little, to judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.rule import Rule, Threshold
from trainvitals.view import LossCurve, RunView

PLACEHOLDERS = (-1.0, 0.0, 1.0)
"""Values that frameworks write where nothing was measured; a loss that never leaves one of them was not logged."""

LISTED_TAGS = 5


@dataclass(frozen=True, slots=True)
class Material:
    """What there is to judge.

    Args:
        tags: all scalar tags of the run; points: the number of their values.
        losses: tag and number of points of each loss that holds more than a placeholder.
        placeholders: tag and value of each loss that is nothing else.
        rewards: whether the run has rewards instead.
    """

    tags: tuple[str, ...]
    points: int
    losses: tuple[tuple[str, int], ...]
    placeholders: tuple[tuple[str, float], ...]
    rewards: bool


class NothingToJudge(Rule[Material]):
    """The log has no loss, or too few points of it.

    What it finds
    -------------
    Logs without a loss: empty event files, only a placeholder metric such as `hp_metric`, losses that are all zero;
    and runs that ended after a handful of points.

    Why it matters
    --------------
    Silence would read as health. Here nothing could be judged, and this says what is missing.

    How it is detected
    ------------------
    No tag was understood as a loss, or every loss has one value only and that is -1, 0 or 1, or no loss has at least
    `minimum_points` points. Runs with rewards are not asked for a loss. Where another rule raises an alarm about the
    same loss, there was enough to judge, and this is not said.

    False alarms
    ------------
    A loss under a name that was not recognised: `trainvitals signals PATH` shows how every tag was understood, and
    `--train-loss TAG` corrects it. It is an information only.

    What to try
    -----------
    Log the training loss at every step, or at least sixty times in a run.

    Sources
    -------
    Our reading of public logs: of 35 runs one held only `hp_metric`, five had at most eleven points.
    """

    code = "RUN003"
    name = "nothing-to-judge"
    summary = "The log has no loss, or too few points of it."
    reads = ("train_loss", "val_loss", "rewards")
    thresholds = (
        Threshold(
            "minimum_points",
            12,
            "With fewer points a trend and its noise cannot be told apart by eye or by test.",
            "in our labelled logs every run called too short has at most 11 points a loss",
        ),
    )
    interventions = ("log-the-loss", "log-more-often")

    def measure(self, view: RunView) -> Material:
        placeholders = tuple((loss.tag, float(loss.curve.value[0])) for loss in view.losses if _is_placeholder(loss))
        hollow = {tag for tag, _ in placeholders}
        return Material(
            tags=tuple(view.run.series),
            points=view.run.points,
            losses=tuple((loss.tag, len(loss.recorded)) for loss in view.losses if loss.tag not in hollow),
            placeholders=placeholders,
            rewards=bool(view.signals.rewards),
        )

    def judge(self, measurement: Material, limits: Mapping[str, float]) -> list[Finding]:
        longest = max(measurement.losses, key=lambda loss: loss[1], default=None)
        if longest is None:
            return [] if measurement.rewards else [self._nothing(measurement)]
        tag, points = longest
        if points >= limits["minimum_points"]:
            return []
        text = f"{tag} has {points} points; that nothing is wrong can be said from {limits['minimum_points']:.0f} on"
        evidence = Evidence(text, signal=tag, value=points, threshold=limits["minimum_points"])
        summary = f"too few points to call the run healthy: {points} of the loss"
        return [self.finding(Severity.INFO, 0.95, summary, evidence=(evidence,))]

    def _nothing(self, material: Material) -> Finding:
        if material.placeholders:
            summary = "no loss was logged: " + ", ".join(
                f"{tag} is {value:g} throughout" for tag, value in material.placeholders[:LISTED_TAGS]
            )
            evidence = tuple(
                Evidence(f"{tag} has no other value than {value:g}", signal=tag, value=value)
                for tag, value in material.placeholders[:LISTED_TAGS]
            )
        elif material.points:
            listed = ", ".join(material.tags[:LISTED_TAGS]) + (" …" if len(material.tags) > LISTED_TAGS else "")
            summary = f"no loss among the tags of this log: {listed}"
            evidence = (Evidence(f"{len(material.tags)} tags, none of them a loss", value=len(material.tags)),)
        else:
            summary = "the log holds no scalar value"
            evidence = (Evidence("no scalar value in any file of the run", value=0.0),)
        return self.finding(Severity.INFO, 0.97, summary, evidence=evidence)


def _is_placeholder(loss: LossCurve) -> bool:
    values = loss.recorded.value
    return len(values) > 0 and float(values[0]) in PLACEHOLDERS and bool(np.all(values == values[0]))
