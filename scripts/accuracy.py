"""Make ``docs/accuracy.md`` from the verdicts that the exam kept: ``python scripts/accuracy.py``.

With ``--check`` nothing changes, and the exit status is 1 if the page is out of date. Judges nothing: the verdicts are
those that ``python -m benchmarks.exam --keep`` wrote down, and ``python benchmarks/real_logs.py --keep``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.exam import bars, calibration, reasons, report, results  # noqa: E402
from benchmarks.exam.calibration import Claim  # noqa: E402
from benchmarks.exam.faults import FAULTS  # noqa: E402
from benchmarks.exam.marks import HELD_OUT_LABELS, Marked  # noqa: E402

PAGE = ROOT / "docs" / "accuracy.md"
REAL_LOGS = ROOT / "benchmarks" / "real_logs.json"

INTRODUCTION = """\
<!-- Made by scripts/accuracy.py from what the exam kept: run `python -m benchmarks.exam --again --keep`, then it. -->

# How often it is right

Two exams, with every miss and every false alarm by name. Each rate is `k of n` with a 95 % interval, wider where runs
of one task resemble each other.

## The exam

`python -m benchmarks.exam` trains {runs} small networks on two cores in about half an hour (`--quick`: one run of each
fault and twin, and of every second control) and judges them: {faults} faults with exactly one injected cause, each
beside the same training without it (the clean twin), and {controls} healthy controls that were chosen to tempt. Each is
recorded twice: through the hooks (*watched*, `signals="full"`, every tenth step) and as a table of loss, validation
loss and learning rate (*plain*).
What a careful person could know from each log is declared for each fault, with a reason, in
`benchmarks/exam/faults_of_*.py`; that was done before any rule was tuned. {held_out} faults and four of the trainings
were held out: rules were tuned on the others only. They stand apart below. A finding counts from a warning on.
"""

PEERS = """\
### Beside others

The same logs, each program at its defaults; what it calls information does not count, as with ours. runmedic 0.1.1,
trainproof 0.22.0 and losslint 0.4.1 read the plain log. The rules of SageMaker Debugger and of AutoTrainer were written
down again from their published thresholds (`benchmarks/exam/published_rules.py`) and read the watched log. torchmortem
0.1.1 was hooked into the same trainings, one seed of each fault and of each twin, no controls. A name of theirs counts
as any of ours that it may mean. F1 is of each fault that can be known in that log, and a false claim is an alarm of one
of the fault's names on a healthy run, or of one of its causes on a run of another fault.
"""

HELD_OUT = """\
### Development and held out

Nobody looked at a held-out curve, and no number was fitted to one. Verdicts on some were seen all the same, and rules
changed afterwards: on `no_warm_up`, `clipping_saturated`, `output_drifts`, `inputs_not_normalised`,
`same_batches_again` and `validation_shifted`, and on `exploding_gradients` in its held-out training. These are not
blind any more.

The exam itself was mended on the way: gradients that did not explode, units that a normalisation kept alive, leaks that
filled what an earlier training had left free. A note counts for `noise_dominates`, `capacity_too_small` and
`label_noise`, which no log alone tells from a noise floor.
"""

CALIBRATION = """\
### What a confidence is worth

A claim is one thing that is said to be so: an open warning, or a cause that is not ruled out. On a run with an injected
fault a warning is right if the fault declares that name, a cause only if it is a declared cause; on a healthy run every
warning is wrong.
"""

REAL = """\
## Real logs

Runs of strangers from public repositories, labelled by eye before any detector existed
([benchmarks/README.md](../benchmarks/README.md#real-logs) says how they are scored and what each miss is). The rules
were built with them in sight.
"""


def page(marked: list[Marked]) -> Iterator[str]:
    """The lines of the page."""
    ours = [mark for mark in marked if mark.judge == mark.sees]
    cases = {mark.case.name: mark.case for mark in ours}.values()
    yield INTRODUCTION.format(
        runs=len(cases),
        faults=len({case.fault.name for case in cases if case.fault}),
        controls=len({case.task for case in cases if case.kind == "control"}),
        held_out=sum(fault.held_out for fault in FAULTS.values()),
    )
    yield from bars.table(marked)
    yield f"\n{HELD_OUT}"
    yield from report.apart(ours)
    yield f"\n{PEERS}"
    yield from report.summary(marked)
    yield f"\n{CALIBRATION}"
    yield from _calibration(ours)
    yield "\n### Fault by fault\n"
    yield from report.by_fault(marked)
    yield "\n### Misses, and what would have caught them\n"
    yield from reasons.table(ours)
    yield "\n### False alarms\n"
    yield from list(report.false_alarms(ours)) or ["None."]
    yield f"\n{REAL}"
    yield from json.loads(REAL_LOGS.read_text())


def _calibration(ours: list[Marked]) -> Iterator[str]:
    for what, claims in (("Warnings", _warnings), ("Causes", _causes)):
        for held_out, label in HELD_OUT_LABELS.items():
            # Healthy runs are held against both: a false alarm is one wherever it is.
            of_label = [mark for mark in ours if mark.case.fault is None or mark.case.held_out is held_out]
            yield f"**{what}, {label}**\n"
            yield from calibration.table([claim for mark in of_label for claim in claims(mark)])
            yield ""


def _warnings(mark: Marked) -> Iterator[Claim]:
    for name, confidence in mark.looks["1.0"]["sure"].items():
        yield Claim(confidence, name in mark.accepted, mark.case.task)


def _causes(mark: Marked) -> Iterator[Claim]:
    declared = mark.case.fault.causes if mark.case.fault else ()
    for name, confidence in mark.looks["1.0"]["causes_sure"]:
        yield Claim(confidence, name in declared, mark.case.task)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail if the page is out of date")
    check = parser.parse_args().check
    text = "\n".join(page(results.load())).rstrip() + "\n"
    if not check:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.relative_to(ROOT)} is out of date: run python scripts/accuracy.py")


if __name__ == "__main__":
    main()
