"""UPD006: weight decay takes away more than the gradients put there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.updates.outcome import Outcome, outcome_of
from trainvitals.rules.updates.sizes import decay_per_step, update_sizes
from trainvitals.view import RunView

CERTAIN_SIZE = 0.1


@dataclass(frozen=True, slots=True)
class Decay:
    """How strong the decay is, and what it has left.

    Args:
        memory_steps: 1 / (rate x decay) at the peak of the rate, momentum taken in.
        share: of the run that it is.
        size: norm of the median weight matrix over its first one, at the end.
        layers: below that limit at the end. tag: of the first matrix' norm.
        loss: what became of it; None with too few points. first_step: of the records.
    """

    memory_steps: float
    share: float
    size: float
    layers: tuple[str, ...]
    tag: str
    loss: Outcome | None
    first_step: int


class WeightDecayDominates(Rule[Decay]):
    """Weight decay takes away more than the gradients put there.

    What it finds
    -------------
    A training whose weights shrink to a fraction of what they began with, under a decay that forgets them within a
    small part of the run, and whose loss stays high.

    Why it matters
    --------------
    Decay times learning rate is the share of every weight that goes in each step. Its inverse is how many steps
    a weight remembers. If that is a handful, the network is pulled to zero faster than any batch can push it away,
    and puts out the same for every input.

    How it is detected
    ------------------
    1 / (rate x decay), with the peak of the rate, and times 1 - momentum under SGD, is below `largest_memory` of the
    run. The norm of the median weight matrix has fallen below `largest_size` of its first one. And the loss has gained
    less than `smallest_gain` of its first level.

    False alarms
    ------------
    Strong decay alone is no finding: weights in equilibrium with it train well (Kosson et al. 2024), and grokking needs
    it; but then the training loss falls. A network that begins with weights far too large also shrinks, and
    learns. Adam with the decay inside of the gradient is not judged, because Adam divides it by the gradient's size.

    What to try
    -----------
    A decay that remembers a third of the run or more.

    Sources
    -------
    Wang and Aitchison 2024, "How to set AdamW's weight decay as you scale model and dataset size" (memory in epochs);
    Kosson et al. 2024, "Rotational equilibrium"; Loshchilov and Hutter 2019.
    """

    code = "UPD006"
    name = "weight-decay-dominates"
    summary = "Weight decay takes away more than the gradients put there."
    reads = ("per_layer.weight_norm", "per_layer.update_ratio", "learning_rate", "train_loss", "val_loss")
    thresholds = (
        Threshold(
            "largest_memory",
            0.1,
            "Of the run. Weights that remember a tenth of it are replaced ten times over.",
            "Wang and Aitchison 2024: longer memories are best",
        ),
        Threshold(
            "largest_size",
            0.3,
            "Of the first norm: decay has won where two thirds are gone.",
            "weights that train grow: those of the clean trainings of the exam end at 1.0 to 5",
        ),
        Threshold(
            "smallest_gain",
            0.5,
            "Of its first level. Most of a classification loss goes in a training that works; a language model, whose "
            "loss need not halve, keeps its weights.",
            "convention; the two limits above carry the verdict",
        ),
    )
    absorbs = (
        "plateau",
        "not-learning",
        "vanishing-gradients",
        "dead-units",
        "representation-collapse",
        "updates-too-large",
        "updates-too-small",
        "underfitting",
        "diverging-loss",
    )
    interventions = ("lower-weight-decay",)

    def measure(self, view: RunView) -> Decay | NotEnough:
        if not view.signals.supervised:
            return NotEnough()
        loss, sizes = outcome_of(view), update_sizes(view)
        growth = None if sizes is None else sizes.middle_growth
        if sizes is None or growth is None or sizes.growth is None:
            return NotEnough(("weight_norm of each layer",), logging_lines.WATCH)
        share = decay_per_step(view)
        known = np.flatnonzero(~np.isnan(growth))
        if share is None or not len(known):
            return NotEnough()
        small = np.flatnonzero(sizes.growth[known[-1]] < self.thresholds[1].default)
        return Decay(
            memory_steps=1.0 / share,
            share=1.0 / share / view.span_steps,
            size=float(growth[known[-1]]),
            layers=tuple(sizes.layers[index] for index in small),
            tag=sizes.tags[0].replace("update_ratio", "weight_norm"),
            loss=loss,
            first_step=int(sizes.step[0]),
        )

    def judge(self, measurement: Decay, limits: Mapping[str, float]) -> list[Finding]:
        loss = measurement.loss
        rules = measurement.share < limits["largest_memory"] and measurement.size < limits["largest_size"]
        if not rules or loss is None or loss.gained >= limits["smallest_gain"]:
            return []
        return [
            self.finding(
                Severity.WARNING,
                0.95 if measurement.size < CERTAIN_SIZE else 0.8,
                f"weight decay forgets the weights within {measurement.memory_steps:.3g} steps: they have shrunk to "
                f"{measurement.size:.2g} of what they were",
                first_step=measurement.first_step,
                last_step=loss.last_step,
                layers=measurement.layers,
                evidence=(
                    Evidence(
                        f"1 / (rate x decay) is {measurement.memory_steps:.3g} steps, {measurement.share:.2g} of the "
                        "run",
                        value=measurement.share,
                        threshold=limits["largest_memory"],
                    ),
                    Evidence(
                        f"the norm of the median weight matrix is {measurement.size:.2g} of its first one",
                        signal=measurement.tag,
                        value=measurement.size,
                        threshold=limits["largest_size"],
                        step=loss.last_step,
                    ),
                    loss.gain_against(limits["smallest_gain"]),
                ),
            )
        ]

    def rule_out(self, measurement: Decay, limits: Mapping[str, float]) -> Evidence | None:
        if measurement.share < limits["largest_memory"] or measurement.size < limits["largest_size"]:
            return None
        return Evidence(
            f"weight decay remembers {measurement.memory_steps:.3g} steps, and the weights keep "
            f"{measurement.size:.2g} of their norm",
            signal=measurement.tag,
            value=measurement.share,
            threshold=limits["largest_memory"],
        )
