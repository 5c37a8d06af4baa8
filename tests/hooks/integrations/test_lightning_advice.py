"""What is suggested to who trains with Lightning: its Trainer's arguments exist, and its methods train."""

from __future__ import annotations

import types

import lightning
import pytest
import torch
from tests.hooks.integrations.suggested import suggested
from tests.hooks.training import CLASSES, FEATURES, network
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import trainvitals
from trainvitals.dialect import dialect_of
from trainvitals_hooks.integrations.lightning import VitalsCallback

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

HOW = suggested("lightning")
# What takes files of an earlier training, or is a piece of a loop of one's own.
APART = {"restore-checkpoint", "stop-and-keep-best", "empty-gradients"}
# Of a module that keeps its hyper-parameters.
APART |= {"larger-model"}
SAMPLES = 64


def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(SAMPLES, FEATURES, generator=generator)
    return TensorDataset(x, torch.randint(CLASSES, (SAMPLES,), generator=generator))


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = network(dropout=0.2)
        self.train_set = self.val_set = self.more_data = self.new_data = self.old_data = data()
        self.batch_size = 8
        self.domain_of = ["math", "code"] * (SAMPLES // 2)
        self.example_loss = torch.ones(SAMPLES)
        self.losses = []

    def forward(self, x):
        return self.net(x)

    def loss(self, outputs, y):
        return cross_entropy(outputs, y)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return self.loss(self(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_loss", self.loss(self(x), y))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-3)

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=self.batch_size)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=self.batch_size)


def executed(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    module = Module()
    trainer = lightning.Trainer(max_steps=3, logger=False, enable_checkpointing=False)
    names = {"torch": torch, "model": module, "trainer": trainer, "loader": module.train_dataloader()}
    names |= {"train_set": module.train_set, "val_set": module.val_set}
    exec(compile(HOW[name], name, "exec"), names)
    return names, module


@pytest.mark.parametrize("name", sorted(set(HOW) - APART))
def test_it_runs_and_a_training_with_it_ends_well(name, tmp_path, monkeypatch):
    names, module = executed(name, tmp_path, monkeypatch)
    for key, each in names.items():
        if isinstance(each, types.FunctionType) and each.__code__.co_varnames[:1] == ("self",):
            assert hasattr(lightning.LightningModule, key) or hasattr(Module, key), f"Lightning never calls {key}"
            monkeypatch.setattr(Module, key, each)
    trainer = names["trainer"]
    trainer.fit_loop.epoch_loop.max_steps = SAMPLES // 8
    trainer.fit(module)
    assert trainer.global_step > 0
    assert all(torch.isfinite(parameter).all() for parameter in module.parameters())


def test_the_norm_of_the_run_is_what_lightning_clips_at(tmp_path, monkeypatch):
    names, _ = executed("clip-gradients", tmp_path, monkeypatch)
    assert f"gradient_clip_val={names['trainer'].gradient_clip_val:.3g}" in HOW["clip-gradients"]


def test_a_batch_out_of_proportion_changes_nothing(tmp_path, monkeypatch):
    names, module = executed("skip-bad-batches", tmp_path, monkeypatch)
    names["self"] = module
    exec(HOW["skip-bad-batches"].replace("norm < ", "norm < 1e-9 * "), names)
    monkeypatch.setattr(Module, "on_before_optimizer_step", names["on_before_optimizer_step"])
    monkeypatch.setattr(
        Module, "configure_optimizers", lambda self: torch.optim.AdamW(self.parameters(), lr=0.1, weight_decay=0.0)
    )
    before = [each.detach().clone() for each in module.parameters()]
    lightning.Trainer(max_steps=3, logger=False, enable_checkpointing=False).fit(module)
    assert all(torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))


def test_a_watched_trainer_is_known_by_its_record(tmp_path):
    callback = VitalsCallback(tmp_path / "log", live=False)
    lightning.Trainer(max_steps=3, logger=False, enable_checkpointing=False, callbacks=[callback]).fit(Module())
    assert dialect_of(trainvitals.read_run(callback.folder)) == "lightning"
