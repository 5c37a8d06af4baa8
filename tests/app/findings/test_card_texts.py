"""What stands on a card is what the report says, and text from a log stays text."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.monitor.reporters.diagnoses import PLATEAU, SPIKES

from trainvitals.model import WHY_UNKNOWN, Cause, Evidence
from trainvitals_app.findings import card_texts

HOSTILE = "[click](javascript:alert(1)) <img src=x onerror=alert(1)> `**b**` :material/home: $x$ | # \x1b[31m \u202e"
RULED_OUT = Cause("overfitting", 0.0, (), ("val follows train",))


def shown(markdown: str) -> str:
    """Without what is escaped, and without code: what Markdown could still obey."""
    return re.sub(r"(`+) .*? \1", "", re.sub(r"\\[^\w\s]", "", markdown))


def test_the_heading_says_how_bad_what_since_when_and_how_sure() -> None:
    heading = card_texts.heading(PLATEAU)
    for part in ("warning", "**plateau**", "since step 3,100", "very likely (90\xa0%)"):
        assert part in heading


def test_a_finding_without_a_step_has_no_since() -> None:
    assert "since" not in card_texts.heading(replace(PLATEAU, first_step=None))


def test_namesakes_get_keys_of_their_own() -> None:
    other = replace(SPIKES, confidence=0.5)
    assert card_texts.keyed([SPIKES, PLATEAU, other]) == {
        "loss-spikes": SPIKES,
        "plateau": PLATEAU,
        "loss-spikes-2": other,
    }


def test_why_is_the_likeliest_cause_with_what_speaks_for_and_against_it() -> None:
    why, against, decide = card_texts.why(PLATEAU)
    assert "vanishing-gradients" in why
    assert "very likely" in why
    assert "layer 0 is 2e" in why
    assert "the last four layers" in against
    assert "log each layer" in decide


def test_the_next_likely_cause_is_named_and_a_ruled_out_one_is_not() -> None:
    second = Cause("capacity-limit", 0.3, ("the model is small",))
    lines = card_texts.why(replace(PLATEAU, causes=(*PLATEAU.causes, second, RULED_OUT)))
    assert any("capacity-limit" in line for line in lines)
    assert not any("overfitting" in line for line in lines)


def test_a_finding_that_is_its_own_cause_shows_what_was_measured() -> None:
    lines = card_texts.why(replace(SPIKES, causes=(Cause("loss-spikes", 0.9, ("they are there",)),)))
    assert lines == ["largest 12 noise widths :gray[(limit 8)]"]


def test_an_unknown_cause_says_what_has_to_be_logged() -> None:
    unknown = Evidence(f"{WHY_UNKNOWN} from the loss alone; log update ratios")
    lines = card_texts.why(replace(PLATEAU, causes=(RULED_OUT,), evidence=(unknown,)))
    assert [line.replace("\\", "") for line in lines] == [
        "**Why** cannot be told from the loss alone; log update ratios"
    ]


def test_every_cause_is_listed_and_those_ruled_out_with_the_number_that_does_it() -> None:
    text = card_texts.causes(replace(PLATEAU, causes=(*PLATEAU.causes, RULED_OUT)))
    assert text.index("vanishing") < text.index("**Ruled out**") < text.index("overfitting: val follows train")


def test_the_evidence_has_value_limit_step_and_signal() -> None:
    row = card_texts.evidence_table(PLATEAU.evidence).splitlines()[2]
    assert [cell.strip() for cell in row.strip("|").split("|")][1:4] == ["0\\.0001", "0\\.0046", "12,400"]
    assert "train/loss" in row


def test_of_many_layers_the_first_and_the_last_are_named() -> None:
    names = tuple(f"layers.{i}" for i in range(5000))
    line = card_texts.layers(names)
    assert "layers.0" in line
    assert "layers.4999" in line
    assert "5,000 layers" in line
    assert len(line) < 100
    every = card_texts.layers(names, every=True)
    assert "layers.299" in every
    assert "4,700 more" in every
    assert "layers.300" not in every


def test_text_from_a_log_is_never_obeyed() -> None:
    evil = replace(
        PLATEAU,
        name=HOSTILE,
        summary=HOSTILE,
        layers=(HOSTILE,) * 9,
        consequences=(HOSTILE,),
        evidence=(Evidence(HOSTILE, HOSTILE, 1.0, 2.0, 3),),
        causes=(Cause(HOSTILE, 0.9, (HOSTILE,), (HOSTILE,), HOSTILE), replace(RULED_OUT, evidence_against=(HOSTILE,))),
        interventions=(replace(PLATEAU.interventions[0], expected=HOSTILE, risk=HOSTILE, source=HOSTILE, how=HOSTILE),),
    )
    advice = evil.interventions[0]
    told = [
        card_texts.heading(evil),
        *card_texts.why(evil),
        card_texts.causes(evil),
        card_texts.evidence_table(evil.evidence),
        *card_texts.expectation(advice),
        *card_texts.caution(advice),
    ]
    for markdown in told:
        left = shown(markdown)
        assert "](" not in left
        assert "<img" not in left
        assert ":material/home:" not in left
        assert "\x1b" not in markdown
        assert "\u202e" not in markdown
    assert "\x1b" not in card_texts.code(advice)
    cells = re.split(r"(?<!\\)\|", card_texts.evidence_table(evil.evidence).splitlines()[2].strip("|"))
    assert len(cells) == 5


def test_code_keeps_its_lines() -> None:
    advice = replace(PLATEAU.interventions[0], how="if x:\n    y = '\x00'\n")
    assert card_texts.code(advice) == "if x:\n    y = '\\x00'"
