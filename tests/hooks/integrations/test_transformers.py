"""The Trainer of Hugging Face: the callback records every step's loss, which the Trainer itself tells nobody."""

from __future__ import annotations

import math

import pytest
import torch
from tests.hooks.training import CLASSES, FEATURES, network, recorded
from torch import nn
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments
from transformers.modeling_outputs import SequenceClassifierOutput

import trainvitals
from trainvitals_hooks.integrations.transformers import VitalsCallback

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SAMPLES, BATCH = 48, 8
STEPS_AN_EPOCH = SAMPLES // BATCH


class Classifier(nn.Module):
    """Gives its loss as models of Hugging Face do."""

    def __init__(self, *, wrap=lambda loss, output: {"loss": loss, "logits": output}):
        super().__init__()
        self.net = network(dropout=0.2)
        self.wrap = wrap

    def forward(self, x, labels=None):
        output = self.net(x)
        loss = None if labels is None else nn.functional.cross_entropy(output, labels)
        return self.wrap(loss, output)


class Points(Dataset):
    def __init__(self, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(SAMPLES, FEATURES, generator=generator)
        self.y = torch.randint(CLASSES, (SAMPLES,), generator=generator)

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        return {"x": self.x[index], "labels": self.y[index]}


class Texts(Dataset):
    """Rows of unequal numbers of tokens that count, so that the means of micro-batches are not the mean of the step."""

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        tokens = torch.randint(20, (10,), generator=generator)
        labels = tokens.clone()
        labels[2 + index % 8 :] = -100
        return {"input_ids": tokens, "labels": labels}


class Remembering(Trainer):
    """Keeps what it trained on, the slow and obvious way."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.parts, self.norms = [], []

    def training_step(self, *arguments, **named):
        loss = super().training_step(*arguments, **named)
        self.parts.append(loss.item())
        return loss

    def _clip_grad_norm(self, model):
        norm = super()._clip_grad_norm(model)
        self.norms.append(float(norm))
        return norm

    def losses(self, micro_batches=1):
        return [sum(self.parts[first : first + micro_batches]) for first in range(0, len(self.parts), micro_batches)]


def arguments(folder, **settings):
    usual = {
        "num_train_epochs": 2,
        "per_device_train_batch_size": BATCH,
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "save_strategy": "no",
        "learning_rate": 0.01,
    }
    return TrainingArguments(output_dir=str(folder / "out"), **usual | settings)


def trained(folder, *, model=None, data=None, trainer=Remembering, callback=None, resume=None, every=4, **settings):
    made = trainer(
        model or Classifier(),
        arguments(folder, **settings),
        train_dataset=data or Points(),
        eval_dataset=Points(1),
        callbacks=[callback or VitalsCallback(folder / "run", every=every, budget=math.inf, live=False)],
    )
    made.train(resume_from_checkpoint=resume)
    return made


def test_the_loss_of_every_step_is_recorded_however_seldom_the_trainer_logs(tmp_path):
    trainer = trained(tmp_path, logging_steps=500)
    found = recorded(tmp_path / "run")
    assert found["train/loss"] == pytest.approx(dict(enumerate(trainer.losses())), rel=1e-6)
    assert len(trainer.losses()) == 12
    assert found["progress/epoch"] == pytest.approx({step: (step + 1) / STEPS_AN_EPOCH for step in range(12)})
    assert found["progress/samples"] == {step: 8.0 * (step + 1) for step in range(12)}
    assert sorted(found["train/grad_norm"]) == [0, 4, 8]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda loss, output: (loss, output) if loss is not None else (output,),
        lambda loss, output: SequenceClassifierOutput(loss=loss, logits=output),
    ],
)
def test_models_that_return_tuples_and_outputs_are_understood(tmp_path, wrap):
    trainer = trained(tmp_path, model=Classifier(wrap=wrap))
    assert recorded(tmp_path / "run")["train/loss"] == pytest.approx(dict(enumerate(trainer.losses())), rel=1e-6)


def test_accumulated_micro_batches_make_one_loss(tmp_path):
    trainer = trained(tmp_path, gradient_accumulation_steps=3)
    expected = dict(enumerate(trainer.losses(3)))
    assert len(expected) == 4
    assert recorded(tmp_path / "run")["train/loss"] == pytest.approx(expected, rel=1e-5)


def language_model():
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=20, n_positions=16, n_embd=16, n_layer=1, n_head=2))


def test_a_language_model_that_divides_by_the_tokens_of_the_whole_step_has_the_loss_of_the_step(tmp_path):
    trainer = trained(tmp_path, model=language_model(), data=Texts(), gradient_accumulation_steps=3)
    found = recorded(tmp_path / "run")
    assert found["train/loss"] == pytest.approx(dict(enumerate(trainer.losses(3))), rel=1e-5)
    assert found["progress/tokens"] == {step: 240.0 * (step + 1) for step in range(4)}


def test_a_non_finite_loss_that_the_trainer_filters_from_its_log_is_recorded(tmp_path):
    class Sick(Classifier):
        passes = 0

        def forward(self, x, labels=None):
            self.passes += 1
            return super().forward(x * math.nan if self.passes == 4 else x, labels)

    trainer = trained(tmp_path, model=Sick(), logging_steps=2)
    found = recorded(tmp_path / "run")["train/loss"]
    assert math.isnan(found[3])
    assert all(math.isfinite(line["loss"]) for line in trainer.state.log_history[:1] if "loss" in line)


def label_smoothing(folder):
    return trained(folder, model=language_model(), data=Texts(), logging_steps=3, label_smoothing_factor=0.2)


def another_loss(folder):
    class Tripled(Remembering):
        def compute_loss(self, *arguments, **named):
            return 3 * super().compute_loss(*arguments, **named)

    return trained(folder, logging_steps=3, trainer=Tripled)


@pytest.mark.parametrize(("train", "from_step"), [(label_smoothing, 0), (another_loss, 3)])
def test_a_loss_that_the_model_does_not_return_is_recorded_as_the_trainer_logs_it(tmp_path, capsys, train, from_step):
    trainer = train(tmp_path)
    logged = {line["step"] - 1: line["loss"] for line in trainer.state.log_history if "loss" in line}
    found = recorded(tmp_path / "run")["train/loss"]
    assert {step: value for step, value in found.items() if step >= from_step} == pytest.approx(
        {step: value for step, value in logged.items() if step >= from_step}, rel=1e-5
    )
    assert from_step == 0 or set(found) == {0, 1, 2, 5, 8, 11}
    assert capsys.readouterr().err.count("trains on another loss") == (from_step > 0)


def test_the_norm_before_clipping_is_recorded_where_the_trainer_logs_it(tmp_path):
    trainer = trained(tmp_path, logging_steps=4, max_grad_norm=0.2)
    found = recorded(tmp_path / "run")
    expected = {step: trainer.norms[step] for step in (3, 7, 11)}
    assert found["train/grad_norm_before_clipping"] == pytest.approx(expected, rel=1e-5)
    assert set(found["train/grad_clipped"].values()) == {1.0}
    assert max(found["train/grad_norm"].values()) == pytest.approx(0.2, rel=1e-3)


def test_evaluations_are_recorded_by_suite_and_without_their_clocks(tmp_path):
    trainer = Remembering(
        Classifier(),
        arguments(tmp_path, eval_strategy="steps", eval_steps=3),
        train_dataset=Points(),
        eval_dataset={"code": Points(1), "long_prose": Points(2)},
        compute_metrics=lambda prediction: {"accuracy": 0.25},
        callbacks=[VitalsCallback(tmp_path / "run", budget=math.inf, live=False)],
    )
    trainer.train()
    trainer.predict(Points(3))
    trainer.evaluate(Points(3))
    found = recorded(tmp_path / "run")
    told = {line["step"] - 1: line["eval_code_loss"] for line in trainer.state.log_history if "eval_code_loss" in line}
    assert found["val/code/loss"] == pytest.approx({step: told[step] for step in (2, 5, 8, 11)}, rel=1e-6)
    assert {tag for tag in found if tag.startswith("val/")} == {
        f"val/{suite}/{metric}" for suite in ("code", "long_prose") for metric in ("loss", "accuracy")
    }


def test_an_only_evaluation_set_is_the_unnamed_suite(tmp_path):
    trained(tmp_path, eval_strategy="epoch")
    assert sorted(recorded(tmp_path / "run")["val/loss"]) == [5, 11]


@pytest.mark.parametrize("restore", [True, False])
def test_a_training_resumed_from_a_checkpoint_is_one_curve(tmp_path, restore):
    settings = {"save_strategy": "steps", "save_steps": 5, "restore_callback_states_from_checkpoint": restore}
    first = trained(tmp_path, **settings)
    second = trained(
        tmp_path,
        callback=VitalsCallback(tmp_path / "elsewhere", budget=math.inf, live=False),
        resume=str(tmp_path / "out" / "checkpoint-5"),
        **settings,
    )
    found = recorded(tmp_path / "run")
    assert len(second.losses()) == 7
    expected = dict(enumerate(first.losses()[:5] + second.losses()))
    assert found["train/loss"] == pytest.approx(expected, rel=1e-6)
    assert found["progress/samples"][11] == 12 * 8
    assert not list((tmp_path / "elsewhere").glob("*tfevents*"))
    assert b"event/checkpoint" in b"".join(path.read_bytes() for path in (tmp_path / "run").glob("*tfevents*"))


def test_a_setting_that_no_checkpoint_can_hold_keeps_nobody_from_saving(tmp_path):
    callback = VitalsCallback(tmp_path / "run", on_record=lambda step, scalars: None, live=False)
    trained(tmp_path, callback=callback, save_strategy="steps", save_steps=5)
    assert (tmp_path / "out" / "checkpoint-5" / "trainer_state.json").exists()


def test_a_second_training_of_the_same_trainer_is_another_run_and_leaves_no_hook(tmp_path):
    trainer = trained(tmp_path)
    trainer.train()
    assert [len(run.series["train/loss"]) for run in trainvitals.read_runs(tmp_path / "run")] == [12, 12]
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in trainer.model.modules())


def test_a_training_that_raised_is_closed_by_the_next(tmp_path):
    class Interrupted(Remembering):
        def training_step(self, *arguments, **named):
            if len(self.parts) == 4:
                self.parts.append(0.0)
                raise KeyboardInterrupt
            return super().training_step(*arguments, **named)

    model = Classifier()
    callback = VitalsCallback(tmp_path / "run", every=1, budget=math.inf, live=False)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, model=model, trainer=Interrupted, callback=callback)
    trained(tmp_path, model=model, callback=callback)
    assert sorted(len(run.series["train/loss"]) for run in trainvitals.read_runs(tmp_path / "run")) == [4, 12]
    assert not any(part._forward_hooks for part in model.modules())


def test_a_watched_training_is_bit_for_bit_the_one_that_nobody_watches(tmp_path):
    def weights(callbacks):
        torch.manual_seed(3)
        model = Classifier()
        trainer = Trainer(model, arguments(tmp_path), train_dataset=Points(), callbacks=callbacks)
        trainer.train()
        return model.state_dict(), torch.get_rng_state()

    alone, random_alone = weights([])
    watched, random_watched = weights([VitalsCallback(tmp_path / "run", every=1, live=False)])
    assert [name for name in alone if not torch.equal(alone[name], watched[name])] == []
    assert torch.equal(random_alone, random_watched)


def test_an_error_in_the_callback_is_told_once_and_reaches_nobody(tmp_path, monkeypatch, capsys):
    def broken(*_):
        raise RuntimeError("no such batch")

    monkeypatch.setattr("trainvitals_hooks.integrations.output_loss.OutputLoss.take", broken)
    assert len(trained(tmp_path).losses()) == 12
    assert capsys.readouterr().err.count("no such batch") == 1


def test_a_wrong_setting_is_refused_where_it_is_written():
    with pytest.raises(TypeError, match="evry"):
        VitalsCallback(evry=3)
