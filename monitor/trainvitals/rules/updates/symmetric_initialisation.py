"""UPD007: the units of a layer began alike, and stay so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.updates.wiring_record import FEWEST_RECORDS
from trainvitals.view import RunView

KIND = "unit_similarity"
NAMED_LAYERS = 20
WATCH_FULL = 'vitals = trainvitals.watch(model, optimizer, signals="full")'


@dataclass(frozen=True, slots=True, eq=False)
class Alikeness:
    """How alike the units of each layer are, 1 where they differ by their size only.

    Args:
        layers: ``[L]`` names, input side first; tags: ``[L]``.
        lowest: ``[L]`` of the first and last records of a layer; highest: ``[L]`` of all its records.
        first_step, last_step: of all records.
    """

    layers: tuple[str, ...]
    tags: tuple[str, ...]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    first_step: int
    last_step: int


class SymmetricInitialisation(Rule[Alikeness]):
    """The units of whole layers began alike, and stay so.

    What it finds
    -------------
    Layers whose units all have the same incoming weights from the first record to the last: a constant initialisation.

    Why it matters
    --------------
    Units with equal weights put out the same, get the same gradient, and make the same update: a layer of hundreds of
    units acts as one. The loss falls as far as one unit a layer can bring it, and looks like a limit of the data.

    How it is detected
    ------------------
    The mean absolute cosine between the weight vectors of two units of a layer. A layer is symmetric where this is at
    least `smallest_similarity` in its first three records and its last three. A warning needs two such layers, because
    units stay alike only where what follows treats them alike too; one is an information.

    False alarms
    ------------
    An output layer alone is left out: one of two classes that began at zero has two opposite rows for ever, which is
    fine. Layers of few inputs are alike by chance, but not to so many
    digits.

    What to try
    -----------
    Random weights, such as those that PyTorch gives a layer by itself.

    Sources
    -------
    Goodfellow, Bengio and Courville 2016, Deep Learning, section 8.4: initial weights must break the symmetry between
    units.
    """

    code = "UPD007"
    name = "symmetric-initialisation"
    summary = "The units of whole layers began alike, and stay so."
    reads = (f"per_layer.{KIND}",)
    thresholds = (
        Threshold(
            "smallest_similarity",
            0.999,
            "Units that began alike stay so to the precision of the numbers; independent ones of n inputs have about "
            "sqrt(2 / (pi n)), and pairs in two dimensions come this close once in 35.",
            "arithmetic: 2 acos(0.999) / pi",
        ),
        Threshold(
            "fewest_layers",
            2.0,
            "Units of one layer stay alike only where the next layer treats them alike, which then is of one kind too.",
            "the gradient of a unit is a sum over its outgoing weights",
        ),
    )
    absorbs = (
        *("plateau", "not-learning", "underfitting", "poor-initialisation", "vanishing-gradients"),
        *("representation-collapse", "saturated-activations", "dead-units"),
    )
    interventions = ("better-initialisation", "check-wiring")

    def measure(self, view: RunView) -> Alikeness | NotEnough:
        found = view.layers(KIND)
        if found is None:
            return NotEnough((f"{KIND} of each layer",), WATCH_FULL)
        value = np.where(np.isfinite(found.value), found.value, np.nan)
        tags = view.signals.per_layer[KIND].tags
        enough = [index for index in range(len(found.layers)) if np.isfinite(value[:, index]).sum() >= FEWEST_RECORDS]
        if not enough:
            return NotEnough()
        return Alikeness(
            layers=tuple(found.layers[index] for index in enough),
            tags=tuple(tags[index] for index in enough),
            lowest=np.array([_lowest_at_the_ends(value[:, index]) for index in enough]),
            highest=np.nanmax(value[:, enough], axis=0),
            first_step=int(found.step[0]),
            last_step=int(found.step[-1]),
        )

    def judge(self, measurement: Alikeness, limits: Mapping[str, float]) -> list[Finding]:
        alike = np.flatnonzero(measurement.lowest >= limits["smallest_similarity"])
        if not len(alike) or bool(alike[0] == len(measurement.layers) - 1):
            return []
        several = len(alike) >= limits["fewest_layers"]
        names = tuple(measurement.layers[index] for index in alike[:NAMED_LAYERS])
        span = f"in {names[0]} … {measurement.layers[alike[-1]]}" if several else f"in {names[0]}"
        lowest = float(measurement.lowest[alike].min())
        return [
            self.finding(
                Severity.WARNING if several else Severity.INFO,
                0.97 if several else 0.6,
                f"all units of a layer have the same weights {span}, since the start",
                first_step=measurement.first_step,
                last_step=measurement.last_step,
                layers=names,
                evidence=(
                    Evidence(
                        f"the mean cosine between their units is {lowest:.5f} or more, at first and at the end",
                        signal=measurement.tags[alike[0]],
                        value=lowest,
                        threshold=limits["smallest_similarity"],
                        step=measurement.first_step,
                    ),
                    Evidence(
                        f"so it is in {len(alike)} of {len(measurement.layers)} layers",
                        value=float(len(alike)),
                        threshold=limits["fewest_layers"],
                    ),
                ),
            )
        ]

    def rule_out(self, measurement: Alikeness, limits: Mapping[str, float]) -> Evidence | None:
        index = int(np.argmax(measurement.highest))
        highest = float(measurement.highest[index])
        if highest >= limits["smallest_similarity"]:
            return None
        text = f"the units of every layer differ: their mean cosine is at most {highest:.2f}"
        return Evidence(text, signal=measurement.tags[index], value=highest, threshold=limits["smallest_similarity"])


def _lowest_at_the_ends(value: NDArray[np.float64]) -> float:
    known = value[~np.isnan(value)]
    return float(min(known[:FEWEST_RECORDS].min(), known[-FEWEST_RECORDS:].min()))
