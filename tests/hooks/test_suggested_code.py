"""The plain PyTorch that is suggested runs on a small model as it stands."""

from __future__ import annotations

import copy
import math
import tracemalloc
import weakref
from contextlib import nullcontext

import pytest
import torch
from tests.monitor.interventions.suggesting import NAMES, finding, rich_view, short_view
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from trainvitals.interventions.registry import all_interventions

# Schedulers of torch warn each other of how they are called.
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore::UserWarning")]

WIDTH, CLASSES, EXAMPLES = 6, 3, 600


class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(WIDTH, WIDTH)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Tanh()) for _ in range(2))
        self.drop = nn.Dropout(0.0)
        self.last = nn.Linear(WIDTH, CLASSES)

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.last(self.drop(x))

    def no_sync(self):
        return nullcontext()


class Writer:
    def __init__(self):
        self.written = {}

    def add_scalar(self, tag, value, step):
        self.written[tag, step] = value


def surroundings(tmp_path):
    """What whoever pastes the code has at hand."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(EXAMPLES, WIDTH, generator=generator)
    labels = torch.randint(CLASSES, (EXAMPLES,), generator=generator)
    train_set = TensorDataset(features, labels)
    model = Blocks()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, y = features[:8], labels[:8]
    outputs = model(x)
    loss = nn.functional.cross_entropy(outputs, y)
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "checkpoint.pt")
    (tmp_path / "checkpoints").mkdir()
    for step in range(0, 10_000, 10):
        (tmp_path / "checkpoints" / f"step_{step}.pt").touch()
    return {
        "torch": torch,
        "model": model,
        "optimizer": optimizer,
        "train_set": train_set,
        "x": x,
        "y": y,
        "val_set": train_set,
        "val_loader": DataLoader(train_set, batch_size=16),
        "make_model": lambda width: Blocks(),
        "scheduler": torch.optim.lr_scheduler.ConstantLR(optimizer),
        "loader": DataLoader(train_set, batch_size=16, shuffle=True),
        "loss_fn": nn.functional.cross_entropy,
        "loss": loss,
        "outputs": outputs,
        "logits": outputs,
        "step": 0,
        "epochs": 1,
        "device": torch.device("cpu"),
        "width": WIDTH,
        "head_width": WIDTH,
        "best": math.inf,
        "waited": 0,
        "validation_loss": 1.0,
        "test_loss": 1.0,
        "total_loss": 0.0,
        "domain_of": ["math", "code"] * (EXAMPLES // 2),
        "more_data": train_set,
        "new_data": train_set,
        "old_data": train_set,
        "writer": Writer(),
        "output": outputs,
    }


def run(name, tmp_path, monkeypatch, **more):
    view = short_view() if name == "log-more-often" else rich_view()
    suggestion = all_interventions()[name].suggest(view, finding())
    assert suggestion is not None
    assert suggestion.dialect == "pytorch"
    place = surroundings(tmp_path) | more
    monkeypatch.chdir(tmp_path)
    exec(compile(suggestion.how, name, "exec"), place)
    return place


# What cannot run as it stands: it belongs into a class, or takes several processes or workers.
APART = {"normalise-queries-and-keys", "broadcast-weights", "check-slow-device", "pass-logits", "feed-data-faster"}
# Its outputs are a list to which tensors are appended.
APART |= {"release-memory"}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in APART])
def test_suggested_code_runs_and_the_model_still_trains(name, tmp_path, monkeypatch):
    place = run(name, tmp_path, monkeypatch)
    model, x, y = place["model"], place["x"], place["y"]
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    assert torch.isfinite(loss)
    loss.backward()
    optimizer.step()
    for parameter in model.parameters():
        assert torch.isfinite(parameter).all()
    assert all(math.isfinite(group["lr"]) and group["lr"] >= 0 for group in place["optimizer"].param_groups)


def test_lower_and_higher_rates_are_what_the_optimizer_has_then(tmp_path, monkeypatch):
    lowered = run("lower-learning-rate", tmp_path, monkeypatch)["optimizer"].param_groups[0]["lr"]
    (tmp_path / "again").mkdir()
    raised = run("raise-learning-rate", tmp_path / "again", monkeypatch)["optimizer"].param_groups[0]["lr"]
    assert raised == pytest.approx(10 * lowered, rel=0.01)


def test_a_schedule_that_is_extended_warms_up_and_comes_down(tmp_path, monkeypatch):
    place = run("extend-schedule", tmp_path, monkeypatch)
    rates = []
    for _ in range(2500):
        place["optimizer"].step()
        place["scheduler"].step()
        rates.append(place["optimizer"].param_groups[0]["lr"])
    assert max(rates) == pytest.approx(0.000317, rel=0.02)
    assert rates[0] < max(rates) / 2
    assert rates[-1] < 0.01 * max(rates)


def test_a_rate_that_is_annealed_ends_at_a_third(tmp_path, monkeypatch):
    place = run("anneal-learning-rate", tmp_path, monkeypatch)
    for _ in range(1000):
        place["optimizer"].step()
        place["scheduler"].step()
    assert place["optimizer"].param_groups[0]["lr"] == pytest.approx(0.3 * 0.0005, rel=0.01)


def test_a_batch_out_of_proportion_changes_nothing(tmp_path, monkeypatch):
    model = Blocks()
    before = copy.deepcopy(model.state_dict())
    x = torch.randn(8, WIDTH)
    loss = (1e6 * model(x)).square().sum()
    place = {"model": model, "optimizer": torch.optim.SGD(model.parameters(), 0.1), "loss": loss}
    run("skip-bad-batches", tmp_path, monkeypatch, **place)
    assert all(torch.equal(before[name], after) for name, after in model.state_dict().items())


def test_norms_are_put_behind_every_layer_but_the_last(tmp_path, monkeypatch):
    model = run("normalise-layers", tmp_path, monkeypatch)["model"]
    assert sum(isinstance(layer, nn.LayerNorm) for layer in model.modules()) == 3
    assert isinstance(model.last, nn.Linear)


def test_activations_that_get_stuck_are_replaced(tmp_path, monkeypatch):
    kinds = {type(layer) for layer in run("other-activation", tmp_path, monkeypatch)["model"].modules()}
    assert not kinds & {nn.ReLU, nn.Tanh}
    assert kinds >= {nn.LeakyReLU, nn.GELU}


def test_recycled_units_come_alive_and_the_output_stays(tmp_path, monkeypatch):
    recycle = run("recycle-units", tmp_path, monkeypatch)["recycle"]
    before, after = nn.Linear(4, 5), nn.Linear(5, 2)
    with torch.no_grad():
        before.bias[:2] = -100.0
    x = torch.randn(20, 4)
    dead = before(x).relu().amax(0) == 0
    output = after(before(x).relu())
    recycle(before, after, torch.optim.Adam([*before.parameters(), *after.parameters()]), dead)
    assert dead.sum() == 2
    assert (before(x).relu().amax(0) > 0).all()
    assert torch.allclose(output, after(before(x).relu()), atol=1e-6)


def test_clipped_queries_and_keys_bring_the_logit_to_the_limit(tmp_path, monkeypatch):
    clip = run("clip-queries-and-keys", tmp_path, monkeypatch)["clip_queries_and_keys"]
    query, key = torch.full((1,), 20.0), torch.full((1,), 20.0)
    clip(query, key, 400.0)
    assert float(query * key) == pytest.approx(100.0)


def test_the_average_follows_the_weights(tmp_path, monkeypatch):
    averaged = run("average-weights", tmp_path, monkeypatch)["averaged"]
    assert int(averaged.n_averaged) == 1


def test_a_softmax_leaves_the_model(tmp_path, monkeypatch):
    model = nn.Sequential(nn.Linear(WIDTH, CLASSES), nn.Softmax(-1))
    place = run("pass-logits", tmp_path, monkeypatch, model=model)
    assert len(place["model"]) == 1


def test_one_process_is_enough_to_try_what_is_for_several(tmp_path, monkeypatch):
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        for name in ("broadcast-weights", "check-slow-device"):
            (tmp_path / name).mkdir()
            run(name, tmp_path / name, monkeypatch)
    finally:
        dist.destroy_process_group()


def test_numbers_are_kept_and_tensors_are_not(tmp_path, monkeypatch):
    # A weak proxy whose object is gone raises whenever it is asked what it is, and any library may hold one.
    gone = weakref.proxy(nn.Identity())
    try:
        place = run("release-memory", tmp_path, monkeypatch, outputs=[], gone=gone)
    finally:
        tracemalloc.stop()
    assert place["total_loss"] == pytest.approx(place["loss"].item())
    assert not place["outputs"][0].requires_grad


def test_what_belongs_into_a_class_runs_there(tmp_path, monkeypatch):
    place = {"self": nn.Module(), "query": torch.ones(2, WIDTH), "key": torch.ones(2, WIDTH)}
    place = run("normalise-queries-and-keys", tmp_path, monkeypatch, **place)
    assert (place["query"] * place["key"]).sum(-1).max().item() <= WIDTH + 1e-4


class Ranges(Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        return torch.ones(WIDTH), index % CLASSES


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_loader_with_workers_gives_batches(tmp_path, monkeypatch):
    place = run("feed-data-faster", tmp_path, monkeypatch, train_set=Ranges())
    x, _ = next(iter(place["loader"]))
    assert len(x) == 16
