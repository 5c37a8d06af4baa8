"""The logs that the event-file benchmark reads, made with TensorBoard's own protobuf classes.

python benchmarks/eventfile_logs.py KIND FOLDER SIZE      KIND: many, wide, mixed
"""

from __future__ import annotations

import struct
import sys
import time
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING

START_TIME_S = 1.7e9
MANY_TAGS = [
    f"{group}/{name}"
    for group in ("train", "val", "grad_norm", "lr")
    for name in ("loss", "acc", "encoder.layer0", "decoder.block.12.mlp", "head")
]
KINDS = ("grad_norm", "weight_norm", "act_mean", "act_std", "update_ratio")


def wide_tags(count: int) -> list[str]:
    """Names as a monitor of every layer logs them, 42 bytes on average for 3000 of them."""
    return [f"{KINDS[n % 5]}/model.layers.{n // 25}.mlp.proj{n // 5 % 5}.weight" for n in range(count)]


def masked_crc(data: bytes) -> int:
    """CRC-32C in C, as records store it; written again here so that no log depends on the code under test."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def append(file: BinaryIO, event: Event) -> None:
    """Write one record."""
    data = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    file.write(b"".join((length, struct.pack("<I", masked_crc(length)), data, struct.pack("<I", masked_crc(data)))))


def make_many(file: BinaryIO, steps: int) -> int:
    """One event a scalar, 20 tags, byte for byte what ``SummaryWriter.add_scalar`` writes."""
    values = np.random.default_rng(1).normal(size=(steps, len(MANY_TAGS))).astype(np.float32)
    for step, row in enumerate(values.tolist()):
        for tag, value in zip(MANY_TAGS, row, strict=True):
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            append(file, Event(summary=summary, wall_time=START_TIME_S + step * 0.25, step=step))
    return values.size


def make_wide(file: BinaryIO, steps: int) -> int:
    """One event a step with the scalars of 3000 tags."""
    tags = wide_tags(3000)
    values = np.random.default_rng(2).normal(size=(steps, len(tags))).astype(np.float32)
    for step, row in enumerate(values.tolist()):
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=v) for tag, v in zip(tags, row, strict=True)])
        append(file, Event(summary=summary, wall_time=START_TIME_S + step, step=step))
    return values.size


def make_mixed(file: BinaryIO, steps: int) -> int:
    """20 scalars a step, of which two are tensors; every 20th ten histograms, every 200th an image and a text."""
    random = np.random.default_rng(3)
    limits = _tensorflow_bucket_limits()
    for step in range(steps):
        wall_time = START_TIME_S + step
        row = random.normal(size=20).astype(np.float32)
        for column, value in enumerate(row.tolist()):
            append(file, Event(summary=Summary(value=[_scalar(column, value)]), wall_time=wall_time, step=step))
        if step % 20 == 0:
            for column in range(10):
                histogram = _histogram(random.normal(size=1000), limits)
                value = Summary.Value(tag=f"histogram/{column}", histo=histogram)
                append(file, Event(summary=Summary(value=[value]), wall_time=wall_time, step=step))
        if step % 200 == 0:
            picture = Summary.Image(height=128, width=128, colorspace=3, encoded_image_string=random.bytes(49_152))
            for value in (Summary.Value(tag="image", image=picture), _text("x" * 200)):
                append(file, Event(summary=Summary(value=[value]), wall_time=wall_time, step=step))
    return steps * 20


def _scalar(column: int, value: float) -> Summary.Value:
    tag = f"metric/{column}"
    if column == 18:
        return Summary.Value(
            tag=tag, tensor=TensorProto(dtype=DT_FLOAT, float_val=[value]), metadata=_plugin("scalars")
        )
    if column == 19:
        content = struct.pack("<f", value)
        tensor = TensorProto(dtype=DT_FLOAT, tensor_content=content)
        return Summary.Value(tag=tag, tensor=tensor, metadata=_plugin("scalars"))
    return Summary.Value(tag=tag, simple_value=value)


def _text(characters: str) -> Summary.Value:
    tensor = TensorProto(dtype=DT_STRING, string_val=[characters.encode()])
    return Summary.Value(tag="note", tensor=tensor, metadata=_plugin("text"))


def _plugin(name: str) -> SummaryMetadata:
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=name))


def _histogram(sample: np.ndarray, limits: np.ndarray) -> HistogramProto:
    """Empty buckets are cut off at both ends, but for one at the start: as torch does it."""
    counts, _ = np.histogram(sample, bins=limits)
    occupied = np.flatnonzero(counts)
    first, last = int(occupied[0]), int(occupied[-1]) + 1
    return HistogramProto(
        min=sample.min(),
        max=sample.max(),
        num=len(sample),
        sum=sample.sum(),
        sum_squares=sample @ sample,
        bucket_limit=limits[first : last + 1],
        bucket=[0, *counts[first:last].tolist()],
    )


def _tensorflow_bucket_limits() -> np.ndarray:
    """The default bins of ``add_histogram``: steps of 10 % from 1e-12 to 1e20 on both sides of zero."""
    positive = 1e-12 * 1.1 ** np.arange(np.ceil(np.log(1e32) / np.log(1.1)))
    return np.concatenate([-positive[::-1], [0.0], positive])


MAKERS = {"many": make_many, "wide": make_wide, "mixed": make_mixed}


def make(kind: str, folder: Path, steps: int) -> tuple[Path, int]:
    """Write one log; returns its path and how many scalars it holds."""
    folder.mkdir(parents=True)
    path = folder / f"events.out.tfevents.{int(START_TIME_S)}.host.1.0"
    with path.open("wb", buffering=1 << 20) as file:
        append(file, Event(wall_time=time.time(), file_version="brain.Event:2"))
        return path, MAKERS[kind](file, steps)


if __name__ == "__main__":
    made, scalars = make(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    print(f'{{"path": "{made}", "scalars": {scalars}}}')
