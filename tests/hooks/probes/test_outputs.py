"""Log Z and row sums of the output, and the share of different tokens, against slow sums."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from tests.hooks.training import recorded, watching
from torch import nn

pytestmark = pytest.mark.torch

OURS = ("output/log_z", "output/row_sum", "input/distinct_token_fraction")


class Giving(nn.Module):
    """Gives out what it is made with, whatever goes in; its one weight is there to be trained."""

    def __init__(self, output):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.output = output

    def forward(self, *inputs, **named):
        return self.output


def first_record(output, folder, *inputs, **named):
    model = Giving(output)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, folder, signals=["outputs"]) as vitals:
        model(*inputs, **named)
        optimizer.step()
        vitals.log(loss=1.0)
    return {tag: values[0] for tag, values in recorded(folder).items() if tag in OURS}


def log_z(rows):
    """Of rows ``[N, C]``, one after the other."""
    return sum(math.log(sum(math.exp(value) for value in row)) for row in rows.double().tolist()) / len(rows)


def row_sum(rows):
    return sum(sum(row) for row in rows.double().tolist()) / len(rows)


@dataclass
class Result:
    loss: torch.Tensor
    logits: torch.Tensor


LOGITS = torch.randn(16, 10, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: x,
        lambda x: {"loss": torch.ones(()), "logits": x},
        lambda x: Result(torch.ones(()), x),
        lambda x: (torch.ones(()), x),
        lambda x: [x, torch.zeros(16, 4)],
        lambda x: x.reshape(4, 4, 10),
        lambda x: x.reshape(4, 4, 10).transpose(0, 1),
        lambda x: x.bfloat16().float(),
    ],
)
def test_logits_are_found_in_whatever_the_model_returns(tmp_path, wrap):
    found = first_record(wrap(LOGITS), tmp_path)
    assert found["output/log_z"] == pytest.approx(log_z(LOGITS), abs=0.003)
    assert found["output/row_sum"] == pytest.approx(row_sum(LOGITS), abs=0.003)


def test_the_classes_of_an_image_are_its_second_axis(tmp_path):
    logits = torch.randn(2, 5, 4, 4)
    rows = logits.permute(0, 2, 3, 1).reshape(-1, 5)
    found = first_record(logits, tmp_path)
    assert found["output/log_z"] == pytest.approx(log_z(rows), rel=1e-5)
    assert found["output/row_sum"] == pytest.approx(row_sum(rows), abs=1e-5)


def test_of_many_rows_a_sample_comes_close_to_all(tmp_path):
    logits = 2 * torch.randn(8, 200, 50)
    found = first_record(logits, tmp_path)
    per_row = logits.double().logsumexp(-1)
    # Four standard errors of the mean of 32 rows.
    assert found["output/log_z"] == pytest.approx(per_row.mean().item(), abs=4 * per_row.std().item() / math.sqrt(32))
    assert found["output/log_z"] != pytest.approx(per_row.mean().item(), abs=1e-9)


def test_a_softmax_before_the_loss_shows_as_rows_that_sum_to_one(tmp_path):
    assert first_record(LOGITS.softmax(-1), tmp_path)["output/row_sum"] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "output",
    [
        torch.zeros(16, 1),
        torch.zeros(16),
        torch.zeros(()),
        torch.zeros(16, 10, dtype=torch.long),
        torch.zeros(0, 10),
        {"hidden": LOGITS},
        {"logits": None},
        None,
        "text",
    ],
)
def test_what_cannot_be_logits_is_left_alone(tmp_path, output):
    assert first_record(output, tmp_path) == {}


def test_an_output_changed_in_place_by_the_loss_is_recorded_as_it_was(tmp_path):
    class Changed(Giving):
        def __call__(self, *inputs):
            return super().__call__(*inputs).mul_(0)

    logits = LOGITS.clone()
    model = Changed(logits)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, signals=["outputs"]):
        assert model().sum() == 0
        optimizer.step()
    assert recorded(tmp_path)["output/row_sum"][0] == pytest.approx(row_sum(LOGITS), abs=1e-5)


TOKENS = torch.randint(9, (3, 20), generator=torch.Generator().manual_seed(6))


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ([TOKENS], {}),
        ([TOKENS.int(), torch.zeros(3)], {}),
        ([{"attention_mask": torch.ones(3, 20), "input_ids": TOKENS}], {}),
        ([], {"attention_mask": torch.ones(3, 20), "input_ids": TOKENS}),
        ([], {"index": TOKENS}),
    ],
)
def test_token_diversity_is_the_share_of_different_tokens(tmp_path, inputs, named):
    found = first_record(LOGITS, tmp_path, *inputs, **named)
    assert found["input/distinct_token_fraction"] == pytest.approx(len(set(TOKENS.flatten().tolist())) / 60)


@pytest.mark.parametrize(
    "inputs",
    [
        [torch.randn(3, 20)],
        [torch.randn(3, 20), TOKENS],
        [TOKENS.bool()],
        [TOKENS.reshape(3, 4, 5).to(torch.uint8)],
        [TOKENS[0]],
        [],
        ["text"],
    ],
)
def test_other_inputs_are_no_tokens(tmp_path, inputs):
    assert "input/distinct_token_fraction" not in first_record(LOGITS, tmp_path, *inputs)


def test_equal_tokens_everywhere_are_one(tmp_path):
    found = first_record(LOGITS, tmp_path, torch.full((4, 25), 7))
    assert found["input/distinct_token_fraction"] == pytest.approx(0.01)


def test_the_first_of_several_runs_counts(tmp_path):
    class Growing(Giving):
        runs = 0

        def forward(self, *inputs):
            self.runs += 1
            return self.output * self.runs

    model = Growing(LOGITS)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, signals=["outputs"], every=1):
        for _ in range(2):
            model()
            model()
            optimizer.step()
    values = recorded(tmp_path)["output/row_sum"]
    assert values == pytest.approx({0: row_sum(LOGITS), 1: 3 * row_sum(LOGITS)}, abs=1e-4)


def test_a_pass_without_gradients_is_no_training(tmp_path):
    model = Giving(LOGITS)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, signals=["outputs"]) as vitals:
        with torch.no_grad():
            model.output = 7.0 * LOGITS
            model()
        model.output = LOGITS
        model()
        optimizer.step()
        vitals.log(loss=1.0)
    assert recorded(tmp_path)["output/log_z"][0] == pytest.approx(log_z(LOGITS), rel=1e-5)
