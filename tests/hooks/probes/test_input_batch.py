"""What is said of the input is true of the batch that was fed, whatever form it comes in."""

from __future__ import annotations

import zlib

import pytest
import torch
from tests.hooks.training import network, recorded, watching
from torch import nn

from trainvitals_hooks.probes import input_batch
from trainvitals_hooks.probes.input_batch import first_input

pytestmark = pytest.mark.torch


class Takes(nn.Module):
    """Any input in, a number out that depends on a parameter."""

    def __init__(self, pick=lambda *args, **kwargs: args[0]):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.pick = pick

    def forward(self, *args, **kwargs):
        return self.pick(*args, **kwargs).double().mean() * self.weight


def fed(folder, calls, model=None, **settings):
    """Train one step for each of the calls: positional arguments, or keyword arguments in a dict."""
    model = model or Takes(lambda *args, **kwargs: torch.ones(1))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with watching(model, optimizer, folder, signals=["input_batch"], **{"every": 1, **settings}):
        for call in calls:
            output = model(**call) if isinstance(call, dict) else model(*call)
            output.sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    return {tag.removeprefix("input/"): values for tag, values in recorded(folder).items() if tag.startswith("input/")}


def test_a_small_batch_is_described_exactly(tmp_path):
    batches = [torch.randn(16, 12) * (step + 1) + step for step in range(4)]
    found = fed(tmp_path, [(batch,) for batch in batches])
    for step, batch in enumerate(batches):
        values = batch.double()
        assert found["mean"][step] == pytest.approx(values.mean().item(), rel=1e-5)
        assert found["std"][step] == pytest.approx(values.std(correction=0).item(), rel=1e-5)
        assert found["abs_max"][step] == pytest.approx(values.abs().max().item(), rel=1e-6)


@pytest.mark.parametrize("largest", [-9.0, 9.0])
def test_the_largest_absolute_value_may_be_below_zero(tmp_path, largest):
    batch = torch.zeros(4, 3)
    batch[2, 1] = largest
    assert fed(tmp_path, [(batch,)])["abs_max"] == {0: 9.0}


@pytest.mark.parametrize(
    "arrange",
    [
        lambda batch: batch,
        lambda batch: batch.to(memory_format=torch.channels_last),
        lambda batch: batch[:, :, 2:-2, 2:-2],
        lambda batch: batch.flip(0)[::2],
        lambda batch: batch.transpose(0, 1),
        lambda batch: batch.bfloat16(),
        lambda batch: batch.double(),
        lambda batch: batch.expand(3, *batch.shape),
    ],
)
def test_a_large_batch_is_described_well_in_every_layout(tmp_path, arrange):
    original = torch.randn(12, 64, 40, 40) * 3 + 5
    batch = arrange(original)
    found = fed(tmp_path, [(batch,), (arrange(original.clone()),)])
    assert found["mean"][0] == pytest.approx(5, abs=0.3)
    assert found["std"][0] == pytest.approx(3, rel=0.1)
    assert 8 < found["abs_max"][0] <= batch.abs().max().item()
    assert found["seen_before_fraction"][1] == 1


def test_many_examples_are_sampled(tmp_path):
    batch = torch.randn(5000, 300) + 5
    found = fed(tmp_path, [(batch,), (batch,)])
    assert found["mean"][0] == pytest.approx(5, abs=0.1)
    assert found["seen_before_fraction"] == {0: 0, 1: 1}


def test_a_repeated_batch_has_the_same_checksum_and_no_other_has(tmp_path):
    batches = [torch.randn(16, 700) for _ in range(5)]
    order = [0, 1, 2, 1, 3, 4, 0]
    changed = batches[4].clone()
    changed[7] += 1e-3
    found = fed(tmp_path, [(batches[number],) for number in order] + [(changed,)])["checksum"]
    same = {(a, b) for a in found for b in found if a < b and found[a] == found[b]}
    assert same == {(1, 3), (0, 6)}
    assert all(float(value).is_integer() and 0 <= value < 2**24 for value in found.values())


def test_examples_are_known_again_in_another_batch_and_in_a_smaller_one(tmp_path):
    data = torch.randn(40, 500)
    picks = [torch.arange(16), torch.arange(8, 24), torch.tensor([30, 3, 20, 35]), torch.arange(36, 40)]
    found = fed(tmp_path, [(data[pick],) for pick in picks])["seen_before_fraction"]
    assert found == {0: 0.0, 1: 0.5, 2: 0.5, 3: 0.0}


def test_only_recorded_batches_are_remembered(tmp_path):
    data = [torch.randn(8, 5) for _ in range(3)]
    order = [0, 1, 2, 1, 0]
    found = fed(tmp_path, [(data[number],) for number in order], every=2)["seen_before_fraction"]
    assert found == {0: 0, 2: 0, 4: 1}


def test_token_ids_have_no_mean_but_are_known_again(tmp_path):
    ids = torch.randint(0, 50_000, (4, 129))
    model = nn.Sequential(nn.Embedding(50_000, 2), nn.Flatten(), nn.Linear(256, 1))
    found = fed(tmp_path, [(ids[:, :-1],), (ids[:, 1:],), (ids[:, :-1].clone(),)], model)
    assert set(found) == {"checksum", "seen_before_fraction"}
    assert found["seen_before_fraction"] == {0: 0, 1: 0, 2: 1}
    assert found["checksum"][0] == found["checksum"][2] != found["checksum"][1]


def test_a_few_ids_are_no_example(tmp_path):
    users = torch.randint(0, 5, (64,))
    found = fed(tmp_path, [(users,), (users,)])
    assert set(found) == {"checksum"}


def test_the_input_is_found_among_many_arguments():
    ids, mask, features = torch.ones(2, 3, dtype=torch.long), torch.ones(2, 3), torch.zeros(2, 5)
    cases = [
        (((ids, features), {}), features),
        (((), {"attention_mask": mask, "input_ids": ids}), ids),
        (((), {"batch": {"mask": mask, "deep": [None, "text", (features,)]}}), features),
        (((torch.ones(2, dtype=torch.bool),), {"x": ids}), ids),
        (((), {"items": torch.tensor(64.0), "input_ids": ids}), ids),
        ((("text",), {"n": 3}), None),
        (((torch.zeros(0, 4), torch.ones(2, 2).to_sparse()), {"x": features}), features),
        (((torch.ones(2, dtype=torch.complex64),), {}), None),
    ]
    for (args, kwargs), expected in cases:
        assert first_input(args, kwargs) is expected


def test_keyword_arguments_are_seen(tmp_path):
    found = fed(tmp_path, [{"x": torch.full((4, 2), 3.0)}], Takes(lambda x: x))
    assert found["mean"] == {0: 3.0}


def test_odd_shapes_do_no_harm(tmp_path):
    calls = [torch.tensor(2.0), torch.tensor([1.0, 3.0]), torch.ones(3, 1, 1), torch.ones(2, 3, 4), torch.ones(1, 5000)]
    found = fed(tmp_path, [(call,) for call in calls])
    assert found["mean"] == {1: 2, 2: 1, 3: 1, 4: 1}


def test_nan_in_the_input_shows(tmp_path):
    batch = torch.ones(4, 3)
    batch[1, 1] = torch.nan
    found = fed(tmp_path, [(batch,)])
    assert found["mean"][0] != found["mean"][0]


def test_the_first_of_several_micro_batches_counts_and_no_validation(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=1, signals=["input_batch"]):
        for step in range(2):
            model.eval()
            model(torch.full((4, 12), -5.0))
            model.train()
            for micro in range(3):
                model(torch.full((4, 12), 10.0 * step + micro)).sum().backward()
            optimizer.step()
    assert recorded(tmp_path)["input/mean"] == {0: 0.0, 1: 10.0}


def test_a_pass_without_gradients_is_no_training_even_in_training_mode(tmp_path):
    """Many a loop validates under ``no_grad`` alone."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=1, signals=["input_batch"]):
        for step in range(2):
            with torch.no_grad():
                model(torch.full((4, 12), -5.0))
            model(torch.full((4, 12), 10.0 * step)).sum().backward()
            optimizer.step()
    assert recorded(tmp_path)["input/mean"] == {0: 0.0, 1: 10.0}


@pytest.mark.parametrize("every", [1, 2])
def test_a_model_that_is_entered_through_a_child_is_heard_there(tmp_path, every):
    class Lightning(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused, self.body, self.head = nn.Linear(1, 1), nn.Linear(3, 4), nn.Linear(4, 1)

        def training_step(self, x):
            return self.head(self.body(x))

    model = Lightning()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=every, signals=["input_batch"]):
        for step in range(3):
            assert sum(bool(each._forward_pre_hooks) for each in model.modules()) <= (4 if step == 0 else 1)
            model.training_step(torch.full((2, 3), float(step))).sum().backward()
            optimizer.step()
    assert recorded(tmp_path)["input/mean"] == {step: float(step) for step in range(0, 3, every)}


def test_what_is_seen_is_what_a_set_remembers_and_takes_no_more_room(monkeypatch):
    monkeypatch.setattr(input_batch, "REMEMBERED", 1000)
    seen, known, wrong = input_batch._Seen(), [], 0
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        rows = torch.randint(0, 3000, (40,), generator=generator).tolist()
        content = b"".join(row.to_bytes(4, "little") for row in rows)
        found = seen.share(content, len(rows))
        # Remembered are at least the last thousand examples, and nothing that never came.
        at_least = sum(row in known[-1000:] for row in set(rows)) / len(set(rows))
        at_most = sum(row in known for row in set(rows)) / len(set(rows))
        wrong += not at_least - 1e-9 <= found <= at_most + 1e-9
        known += rows
        assert len(seen._newer) + len(seen._older) <= 2 * 1040
    assert wrong == 0


def test_the_checksum_is_the_same_in_another_process_too(tmp_path):
    batch = torch.arange(24).reshape(4, 6).float()
    found = fed(tmp_path, [(batch,)])["checksum"][0]
    assert found == zlib.crc32(batch.numpy().tobytes()) % 2**24
