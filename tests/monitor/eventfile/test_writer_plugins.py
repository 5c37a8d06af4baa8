"""Histograms, texts and settings as TensorBoard's plugins show them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.compat.proto import tensor_pb2, tensor_shape_pb2, types_pb2
from tests.monitor.eventfile.written_events import accumulated, events_of

from trainvitals.eventfile.writer import EventFileWriter


def test_histograms_come_back(tmp_path):
    sample = np.random.default_rng(0).normal(size=500)
    counts, edges = np.histogram(sample, bins=20)
    with EventFileWriter(tmp_path) as writer:
        writer.write_histogram(
            12,
            "weights",
            minimum=sample.min(),
            maximum=sample.max(),
            count=len(sample),
            total=sample.sum(),
            sum_of_squares=sample @ sample,
            bucket_limits=edges[1:],
            bucket_counts=counts,
        )
    (event,) = accumulated(tmp_path).Histograms("weights")
    histogram = event.histogram_value
    assert (event.step, histogram.min, histogram.max, histogram.num) == (12, sample.min(), sample.max(), 500)
    assert (histogram.sum, histogram.sum_squares) == (sample.sum(), sample @ sample)
    assert list(histogram.bucket_limit) == edges[1:].tolist()
    assert list(histogram.bucket) == counts.tolist()


@pytest.mark.parametrize(("limits", "counts"), [([], []), ([1.0], []), ([1.0, 2.0], [1.0]), ([[1.0]], [[1.0]])])
def test_a_histogram_whose_buckets_do_not_pair_up_is_refused(tmp_path, limits, counts):
    with EventFileWriter(tmp_path) as writer, pytest.raises(ValueError, match="must pair up"):
        writer.write_histogram(
            0,
            "h",
            minimum=0,
            maximum=1,
            count=1,
            total=1,
            sum_of_squares=1,
            bucket_limits=limits,
            bucket_counts=counts,
        )


def provider_of(path: Path) -> MultiplexerDataProvider:
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(path)).Reload()
    return MultiplexerDataProvider(multiplexer, str(path))


@pytest.mark.filterwarnings("ignore:html5lib's sanitizer is deprecated:DeprecationWarning")
def test_tensorboards_text_plugin_shows_the_text(tmp_path):
    from tensorboard import context
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.text.text_plugin import TextPlugin

    with EventFileWriter(tmp_path) as writer:
        writer.write_text(3, "note", "**bold** \u2713")
        writer.write_text(4, "note", "")
    plugin = TextPlugin(base_plugin.TBContext(data_provider=provider_of(tmp_path)))
    request = context.RequestContext()
    assert plugin.index_impl(request, "") == {".": ["note"]}
    shown = plugin.text_impl(request, ".", "note", "", enable_markdown=True)
    assert [(entry["step"], entry["text"]) for entry in shown] == [(3, "<p><strong>bold</strong> \u2713</p>"), (4, "")]


def test_tensorboards_hparams_plugin_shows_the_settings(tmp_path):
    from google.protobuf import json_format
    from tensorboard import context
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, list_session_groups
    from tensorboard.plugins.hparams.backend_context import Context

    settings_written = {"rate": 1e-3, "layers": 12, "fused": True, "name": "a \u00e9", "numpy": np.float32(0.5)}
    odd = {"off": np.bool_(False), "huge": 10**400, "none": None, "list": [1, 2]}
    with EventFileWriter(tmp_path / "run") as writer:
        writer.write_hyper_parameters(settings_written | odd)  # type: ignore[arg-type]
        writer.write_scalars(1, {"loss": 0.25})
    backend = Context(base_plugin.TBContext(data_provider=provider_of(tmp_path)))
    request = context.RequestContext()
    content = backend.hparams_metadata(request, "")
    hyper = backend.hparams_from_data_provider(request, "", limit=None)
    experiment = backend.experiment_from_metadata(
        request, "", include_metrics=True, hparams_run_to_tag_to_content=content, data_provider_hparams=hyper
    )
    wanted = api_pb2.ListSessionGroupsRequest(
        slice_size=10, allowed_statuses=[api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_RUNNING], include_metrics=True
    )
    wanted.col_params.extend(
        [api_pb2.ColParams(hparam=info.name) for info in experiment.hparam_infos]
        + [api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos]
    )
    (group,) = list_session_groups.Handler(request, backend, "", wanted).run().session_groups
    shown = {name: json_format.MessageToDict(value) for name, value in group.hparams.items()}
    assert shown == {
        "rate": 1e-3,
        "layers": 12.0,
        "fused": True,
        "name": "a \u00e9",
        "numpy": 0.5,
        "off": False,
        "huge": str(10**400),
        "none": "None",
        "list": "[1, 2]",
    }
    assert [(metric.name.tag, metric.value) for metric in group.metric_values] == [("loss", 0.25)]


def test_hparams_and_text_are_canonical_tensors(tmp_path):
    with EventFileWriter(tmp_path) as writer:
        writer.write_text(0, "note", "abc")
        writer.write_hyper_parameters({})
        text, hyper = (event.summary.value[0].tensor for event in events_of(writer.path)[1:])
    no_dimensions = tensor_shape_pb2.TensorShapeProto()
    expected = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_shape=no_dimensions, string_val=[b"abc"])
    assert text == expected
    assert hyper.dtype == types_pb2.DT_FLOAT
    assert [dimension.size for dimension in hyper.tensor_shape.dim] == [0]
