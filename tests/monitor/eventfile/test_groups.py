"""Side by side or one by one: the same rows, in the same order, with the same problems."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.monitor.eventfile.event_records import (
    WALL_TIME,
    event,
    framed,
    histogram,
    record,
    scalar,
    session_start,
    tensor,
    tensor_proto,
    version,
    write,
)

from trainvitals.eventfile import EventFileReader, groups, lanes, reader

TAGS = ["a", "b", "cc", "loss/train", "loss/valid", "x" * 8, "y" * 9, "é", "t" * 130, "u" * 300]


def everything(path):
    reader_ = EventFileReader(path)
    columns = reader_.poll()
    histograms = {
        tag: (series.step.tolist(), series.wall_time.tolist(), series.norm.tolist(), series.quantiles.tolist())
        for tag, series in columns.histogram_series().items()
    }
    return (
        [columns.tags[code] for code in columns.tag_code],
        columns.step.tolist(),
        columns.wall_time.tobytes(),
        # NaN payloads carry nothing.
        np.where(np.isnan(columns.value), 1e300, columns.value.astype(np.float64)).tolist(),
        columns.value.dtype,
        columns.session_starts,
        columns.texts,
        columns.file_version,
        columns.histograms.offset.tolist(),
        columns.histograms.row.tolist(),
        histograms,
        reader_.problems,
        reader_.offset,
        reader_.first_wall_time,
    )


def a_log(rng):
    """Cycles of scalars in one of several encodings, now and then something else, seldom damage."""
    tags = rng.choice(TAGS, rng.integers(1, 6)).tolist()
    style = int(rng.integers(5))
    step = int(rng.choice([-3, 0, 100, 16_300, 2_097_000]))
    records = [version()]
    for cycle in range(int(rng.choice([2, 8, 40]))):
        step += int(rng.choice([0, 1, 1, 1, 5]))
        records += [a_record(rng, style, tag, tags, step, cycle) for tag in tags]
    data = bytearray(b"".join(records))
    for _ in range(int(rng.choice([0, 0, 1, 3]))):
        at = int(rng.integers(len(data)))
        damage = int(rng.integers(4))
        if damage == 0:
            data[at] ^= int(rng.integers(1, 256))
        elif damage == 1:
            data[at : at + 100] = bytes(100)
        elif damage == 2:
            del data[at : at + int(rng.integers(1, 200))]
        else:
            data[at:at] = rng.bytes(50)
    return bytes(data) + bytes(int(rng.choice([0, 0, 40])))


def a_record(rng, style, tag, tags, step, cycle):
    value = float(rng.choice([rng.normal(), 0.0, np.nan, 3e38]))
    wall_time = WALL_TIME + cycle if rng.random() < 0.97 else np.nan
    unusual = rng.random()
    if unusual < 0.04:
        return record(session_start(step))
    if unusual < 0.08:
        return record(event(step, histogram("h", rng.normal(size=5), np.linspace(-9, 9, rng.integers(3, 9)))))
    if unusual < 0.1:
        return record(event(step, tensor("note", tensor_proto(7, string_val=[b"hello"]), "text")))
    if unusual < 0.12:
        return record(event(step, tensor("whole", tensor_proto(9, int64_val=[2**40 + 1]), "scalars")))
    if unusual < 0.14:
        return framed(event(step, scalar(tag, value)).SerializeToString() + b"\xf8\x07\x01")
    if unusual < 0.15:
        return framed(event(step, scalar("ab", value)).SerializeToString().replace(b"ab", b"\xff\xfe"))
    plugin = [None, "scalars", "text"][int(rng.choice(3, p=[0.45, 0.45, 0.1]))]
    made = [
        lambda: [scalar(tag, value)],
        lambda: [tensor(tag, tensor_proto(1, float_val=[value]), plugin)],
        lambda: [tensor(tag, tensor_proto(2, tensor_content=np.float64(value).tobytes()), "scalars")],
        lambda: [scalar(each, value + place) for place, each in enumerate(tags)],
        lambda: [tensor(each, tensor_proto(2, double_val=[value + place]), plugin) for place, each in enumerate(tags)],
    ][style]()
    return record(event(step, *made, wall_time=wall_time))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), few=st.sampled_from([1, 3, 8]), window=st.sampled_from([300, 5000, 1 << 20]))
def test_side_by_side_equals_one_by_one(tmp_path, seed, few, window):
    path = write(tmp_path / "f", a_log(np.random.default_rng(seed)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_SMALL_WINDOW", 1 << 40)
        expected = everything(path)
        patch.setattr(reader, "_SMALL_WINDOW", 0)
        patch.setattr(reader, "WINDOW_SIZE", window)
        patch.setattr(groups, "_FEW", few)
        patch.setattr(lanes, "_SAMPLE", 4)
        patch.setattr(lanes, "_RECORDS_A_LANE", 2)
        assert everything(path) == expected


def test_thousands_of_tags_of_one_length_get_their_own_codes(tmp_path, side_by_side):
    tags = [f"tag{number:05d}" for number in range(3000)]
    records = [record(event(step, scalar(tag, number))) for step in range(2) for number, tag in enumerate(tags)]
    columns = EventFileReader(write(tmp_path / "f", *records)).poll()
    assert [columns.tags[code] for code in columns.tag_code] == tags * 2
    assert columns.value.tolist() == list(range(3000)) * 2


def test_templates_do_not_fill_the_memory(tmp_path, side_by_side, monkeypatch):
    monkeypatch.setattr(groups, "_TEMPLATE_MEMORY", 50_000)
    wide = [[scalar(f"{kind}/{number}", number) for number in range(40 + kind)] for kind in range(20)]
    records = [record(event(step, *values)) for step in range(3) for values in wide]
    columns = EventFileReader(write(tmp_path / "f", *records)).poll()
    assert len(columns) == 3 * sum(map(len, wide))
    assert columns.value.tolist() == [value.simple_value for values in wide for value in values] * 3
