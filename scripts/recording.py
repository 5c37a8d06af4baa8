"""Make ``docs/recording.md`` from the catalogue of tags, the probes and their costs: ``python scripts/recording.py``.

With ``--check`` nothing changes, and the exit status is 1 if the page is out of date. Needs torch, measures nothing:
the costs are those that ``benchmarks/probe_costs.py`` wrote down.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from trainvitals import tags
from trainvitals.naming.own import ROLES
from trainvitals.reads import OF_A_LAYER
from trainvitals.rules.registry import BUILT_IN, all_rules
from trainvitals_hooks.probes.probe import Probe
from trainvitals_hooks.probes.registry import SETS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "recording.md"
COSTS = ROOT / "benchmarks" / "probe_costs.json"

WITHOUT_PROBE = {
    tags.TRAIN_LOSS: "`vitals.log(loss=...)`",
    tags.EPOCH: "`vitals.log(epoch=...)`",
    tags.TOKENS: "`vitals.log(tokens=...)`",
    tags.SAMPLES: "`vitals.log(samples=...)`",
    tags.VALIDATION_LOSS: "`vitals.log_validation(loss=...)`",
    tags.GRADIENT_NORM_BEFORE_CLIPPING: "`vitals.clip_grad_norm_`",
    tags.CLIPPED: "`vitals.clip_grad_norm_`",
    tags.PROBE_SET_LOSS: "`vitals.probe_set`",
    "probe_set_example_loss": "`vitals.probe_set`",
    tags.STEP_TIME_S: "every record",
    tags.THROUGHPUT_PER_S: "every record, where `log` is told the samples",
    tags.TOKENS_PER_S: "every record, where `log` is told the tokens",
    tags.OVERHEAD_PERCENT: "every record",
    tags.EVERY: "when the budget changes it",
}
"""What the watcher itself writes, whatever the signals, and when."""

TEXTS = (
    ("`event/<kind>`", "a marker of your own, its details as JSON", "`vitals.event(kind, ...)`"),
    ("`event/recording_interval`", "how many steps lie between two records from here on", "when the budget changes it"),
    ("`event/wiring`", "names of what is wired wrongly, or no longer", "when it changes"),
    ("`event/probe_set`", "a probe set begins here, whatever it held before", "`vitals.probe_set`"),
    (f"`{tags.DIAGNOSIS}`", "the live diagnosis, for TensorBoard's text page", "when it changes, and at the end"),
)
"""Tags that hold no number, and none of a probe."""

LOGGED_BY_THE_LOOP = {"metrics": "any `vitals.log`", "rewards": "any `vitals.log`"}
UNMEASURED = "not measured"
"""Of probes that only several processes have, or that are newer than the last measurement."""
FOREIGN = "**foreign logs only**"

INTRODUCTION = """\
<!-- Made by scripts/recording.py: change the catalogue (monitor/trainvitals/tags.py) or a probe, and run it again. -->

# What is recorded

`trainvitals.watch(model, optimizer)` writes TensorBoard event files. The loss of every call of `log` is kept; every
tenth step (`every=10`) is a *record*, at which the probes of a set of signals measure: `light`, `standard` (the
default) or `full`, each of which has the one before in it. `signals=["light", "memory"]` picks sets and single probes
by name. `layers=["encoder"]` keeps tags of their own to the layers whose name holds one of these patterns.

What is of the second of several optimizers stands under `train/optimizer1/...`, what each process of a distributed
training measured under `system/rank1/...`, the loss of a domain of the data (`log(domain="web", loss=...)`) under
`train/web/loss`, what was counted of it under `train/web/tokens`. Whatever else is logged stands under its name:
`log(accuracy=...)` under `train/accuracy`, `log_validation("code", accuracy=...)` under `val/code/accuracy`.

The cost is that of one record: CPU time inside the probe in microseconds, on the MLP, the CNN and the GPT of
`benchmarks/hooks_models.py`, whose steps take about 27, 31 and 99 ms. With `every=10` a tenth of it falls on a step.
What writing takes beside the probes, and how the whole is measured:
[benchmarks/README.md](../benchmarks/README.md#watching).
"""


def main() -> None:
    """Write the page, or say that it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the page is out of date")
    check = parser.parse_args().check
    page = made()
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page:
        return
    if check:
        sys.exit("docs/recording.md is out of date: run scripts/recording.py")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")


def made() -> str:
    """The whole page."""
    parts = [INTRODUCTION, "## Whatever the signals\n", *table(("tag", "unit", "what it is", "written by"), always())]
    smaller, known = "", tuple[type[Probe], ...]()
    for name, probes in SETS.items():
        parts.append(f"\n## {name}{f': all of {smaller}, and' if smaller else ''}\n")
        new = [probe for probe in probes if probe not in known]
        parts += table(("tag", "unit", "what it is", "probe", "cost (us)"), measured(new))
        smaller, known = name, probes
    parts += ["\n## Texts\n", *table(("tag", "what it says", "written"), TEXTS)]
    parts += ["\n## What the rules read\n", *table(("rule", "reads", "recorded by"), needs())]
    return "\n".join(parts) + "\n"


def always() -> Iterator[Sequence[str]]:
    for tag, when in WITHOUT_PROBE.items():
        yield *described(tag), when


def measured(probes: Iterable[type[Probe]]) -> Iterator[Sequence[str]]:
    costs = json.loads(COSTS.read_text(encoding="utf-8"))["us_per_record"]
    for probe in probes:
        cost = " / ".join(str(us) for us in costs[probe.name].values()) if probe.name in costs else UNMEASURED
        for number, tag in enumerate(probe.writes):
            by = writers(tag)
            # A tag of several probes has one row, at the first of them.
            if by[0] == f"`{probe.name}`":
                yield *described(tag), " or ".join(by), cost if number == 0 else "same"


def needs() -> Iterator[Sequence[str]]:
    for rule in all_rules():
        if any(type(rule).__name__ == name for _, name in BUILT_IN):
            recorded = dict.fromkeys(by for read in rule.reads for by in sources(read) or [FOREIGN])
            yield f"`{rule.name}`", ", ".join(f"`{read}`" for read in rule.reads), "; ".join(recorded)


def sources(read: str) -> list[str]:
    """What records a signal that a rule reads; nothing for one that only the logs of others have."""
    if read in LOGGED_BY_THE_LOOP:
        return [LOGGED_BY_THE_LOOP[read]]
    return list(dict.fromkeys(by for tag in tags_of(read) for by in writers(tag)))


def tags_of(read: str) -> list[str]:
    """The tags of the catalogue behind what a rule reads."""
    if read in ("train_loss", "val_loss"):
        return [tags.TRAIN_LOSS if read == "train_loss" else tags.VALIDATION_LOSS]
    if read.startswith(OF_A_LAYER):
        return [read.removeprefix(OF_A_LAYER)]
    return [tag for tag, role in ROLES.items() if role == read] or [read]


def writers(tag: str) -> list[str]:
    """The probes that write a tag, or what else does."""
    probes = dict.fromkeys(probe for probes in SETS.values() for probe in probes if tag in probe.writes)
    return [f"`{probe.name}`" for probe in probes] + ([WITHOUT_PROBE[tag]] if tag in WITHOUT_PROBE else [])


def catalogue() -> tuple[str, ...]:
    return *tags.TAGS, *tags.PER_LAYER_KINDS


def described(tag: str) -> tuple[str, str, str]:
    recorded = tags.TAGS.get(tag) or tags.PER_LAYER_KINDS[tag]
    return f"`{shown(tag)}`", recorded.unit, recorded.meaning


def shown(tag: str) -> str:
    """A tag as it is written, with what differs from run to run in angle brackets."""
    if tag in tags.PER_LAYER_KINDS:
        return f"{tag}/<layer>" if tag != "probe_set_example_loss" else f"{tag}/<example>"
    return f"{tag}/group<N>" if tag in (tags.LEARNING_RATE, tags.WEIGHT_DECAY) else tag


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (heading, ["---"] * len(heading), *rows)]


if __name__ == "__main__":
    main()
