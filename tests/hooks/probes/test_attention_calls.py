"""Functions of attention are replaced only while the watched model runs; whoever else meets them is not disturbed."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from tests.hooks.probes.attending import (
    ENTROPY,
    FUSED,
    LARGEST,
    SOFTMAX,
    Attending,
    Block,
    Eager,
    causal,
    check,
    check_functions_are_given_back,
    logits_of,
    one_step,
    qkv,
)
from tests.hooks.training import recorded, watching
from torch import nn
from torch.nn import functional
from torch.nn.attention import bias
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

from trainvitals_hooks.looking import attention_calls

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def _functions_are_given_back():
    yield
    check_functions_are_given_back()


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpointed_block_is_seen_once(tmp_path, reentrant, monkeypatch):
    sampled = []
    sample = attention_calls.caller_among
    monkeypatch.setattr(attention_calls, "caller_among", lambda *given: sampled.append(sample(*given)) or sampled[-1])

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Block()

        def forward(self, x):
            return checkpoint(self.block, x, use_reentrant=reentrant)

    model = Model()
    x = torch.randn(2, 4, 8, requires_grad=True)
    query, key, _ = model.block.project(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4).detach()
    check(one_step(model, tmp_path, x), "block", logits_of(query, key) + causal(4, 4))
    # Computed again in the backward pass, where nobody listens.
    assert [name for name, _ in sampled] == ["block"]


def test_copies_and_validations_are_not_seen_and_nothing_stays_after_a_failure(tmp_path):
    model = nn.Sequential(Block())
    copied = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x = torch.randn(2, 4, 8)
    with watching(model, optimizer, tmp_path, every=2, signals=["attention"]) as vitals:
        copied(x)
        copy.deepcopy(model)(x)
        model.eval()(1e4 * x)
        model.train()
        with pytest.raises(RuntimeError):
            model(torch.randn(2, 4, 7))
        assert functional.scaled_dot_product_attention is FUSED
        assert pickle.loads(pickle.dumps(model)).state_dict().keys() == model.state_dict().keys()
        optimizer.step()
        vitals.log(loss=1.0)
    assert not any(tag.startswith("attention") for tag in recorded(tmp_path))


def test_the_functions_are_replaced_only_while_the_model_runs(tmp_path):
    class Checking(Block):
        def attend(self, *given):
            assert functional.scaled_dot_product_attention is not FUSED
            return super().attend(*given)

    model = nn.Sequential(Checking())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=1, signals=["attention"]):
        for _ in range(3):
            output = model(torch.randn(2, 4, 8))
            assert functional.scaled_dot_product_attention is FUSED
            output.sum().backward()
            optimizer.step()
            assert functional.scaled_dot_product_attention is FUSED


def test_an_interrupt_leaves_them_until_the_step_is_over(tmp_path):
    class Interrupted(Block):
        def attend(self, *given):
            raise KeyboardInterrupt

    model = nn.Sequential(Interrupted())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, signals=["attention"]):
        with pytest.raises(KeyboardInterrupt):
            model(torch.randn(2, 4, 8))
        query, key, value = qkv(2, 4)
        assert torch.equal(functional.scaled_dot_product_attention(query, key, value), FUSED(query, key, value))
        optimizer.step()
        assert functional.scaled_dot_product_attention is FUSED


def test_a_model_whose_parts_the_loop_calls_is_seen_from_the_second_record_on(tmp_path):
    model = nn.ModuleDict({"body": nn.ModuleList([Block(), nn.Sequential(Block())]), "head": nn.Linear(8, 2)})
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=1, signals=["attention"]) as vitals:
        for _ in range(3):
            x = torch.randn(2, 4, 8)
            for part in model["body"]:
                x = part(x)
            model["head"](x).sum().backward()
            optimizer.step()
            vitals.log(loss=1.0)
    found = recorded(tmp_path)
    assert {tag: list(found[tag]) for tag in found if tag.startswith(ENTROPY)} == {
        ENTROPY + "body.0": [1, 2],
        ENTROPY + "body.1.0": [1, 2],
    }


def test_a_model_that_begins_to_train_after_some_records_is_seen_from_then_on(tmp_path):
    model = nn.Sequential(nn.Sequential(Block(), Block()), Block()).eval()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=1, signals=["attention"]) as vitals:
        for number in range(5):
            model.train(number >= 3)
            model(torch.randn(2, 4, 8)).sum().backward()
            optimizer.step()
            vitals.log(loss=1.0)
    found = recorded(tmp_path)
    assert [list(found[ENTROPY + name]) for name in ("0.0", "0.1", "1")] == [[3, 4]] * 3


def test_two_watchers_at_once_see_their_own_models(tmp_path):
    models = [nn.Sequential(Block()), nn.Sequential(nn.Identity(), Block())]
    optimizers = [torch.optim.SGD(model.parameters(), 0.1) for model in models]
    opened = [
        watching(model, optimizer, tmp_path / str(number), signals=["attention"])
        for number, (model, optimizer) in enumerate(zip(models, optimizers, strict=True))
    ]
    for model, optimizer, vitals in zip(models, optimizers, opened, strict=True):
        model(torch.randn(2, 4, 8)).sum().backward()
        optimizer.step()
        vitals.log(loss=1.0)
    for number, vitals in enumerate(opened):
        vitals.close()
        assert ENTROPY + str(number) in recorded(tmp_path / str(number))


def test_what_somebody_else_puts_in_place_stays(tmp_path):
    def theirs(*given, **named):
        return FUSED(*given, **named)

    class Replacing(Block):
        def attend(self, *given):
            output = super().attend(*given)
            functional.scaled_dot_product_attention = theirs
            return output

    model = nn.Sequential(Replacing())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, every=1, signals=["attention"]) as vitals:
        for _ in range(3):
            model(torch.randn(2, 4, 8)).sum().backward()
            optimizer.step()
            vitals.log(loss=1.0)
            assert functional.scaled_dot_product_attention is theirs
    functional.scaled_dot_product_attention = FUSED
    assert sorted(recorded(tmp_path)[ENTROPY + "0"]) == [0, 1, 2]


imported = functional.scaled_dot_product_attention


class Importing(Block):
    def attend(self, query, key, value):
        return imported(query, key, value, is_causal=True)


def test_a_function_that_the_models_code_imported_is_seen(tmp_path):
    assert ENTROPY + "0" in one_step(nn.Sequential(Importing()), tmp_path, torch.randn(2, 4, 8))
    assert imported is FUSED


class Language(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(30, 8)
        self.blocks = nn.Sequential(*(Block(dropout=0.3) for _ in range(3)), Eager())
        self.head = nn.Linear(8, 30)

    def forward(self, index):
        return self.head(self.blocks(self.tokens(index)).view(-1, 8))


def weights_after(folder, signals, steps=200):
    torch.manual_seed(7)
    model = Language()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    vitals = None if folder is None else watching(model, optimizer, folder, every=3, signals=signals)
    generator = torch.Generator().manual_seed(8)
    for _ in range(steps):
        index = torch.randint(30, (2, 5), generator=generator)
        output = model(index[:, :-1])
        loss = functional.cross_entropy(output, index[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if vitals is not None:
            vitals.log(loss=loss)
    if vitals is not None:
        vitals.close()
    return model.state_dict(), torch.get_rng_state()


@pytest.mark.slow
def test_a_transformer_with_dropout_is_trained_bit_for_bit_the_same(tmp_path):
    signals = ["attention", "effective_rank", "unit_similarity", "outputs", "phase_times"]
    alone, random_alone = weights_after(None, ())
    watched, random_watched = weights_after(tmp_path, signals)
    assert [name for name in alone if not torch.equal(alone[name], watched[name])] == []
    assert torch.equal(random_alone, random_watched)
    found = recorded(tmp_path)
    assert len(found[ENTROPY + "blocks.0"]) == len(found[ENTROPY + "blocks.3"]) == 67
    kinds = {tag.partition("/")[0] for tag in found}
    assert {"effective_rank", "unit_similarity", "output", "input"} <= kinds


def test_a_compiled_function_in_a_model_that_is_not_runs_as_ever(tmp_path):
    compiled = torch.compile(lambda *given: functional.scaled_dot_product_attention(*given), backend="eager")

    class Partly(Block):
        def attend(self, query, key, value):
            return compiled(query.detach(), key.detach(), value.detach())

    model = nn.Sequential(Block(), Partly())
    assert set(one_step(model, tmp_path, torch.randn(2, 4, 8))) == {ENTROPY + "0", LARGEST + "0"}
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore:There is a performance drop", "ignore:The PyTorch API of nested tensors")
def test_functional_transforms_and_nested_tensors_run_unseen(tmp_path):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Block()

        def forward(self, x):
            weights = dict(self.block.named_parameters())
            rows = torch.func.vmap(lambda row: torch.func.functional_call(self.block, weights, (row[None],)))(x)
            nested = torch.nested.nested_tensor([rows[0, 0].view(4, 2, 4)] * 2, layout=torch.jagged)
            functional.scaled_dot_product_attention(*(nested.transpose(1, 2),) * 3)
            return rows

    assert one_step(Model(), tmp_path, torch.randn(2, 4, 8)) == {}


@pytest.mark.parametrize("mask", [bias.causal_upper_left(4, 5), bias.causal_lower_right(4, 5)])
def test_tensors_that_compare_functions_meet_the_functions_they_know(tmp_path, mask):
    query, key, value = qkv(2, 4)
    model = Attending(attn_mask=mask)
    alone = model(query, key, value)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, signals=["attention"]) as vitals:
        assert torch.equal(model(query, key, value), alone)
        optimizer.step()
        vitals.log(loss=1.0)
    assert ENTROPY + "Attending" in recorded(tmp_path)


def test_a_mode_sees_the_functions_it_knows(tmp_path):
    class Seen(TorchFunctionMode):
        functions: list = []  # noqa: RUF012

        def __torch_function__(self, function, types, given=(), named=None):
            self.functions.append(function)
            return function(*given, **(named or {}))

    model = nn.Sequential(Block(), Eager())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, tmp_path, signals=["attention"]) as vitals:
        with Seen() as mode:
            model(torch.randn(2, 4, 8)).sum().backward()
        optimizer.step()
        vitals.log(loss=1.0)
    assert FUSED in mode.functions
    assert SOFTMAX in mode.functions
    assert {ENTROPY + "0", ENTROPY + "1"} <= set(recorded(tmp_path))
