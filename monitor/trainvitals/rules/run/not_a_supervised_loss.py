"""RUN004: the losses of this run do not say how well the model does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.rule import Rule
from trainvitals.view import RunView

LISTED_TAGS = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """Whether the losses are those of supervised learning, why not, and the tags that tell."""

    supervised: bool
    why_not: str
    tags: tuple[str, ...]


class NotASupervisedLoss(Rule[Kind]):
    """The losses belong to reinforcement learning or a game between networks, where a falling loss means nothing.

    What it finds
    -------------
    Runs whose losses are a means and not the end: policy and value losses, the two sides of a generative adversarial
    network.

    Why it matters
    --------------
    A policy loss wanders around zero and a value loss rises while the agent gets better. Rules for supervised losses
    would call a healthy run diverging, stuck or overfitted, so they stay silent here.

    How it is detected
    ------------------
    From the names of the tags: rewards, returns, policy, value, entropy, generator and discriminator losses.

    False alarms
    ------------
    A supervised run that logs a metric named "reward": name its loss with `--train-loss TAG`, and it is judged.

    What to try
    -----------
    Judge such a run by its reward, its success rate, or samples of what it generates.

    Sources
    -------
    Five of 35 public runs that we labelled are reinforcement learning. In one of them the value loss stays above 3000
    while the reward climbs from -19 to +12.
    """

    code = "RUN004"
    name = "not-a-supervised-loss"
    summary = "The losses of this run do not say how well the model does."
    reads = ("train_loss", "val_loss", "rewards")
    interventions = ("log-the-loss",)

    def measure(self, view: RunView) -> Kind:
        telling = (*view.signals.rewards, *(loss.tag for loss in view.losses))
        return Kind(view.signals.supervised, view.signals.why_not_supervised, telling)

    def judge(self, measurement: Kind, limits: Mapping[str, float]) -> list[Finding]:  # noqa: ARG002
        if measurement.supervised:
            return []
        why = measurement.why_not or "its tags are those of reinforcement learning"
        return [
            self.finding(
                Severity.INFO,
                0.95,
                f"the losses are not judged: {why}",
                evidence=tuple(Evidence(f"{tag} is recorded", signal=tag) for tag in measurement.tags[:LISTED_TAGS]),
            )
        ]
