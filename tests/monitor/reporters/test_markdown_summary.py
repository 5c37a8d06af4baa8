"""The text that TensorBoard shows of a diagnosis."""

from __future__ import annotations

from dataclasses import replace

from tests.monitor.reporters.diagnoses import HEALTHY, PLATEAU, SICK, SPIKES, UNDETERMINED

from trainvitals.reporters.live_lines import verdict
from trainvitals.reporters.markdown_summary import markdown_summary


def test_the_whole_summary_of_a_sick_run() -> None:
    resolved = replace(SPIKES, state="resolved")
    assert markdown_summary(SICK, [PLATEAU, resolved]).splitlines() == [
        "**sick: plateau since step 3,100 (very likely)** (step 12,400)",
        "",
        "- **warning** plateau since step 3,100 (very likely): train/loss has been flat at 2.31 for 9,300 steps, above "
        "where its own law was heading",
        "    - why: vanishing-gradients: gradient reaching layer 0 is 2e-6 of the last layer's, since step 0",
        r"    - try: residual connections or pre-norm in encoder.\*",
        "- **resolved** loss-spikes since step 700 (likely): 3 spikes that recovered within 20 steps",
    ]


def test_what_a_log_says_is_text_and_no_markup() -> None:
    sly = replace(SPIKES, summary="`<script>`\n# [x](http://a) **b** \x1b[31m|")
    (item,) = markdown_summary(SICK, [sly]).splitlines()[2:]
    assert r"\`\<script\>\`\\n\# \[x\](http://a) \*\*b\*\* \\x1b\[31m\|" in item


def test_the_verdict_counts_what_it_does_not_name() -> None:
    assert verdict(SICK) == "sick: plateau since step 3,100 (very likely)"
    others = tuple(replace(PLATEAU, name=name) for name in ("overfitting", "diverging-loss"))
    assert verdict(replace(SICK, findings=(*SICK.findings, others[0]))).endswith(", and 1 more finding")
    assert verdict(replace(SICK, findings=(*SICK.findings, *others))).endswith(", and 2 more findings")
    accepted = replace(PLATEAU, state="accepted", accepted_because="known")
    assert verdict(replace(HEALTHY, findings=(accepted,))).endswith("; 1 accepted")


def test_the_verdict_of_a_run_that_is_well_or_cannot_be_judged() -> None:
    assert verdict(HEALTHY).startswith("healthy: progressing: next ")
    assert verdict(UNDETERMINED).startswith("cannot tell yet: ")
