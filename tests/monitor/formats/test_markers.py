"""What a training marks on its way is read with the step it happened at."""

from __future__ import annotations

import pytest
from tests.monitor.formats.event_logs import files

from trainvitals.eventfile.writer import EventFileWriter
from trainvitals.formats.tensorboard import read_tensorboard
from trainvitals.model import Marker


@pytest.mark.usefixtures("clock")
def test_markers_are_in_the_order_of_their_steps_and_other_texts_are_none(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        writer.write_scalars(0, {"a": 1.0}, wall_time=1.0)
        writer.write_text(30, "event/intervention", '{"name": "lower-learning-rate", "rate": 0.1}')
        writer.write_text(10, "event/checkpoint", '{"path": "a.pt"}')
        writer.write_text(20, "event/note", "no JSON")
        writer.write_text(25, "event/list", "[1, 2]")
        writer.write_text(5, "note", "{}")
        path = writer.path
    assert read_tensorboard(files(path, path)).markers == (
        Marker(10, "checkpoint", {"path": "a.pt"}),
        Marker(20, "note"),
        Marker(25, "list"),
        Marker(30, "intervention", {"name": "lower-learning-rate", "rate": 0.1}),
    )
