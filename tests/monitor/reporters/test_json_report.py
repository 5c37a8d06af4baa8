"""The JSON document keeps its published shape."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import pytest
from tests.monitor.reporters.diagnoses import HEALTHY, PLATEAU, SICK, UNDETERMINED

from trainvitals.model import Evidence
from trainvitals.reporters.json_report import render_json, schema, to_document

# Written out once more on purpose: the shape is a promise to other programs, and a change of the schema file alone
# must not pass unnoticed.
FROZEN: dict[str, Any] = {
    "document": {"schema", "version", "runs"},
    "run": {
        *("id", "path", "name", "format", "first_step", "last_step", "points", "status", "signals", "progress"),
        *("findings", "root_causes", "not_assessed", "problems", "changes"),
    },
    "signals": {"train_loss", "val_loss", "learning_rate", "per_layer"},
    "progress": {
        *("signal", "verdict", "reason", "gain", "gain_low", "gain_high", "horizon_steps", "delta"),
        *("minimum_detectable_gain", "causes"),
    },
    "finding": {
        *("code", "name", "severity", "confidence", "likelihood", "first_step", "last_step", "layers", "summary"),
        *("state", "accepted_because", "consequences", "evidence", "causes", "interventions"),
    },
    "evidence": {"text", "signal", "value", "threshold", "step"},
    "cause": {"name", "confidence", "for", "against", "would_decide"},
    "intervention": {"name", "summary", "how", "expected", "risk", "verify", "source", "dialect", "basis", "undo"},
    "verify": {"signal", "direction", "size", "within_steps"},
    "not_assessed": {"code", "name", "missing", "how"},
    "problem": {"kind", "where", "text", "count"},
}


def test_the_keys_are_the_frozen_ones() -> None:
    document = to_document([SICK])
    run = document["runs"][0]
    finding = run["findings"][0]
    found = {
        "document": document,
        "run": run,
        "signals": run["signals"],
        "progress": run["progress"],
        "finding": finding,
        "evidence": finding["evidence"][0],
        "cause": finding["causes"][0],
        "intervention": finding["interventions"][0],
        "verify": finding["interventions"][0]["verify"],
        "not_assessed": run["not_assessed"][0],
        "problem": run["problems"][0],
    }
    assert {name: set(part) for name, part in found.items()} == FROZEN


def test_the_document_fits_the_schema_file() -> None:
    document = json.loads(render_json([SICK, HEALTHY, UNDETERMINED]))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(document, schema())


def test_the_schema_refuses_an_unknown_key() -> None:
    document = to_document([HEALTHY])
    document["runs"][0]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


@pytest.mark.parametrize(("value", "text"), [(np.nan, "NaN"), (np.inf, "Infinity"), (-np.inf, "-Infinity")])
def test_non_finite_numbers_are_strings(value: float, text: str) -> None:
    finding = replace(PLATEAU, evidence=(Evidence("value", "loss", np.float32(value)),))
    document = json.loads(render_json([replace(SICK, findings=(finding,))]), parse_constant=pytest.fail)
    assert document["runs"][0]["findings"][0]["evidence"][0]["value"] == text
    jsonschema.validate(document, schema())


def test_text_from_the_log_survives_unchanged_inside_json() -> None:
    hostile = 'a"b\x1b[31m\ud800\u202e</script>'
    document = json.loads(render_json([replace(HEALTHY, id=hostile)]))
    assert document["runs"][0]["id"] == hostile


def test_the_output_is_plain_ascii() -> None:
    assert render_json([replace(HEALTHY, name="größe\x1b")]).isascii()
