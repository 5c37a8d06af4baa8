"""Why what could be known was not found, and what would have shown it: written by hand, for each fault and log."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.exam.marks import Marked
from benchmarks.exam.report import misses

HELD_OUT = "held out, so its curves were not looked at; "

REASONS: dict[tuple[str, str], str] = {
    (
        "capacity_too_small",
        "watched",
    ): "train and validation stand together, as at a noise floor: at most a note; a wider trial decides",
    ("clipping_saturated", "plain"): (
        "the loss falls a little, straight on, as in a fine-tuning with a short schedule; the share of "
        "clipped steps shows it"
    ),
    ("clipping_saturated", "watched"): "it is told as a note: the loss of this training still falls by its law",
    ("epsilon_dominates", "plain"): HELD_OUT + "the share of Adam's denominators that are mostly epsilon shows it",
    ("forgets", "plain"): (
        "in one seed the suite lost ground before its first validation and only 5 % after, within its "
        "noise; a validation before the first step shows it"
    ),
    ("forgets", "watched"): (
        "in one seed the suite lost ground before its first validation and only 5 % after, within its "
        "noise; a validation before the first step shows it"
    ),
    ("inputs_not_normalised", "plain"): HELD_OUT + "mean and spread of the input show it",
    ("label_noise", "watched"): HELD_OUT
    + "the exam logs no probe set; losses of single examples show labels that contradict the rest",
    ("no_warm_up", "plain"): (
        "what the first steps did is over before the first points of the log; the attention entropy or "
        "the size of the first updates shows it"
    ),
    ("no_warm_up", "watched"): HELD_OUT
    + "by its record the run looks healthy; records of each of the first fifty steps would show it",
    ("noise_dominates", "watched"): (
        "in one seed of three the loss is too noisy for the noise scale to be held against a loss at "
        "rest; gradient accumulation or a third of the rate for a while decides"
    ),
    ("one_layer_too_fast", "watched"): HELD_OUT
    + "update-to-weight ratios of that layer against those of the others ought to show it",
    ("output_drifts", "watched"): HELD_OUT
    + "log Z is recorded, and its drift on the language model stays below the limit",
    ("rate_too_high", "plain"): "the loss falls and ends near that of the clean twin; update-to-weight ratios show it",
    ("rate_too_high", "watched"): HELD_OUT
    + "records of each of the first fifty steps would show how far the first updates go",
    ("rate_too_low", "plain"): HELD_OUT + "a slow loss alone may be a hard task; update-to-weight ratios show it",
    ("same_batches_again", "plain"): HELD_OUT + "checksums of the batches show it",
    ("same_batches_again", "watched"): HELD_OUT + "repeated batches are a note where validation does not suffer",
    ("sorted_by_class", "plain"): (
        "in one seed the loss blows up first, and its swings settle only late in the few averages before the rate is "
        "cut; the loss of every step shows the period"
    ),
    ("targets_without_signal", "watched"): (
        "the loss still creeps by 2 % of itself when the schedule ends; training on true labels of one batch decides"
    ),
    ("updates_stop", "plain"): "24 noisy validations hide a small change; weight norms that do not move show it",
    ("validation_shifted", "plain"): HELD_OUT
    + "a constant gap may be regularisation; the epoch, or a validation on training data, decides",
    ("validation_shifted", "watched"): HELD_OUT
    + (
        "a gap from the first validation on is an information where the passes over the data are unknown;"
        " `vitals.log(epoch=...)` decides"
    ),
    ("vanishing_gradients", "plain"): HELD_OUT + "gradient norms by layer show it",
    ("weight_decay_dominates", "plain"): (
        "the loss does fall, to a level that only the clean twin shows to be bad; weight norms that shrink show it"
    ),
    ("weights_start_too_large", "plain"): HELD_OUT
    + (
        "the first points of a plain log come after the first steps have taken most of it back; the first"
        " loss against that of a uniform guess shows it, where the number of classes is known"
    ),
}
"""Fault and log to the reason; what is no longer missed is taken out, which a test sees to."""


def table(marked: list[Marked]) -> Iterator[str]:
    """Each fault that is missed anywhere: how often, what is said instead, and why."""
    of_pair: dict[tuple[str, str], list[Marked]] = {}
    for mark in misses(marked):
        assert mark.case.fault is not None
        of_pair.setdefault((mark.case.fault.name, mark.judge), []).append(mark)
    yield "| fault | log | missed | said instead | why, and what would show it |"
    yield "|---|---|---|---|---|"
    for (name, log), missed in sorted(of_pair.items()):
        runs = [mark for mark in marked if mark.judge == log and mark.case.fault and mark.case.fault.name == name]
        instead = sorted({said for mark in missed for said in (mark.alarms() or set(_note(mark)))})
        yield (
            f"| {name}{' (held out)' if missed[0].case.fault.held_out else ''} | {log} | {len(missed)} of {len(runs)} "
            f"({', '.join(sorted({mark.case.task for mark in missed}))}) | {', '.join(instead)} | "
            f"{REASONS[name, log]} |"
        )


def _note(mark: Marked) -> list[str]:
    notes = mark.looks["1.0"]["notes"]
    return [f"{note} (a note)" for note in notes] or [str(mark.looks["1.0"]["status"])]
