"""SYS006: processes that should hold the same weights do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals import tags
from trainvitals.maths.tail import begin_of_tail
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.system.ranks import of_ranks
from trainvitals.view import RunView


@dataclass(frozen=True, slots=True)
class Checksums:
    """Checksums of the weights of all ranks.

    Args:
        ranks: how many. records: at which all told theirs. differing: the latest in a row at which they differ.
        first_step, last_step: of these, or of all. apart: ranks whose checksum is not that of most.
    """

    ranks: int
    records: int
    differing: int
    first_step: int
    last_step: int
    apart: tuple[str, ...]


class RankDesync(Rule[Checksums]):
    """The replicas of a model have drifted apart: their weights are no longer the same.

    What it finds
    -------------
    Data-parallel trainings whose ranks hold different weights, since when, and which ranks are apart from most.

    Why it matters
    --------------
    Replicas that are not equal average gradients of different models. The loss of rank 0 may look fine for long; the
    checkpoint holds one of several models, and no step can be repeated.

    How it is detected
    ------------------
    Our hooks record an exact checksum of the weights of each rank that should hold the same ones; sharded weights have
    none. It must be equal to the bit. A finding needs `fewest` records in a row, until the end, at which it is not.

    False alarms
    ------------
    Parts that are meant to differ, such as experts or personal layers. Methods that average the weights only now and
    then (local SGD) differ in between: ignore the rule there.

    What to try
    -----------
    Send the weights of rank 0 to all; look for a rank that skips an update, seeds a layer of its own, or changes
    weights outside the wrapped model.

    Sources
    -------
    PyTorch documentation, DistributedDataParallel: replicas start equal and get equal updates.
    """

    code = "SYS006"
    name = "rank-desync"
    summary = "Processes that should hold the same weights do not."
    reads = (tags.PARAMETER_CHECKSUM,)
    thresholds = (
        Threshold("fewest", 2, "Records in a row: one may have been read in the middle of an update.", "convention"),
    )
    interventions = ("broadcast-weights", "restore-checkpoint")

    def measure(self, view: RunView) -> Checksums | NotEnough:
        view.recorded(tags.PARAMETER_CHECKSUM)
        sums = of_ranks(view, tags.PARAMETER_CHECKSUM)
        if sums is None:
            return NotEnough()
        differ = np.any(sums.value != sums.value[:, :1], axis=1)
        begin = begin_of_tail(differ)
        values, counts = np.unique(sums.value[-1], return_counts=True)
        most = float(values[np.argmax(counts)]) if counts.max() > 1 else float(sums.value[-1, 0])
        return Checksums(
            ranks=len(sums.layers),
            records=len(sums),
            differing=0 if begin is None else len(sums) - begin,
            first_step=int(sums.step[0 if begin is None else begin]),
            last_step=int(sums.step[-1]),
            apart=tuple(name for name, value in zip(sums.layers, sums.value[-1], strict=True) if value != most),
        )

    def judge(self, measurement: Checksums, limits: Mapping[str, float]) -> list[Finding]:
        if measurement.differing < max(1, limits["fewest"]):
            return []
        return [
            self.finding(
                Severity.ERROR,
                0.97,
                f"{measurement.ranks} replicas do not hold the same weights: apart are {', '.join(measurement.apart)}",
                first_step=measurement.first_step,
                last_step=measurement.last_step,
                evidence=(
                    Evidence(
                        f"the checksums of the weights differ at the latest {measurement.differing:,} of "
                        f"{measurement.records:,} records",
                        signal=tags.PARAMETER_CHECKSUM,
                        value=measurement.differing,
                        threshold=limits["fewest"],
                        step=measurement.first_step,
                    ),
                ),
            )
        ]

    def rule_out(self, measurement: Checksums, limits: Mapping[str, float]) -> Evidence | None:  # noqa: ARG002
        if measurement.differing:
            return None
        text = f"all {measurement.ranks} replicas hold the same weights at the last of {measurement.records:,} records"
        return Evidence(text, signal=tags.PARAMETER_CHECKSUM)
