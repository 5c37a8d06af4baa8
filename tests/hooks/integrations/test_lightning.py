"""Lightning: what the callback records is what a loop of one's own would have told."""

from __future__ import annotations

import math
import signal

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from tests.hooks.training import CLASSES, FEATURES, network, recorded
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import trainvitals
from trainvitals_hooks.integrations.lightning import VitalsCallback

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SAMPLES, BATCH = 48, 8


class Classifier(lightning.LightningModule):
    """Remembers what its loss was and how long its gradient, as slowly and obviously as can be."""

    def __init__(self, *, lr=0.05, raise_at=None, error=RuntimeError, optimizer=torch.optim.SGD):
        super().__init__()
        self.net = network(dropout=0.2)
        self.lr, self.raise_at, self.error, self.optimizer = lr, raise_at, error, optimizer
        self.losses, self.norms = [], []

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        if len(self.losses) == self.raise_at:
            raise self.error("in the middle of it")
        x, y = batch
        loss = nn.functional.cross_entropy(self(x), y)
        self.losses.append(loss.item())
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        self.log("train/batch", float(batch_idx))
        self.log("epoch", 17.0)
        return {"loss": loss, "note": "x"}

    def on_before_optimizer_step(self, optimizer):
        gradients = [parameter.grad.double() for parameter in self.parameters() if parameter.grad is not None]
        self.norms.append(math.sqrt(sum(gradient.square().sum().item() for gradient in gradients)))

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        x, y = batch
        output = self(x)
        self.log("val_loss", nn.functional.cross_entropy(output, y))
        self.log("val/accuracy", (output.argmax(1) == y).float().mean())

    test_step = validation_step

    def predict_step(self, batch, batch_idx):
        return self(batch[0])

    def configure_optimizers(self):
        return self.optimizer(self.parameters(), self.lr)


def loader(seed=0, *, shuffle=False):
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(SAMPLES, FEATURES, generator=generator), torch.randint(CLASSES, (SAMPLES,), generator=generator)
    return DataLoader(TensorDataset(*data), batch_size=BATCH, shuffle=shuffle)


def trainer(*callbacks, **settings):
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    return lightning.Trainer(
        **{"max_epochs": 2, "accelerator": "cpu", **quiet, "callbacks": list(callbacks), **settings}
    )


def callback(folder, **settings):
    return VitalsCallback(folder, budget=math.inf, **settings, live=False)


def test_the_loss_of_every_step_the_epoch_and_the_samples_are_those_of_the_module(tmp_path):
    module = Classifier()
    trainer(callback(tmp_path, every=4)).fit(module, loader())
    found = recorded(tmp_path)
    assert found["train/loss"] == pytest.approx(dict(enumerate(module.losses)), rel=1e-6)
    assert found["progress/epoch"] == pytest.approx({step: (step + 1) / 6 for step in range(12)})
    assert found["progress/samples"] == {step: 8.0 * (step + 1) for step in range(12)}
    assert found["train/batch"] == {step: float(step % 6) for step in range(12)}
    assert sorted(found["train/grad_norm"]) == [0, 4, 8]
    assert "grad_norm/net.0.weight" in found
    assert "train/epoch" not in found


def test_accumulated_micro_batches_are_averaged_and_undivided(tmp_path):
    module = Classifier()
    trainer(callback(tmp_path, every=2), accumulate_grad_batches=4).fit(module, loader())
    # Six batches an epoch: the second step of each has two.
    groups = [module.losses[first:last] for first, last in ((0, 4), (4, 6), (6, 10), (10, 12))]
    expected = {step: sum(group) / len(group) for step, group in enumerate(groups)}
    assert recorded(tmp_path)["train/loss"] == pytest.approx(expected, rel=1e-6)


def test_the_norm_before_clipping_is_recorded_where_lightning_clips(tmp_path):
    module = Classifier()
    trainer(callback(tmp_path, every=3), gradient_clip_val=0.3).fit(module, loader())
    found = recorded(tmp_path)
    assert found["train/grad_norm_before_clipping"] == pytest.approx(
        {step: module.norms[step] for step in (0, 3, 6, 9)}, rel=1e-5
    )
    assert max(found["train/grad_norm"].values()) == pytest.approx(0.3, rel=1e-3)
    assert set(found["train/grad_clipped"].values()) <= {0.0, 1.0}


def test_validations_stand_at_the_step_they_followed_and_the_sanity_check_nowhere(tmp_path):
    module = Classifier()
    seen = []

    class Eavesdropper(lightning.Callback):
        def on_validation_end(self, trainer, pl_module):
            if not trainer.sanity_checking:
                seen.append(trainer.callback_metrics["val_loss"].item())

    trainer(callback(tmp_path), Eavesdropper(), val_check_interval=3).fit(module, loader(), loader(1))
    found = recorded(tmp_path)
    assert found["val/loss"] == pytest.approx(dict(zip((2, 5, 8, 11), seen, strict=True)), rel=1e-6)
    assert sorted(found["val/accuracy"]) == [2, 5, 8, 11]
    assert sorted(found["train/loss"]) == list(range(12))


@pytest.mark.parametrize(
    ("loaders", "suites"),
    [
        ([loader(1), loader(2)], ("loader0", "loader1")),
        ({"code": loader(1), "prose": loader(2)}, ("code", "prose")),
    ],
)
def test_each_validation_loader_is_a_suite(tmp_path, loaders, suites):
    trainer(callback(tmp_path)).fit(Classifier(), loader(), loaders)
    found = recorded(tmp_path)
    assert {tag for tag in found if tag.startswith("val/")} == {
        f"val/{suite}/{metric}" for suite in suites for metric in ("loss", "accuracy")
    }
    assert found[f"val/{suites[0]}/loss"] != found[f"val/{suites[1]}/loss"]


def test_testing_and_predicting_leave_nothing(tmp_path):
    watcher = callback(tmp_path)
    module, one = Classifier(), trainer(watcher)
    one.validate(module, loader(1), verbose=False)
    one.fit(module, loader())
    one.test(module, loader(2), verbose=False)
    one.predict(module, loader(2))
    found = recorded(tmp_path)
    assert sorted(found["train/loss"]) == list(range(12))
    assert not any(tag.startswith(("val/", "test")) for tag in found)


class Gan(lightning.LightningModule):
    def __init__(self, *, gives_loss):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.judge = nn.Linear(4, FEATURES), nn.Linear(FEATURES, 1)
        self.gives_loss = gives_loss
        self.told = {"generator_loss": [], "judge_loss": []}

    def training_step(self, batch, batch_idx):
        x, _ = batch
        of_generator, of_judge = self.optimizers()
        made = self.generator(torch.randn(len(x), 4))
        judge_loss = (self.judge(made.detach()) - self.judge(x)).mean().square()
        self.manual_backward(judge_loss)
        of_judge.step()
        of_judge.zero_grad()
        generator_loss = self.judge(made).square().mean()
        self.manual_backward(generator_loss)
        of_generator.step()
        of_generator.zero_grad()
        self.log_dict({"generator_loss": generator_loss, "judge_loss": judge_loss})
        self.told["generator_loss"].append(generator_loss.item())
        self.told["judge_loss"].append(judge_loss.item())
        return generator_loss if self.gives_loss else None

    def configure_optimizers(self):
        return torch.optim.Adam(self.generator.parameters(), 0.01), torch.optim.SGD(self.judge.parameters(), 0.02)


@pytest.mark.parametrize("gives_loss", [True, False])
def test_manual_optimization_of_two_optimizers_is_one_step_a_batch(tmp_path, gives_loss):
    module = Gan(gives_loss=gives_loss)
    trainer(callback(tmp_path, every=4)).fit(module, loader())
    found = recorded(tmp_path)
    for name, values in module.told.items():
        assert found[f"train/{name}"] == pytest.approx(dict(enumerate(values)), rel=1e-6)
    assert ("train/loss" in found) == gives_loss
    assert sorted(found["train/optimizer0/grad_norm"]) == [0, 4, 8]
    assert found["learning_rate/group1"][0] == pytest.approx(0.02)


def test_a_second_fit_of_the_same_trainer_goes_on_with_the_same_curve(tmp_path):
    module = Classifier()
    one = trainer(callback(tmp_path))
    one.fit(module, loader())
    one.fit_loop.max_epochs = 3
    one.fit(module, loader())
    assert recorded(tmp_path)["train/loss"] == pytest.approx(dict(enumerate(module.losses)), rel=1e-6)
    assert len(module.losses) == 18
    assert len(list(trainvitals.read_runs(tmp_path))) == 1


def test_another_trainer_is_another_run(tmp_path):
    watcher = callback(tmp_path)
    for _ in range(2):
        trainer(watcher).fit(Classifier(), loader())
    assert [len(run.series["train/loss"]) for run in trainvitals.read_runs(tmp_path)] == [12, 12]


def test_a_training_resumed_from_a_checkpoint_is_one_curve_and_the_checkpoint_is_marked(tmp_path):
    first = Classifier()
    saver = ModelCheckpoint(tmp_path / "saved", every_n_train_steps=4, save_top_k=-1)
    trainer(callback(tmp_path / "run"), saver, enable_checkpointing=True).fit(first, loader())
    (checkpoint,) = (tmp_path / "saved").glob("*step=8.ckpt")
    second = Classifier()
    trainer(callback(tmp_path / "elsewhere"), max_epochs=3).fit(second, loader(), ckpt_path=checkpoint)
    found = recorded(tmp_path / "run")
    expected = dict(enumerate(first.losses[:8] + second.losses))
    assert found["train/loss"] == pytest.approx(expected, rel=1e-6)
    assert len(expected) == 18
    assert found["progress/samples"][17] == 18 * 8
    assert not list((tmp_path / "elsewhere").glob("*"))
    events = b"".join(path.read_bytes() for path in (tmp_path / "run").glob("*tfevents*"))
    assert events.count(b"event/checkpoint") >= 3


def test_a_checkpoint_saved_by_hand_after_the_training_goes_on_too(tmp_path):
    first, second = Classifier(), Classifier()
    one = trainer(callback(tmp_path / "run"))
    one.fit(first, loader())
    one.save_checkpoint(tmp_path / "last.ckpt")
    trainer(callback(tmp_path / "other"), max_epochs=3).fit(second, loader(), ckpt_path=tmp_path / "last.ckpt")
    assert recorded(tmp_path / "run")["train/loss"] == pytest.approx(
        dict(enumerate(first.losses + second.losses)), rel=1e-6
    )


def test_a_checkpoint_of_a_training_that_nobody_watched_is_gone_on_from_at_its_step(tmp_path):
    first, second = Classifier(), Classifier()
    one = trainer()
    one.fit(first, loader())
    one.save_checkpoint(tmp_path / "last.ckpt")
    trainer(callback(tmp_path / "run"), max_epochs=3).fit(second, loader(), ckpt_path=tmp_path / "last.ckpt")
    assert recorded(tmp_path / "run")["train/loss"] == pytest.approx(dict(enumerate(second.losses, 12)), rel=1e-6)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_ends_the_record_and_takes_every_hook_off(tmp_path, error):
    module = Classifier(raise_at=5, error=error)
    watcher = callback(tmp_path, every=1)
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises((error, SystemExit)):
            trainer(watcher).fit(module, loader())
    finally:
        # Lightning leaves the process deaf to Ctrl-C.
        signal.signal(signal.SIGINT, before)
    assert recorded(tmp_path)["train/loss"] == pytest.approx(dict(enumerate(module.losses)), rel=1e-6)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert watcher._vitals is None


def test_lbfgs_and_its_closure_are_watched(tmp_path):
    module = Classifier(optimizer=torch.optim.LBFGS)
    trainer(callback(tmp_path, every=5)).fit(module, loader())
    found = recorded(tmp_path)
    assert sorted(found["train/loss"]) == list(range(12))
    assert sorted(found["update_ratio/net.0.weight"]) == [0, 5, 10]


def test_a_watched_fit_is_bit_for_bit_the_one_that_nobody_watches(tmp_path):
    def weights(*callbacks):
        lightning.seed_everything(3, verbose=False)
        module = Classifier()
        trainer(*callbacks, gradient_clip_val=0.5).fit(module, loader(shuffle=True), loader(1))
        return module.state_dict(), torch.get_rng_state()

    (alone, random_alone), (watched, random_watched) = weights(), weights(callback(tmp_path, every=1))
    assert [name for name in alone if not torch.equal(alone[name], watched[name])] == []
    assert torch.equal(random_alone, random_watched)


def test_an_error_in_the_callback_is_told_once_and_reaches_nobody(tmp_path, monkeypatch, capsys):
    def broken(*_):
        raise RuntimeError("no such batch")

    monkeypatch.setattr("trainvitals_hooks.integrations.lightning.samples_in", broken)
    module = Classifier()
    trainer(callback(tmp_path)).fit(module, loader())
    assert len(module.losses) == 12
    assert capsys.readouterr().err.count("no such batch") == 1


def test_a_wrong_setting_is_refused_where_it_is_written():
    with pytest.raises(TypeError, match="evry"):
        VitalsCallback(evry=3)
