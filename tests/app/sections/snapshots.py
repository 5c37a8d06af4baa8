"""Runs as the Run page hands them to its sections."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from trainvitals import Run, diagnose, read_run
from trainvitals.model import Diagnosis
from trainvitals.signals import Signals, understand

SAMPLES = Path(__file__).parents[3] / "sample_logs"


@dataclass(frozen=True)
class Snapshot:
    run: Run
    signals: Signals
    diagnosis: Diagnosis | None
    version: int = 1


def snapshot(run: Run) -> Snapshot:
    return Snapshot(run, understand(run), diagnose(run))


@st.cache_resource
def sample(name: str) -> Snapshot:
    return snapshot(read_run(SAMPLES / name))


def chart_texts(at) -> list[str]:
    """What each chart on the page shows, in words."""
    return [chart.proto.alt for chart in at.get("plotly_chart")]


def words(at) -> str:
    """All that is written on the page."""
    return "\n".join(each.value for kind in (at.markdown, at.caption, at.info, at.code) for each in kind)
