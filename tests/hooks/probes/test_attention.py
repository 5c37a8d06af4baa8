"""Entropy and largest logit of attention against whole attention matrices, one query after the other."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from tests.hooks.training import recorded, watching
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, bias, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

from trainvitals_hooks.looking import attention_calls
from trainvitals_hooks.looking.attention_sample import HEADS, ROWS

pytestmark = pytest.mark.torch

ENTROPY, LARGEST = "attention_entropy/", "attention_logit_max/"
FUSED, SOFTMAX = functional.scaled_dot_product_attention, functional.softmax


@pytest.fixture(autouse=True)
def _functions_are_given_back():
    yield
    assert functional.scaled_dot_product_attention is FUSED
    assert functional.softmax is SOFTMAX
    assert not attention_calls._listeners
    assert not attention_calls._replaced


class Attending(nn.Module):
    """Calls fused attention with what it is given."""

    def __init__(self, **settings):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.settings = settings

    def forward(self, query, key, value):
        return functional.scaled_dot_product_attention(self.weight * query, key, value, **self.settings)


def one_step(model, folder, *inputs):
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watching(model, optimizer, folder, signals=["attention"]) as vitals:
        output = model(*inputs)
        (output[0] if isinstance(output, tuple) else output).float().square().mean().backward()
        optimizer.step()
        vitals.log(loss=1.0)
    return {tag: values[0] for tag, values in recorded(folder).items() if tag.startswith("attention")}


def mean_entropy(logits):
    """Of logits ``[..., S]``, of all rows that see anything."""
    found = []
    for row in logits.detach().double().flatten(0, -2):
        weights = [math.exp(value - row.max().item()) for value in row.tolist() if row.max() > -math.inf]
        total = sum(weights)
        if weights:
            found.append(-sum(w / total * math.log(w / total) for w in weights if w))
    return sum(found) / len(found)


def causal(queries, keys, offset=0):
    later = torch.arange(keys) > torch.arange(queries)[:, None] + offset
    return torch.zeros(queries, keys).masked_fill(later, -math.inf)


def qkv(*leading, queries=4, keys=5, size=8, dtype=torch.float32):
    """Small enough that the sample is all there is, for up to eight heads."""
    return (
        2 * torch.randn(*leading, queries, size, dtype=dtype),
        2 * torch.randn(*leading, keys, size, dtype=dtype),
        torch.randn(*leading, keys, size, dtype=dtype),
    )


def logits_of(query, key):
    return query.double() @ key.double().mT / math.sqrt(query.shape[-1])


def check(found, name, logits, rel=1e-4):
    assert found == pytest.approx({ENTROPY + name: mean_entropy(logits), LARGEST + name: logits.max().item()}, rel=rel)


@pytest.mark.parametrize("leading", [(2, 4), (8,), (1, 1), (), (2, 2, 2)])
def test_where_the_sample_is_all_it_is_exact(tmp_path, leading):
    query, key, value = qkv(*leading)
    check(one_step(Attending(), tmp_path, query, key, value), "Attending", logits_of(query, key))


BOOLEAN = torch.rand(4, 5, generator=torch.Generator().manual_seed(1)) > 0.4
BOOLEAN[2] = False
ADDED = torch.randn(2, 1, 4, 5, generator=torch.Generator().manual_seed(2))
PADDING = torch.tensor([[True, True, True, False, False], [True] * 5])[:, None, None]


@pytest.mark.parametrize(
    ("settings", "added"),
    [
        ({"is_causal": True}, causal(4, 5)),
        ({"attn_mask": BOOLEAN}, torch.zeros(4, 5).masked_fill(~BOOLEAN, -math.inf)),
        ({"attn_mask": ADDED}, ADDED),
        ({"attn_mask": PADDING}, torch.zeros(2, 1, 1, 5).masked_fill(~PADDING, -math.inf)),
        ({"attn_mask": bias.causal_upper_left(4, 5)}, causal(4, 5)),
        ({"attn_mask": bias.causal_lower_right(4, 5)}, causal(4, 5, 1)),
        ({"dropout_p": 0.5}, torch.zeros(())),
    ],
)
def test_masks_and_biases_are_honoured(tmp_path, settings, added):
    query, key, value = qkv(2, 4)
    check(one_step(Attending(**settings), tmp_path, query, key, value), "Attending", logits_of(query, key) + added)


def test_a_scale_of_its_own_is_honoured(tmp_path):
    query, key, value = qkv(2, 4)
    logits = logits_of(query, key) * math.sqrt(query.shape[-1]) * 0.05
    check(one_step(Attending(scale=0.05), tmp_path, query, key, value), "Attending", logits)


def test_heads_that_share_their_keys(tmp_path):
    query, _, _ = qkv(2, 4)
    _, key, value = qkv(2, 2)
    check(
        one_step(Attending(enable_gqa=True), tmp_path, query, key, value),
        "Attending",
        logits_of(query, key.repeat_interleave(2, 1)),
    )


def test_keys_that_are_broadcast(tmp_path):
    query, _, _ = qkv(2, 4)
    _, key, value = qkv(1, 4)
    with sdpa_kernel(SDPBackend.MATH):
        found = one_step(Attending(), tmp_path, query, key, value)
    check(found, "Attending", logits_of(query, key.expand(2, -1, -1, -1)))


@pytest.mark.parametrize("backend", [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_whatever_computes_it(tmp_path, backend, dtype):
    query, key, value = qkv(2, 4, dtype=dtype)
    with sdpa_kernel(backend):
        found = one_step(Attending(), tmp_path, query, key, value)
    check(found, "Attending", logits_of(query, key), rel=1e-4 if dtype == torch.float32 else 1e-2)


def test_automatic_mixed_precision_does_not_round_the_sample(tmp_path):
    query, key, value = qkv(2, 4)
    with torch.autocast("cpu", torch.bfloat16):
        found = one_step(Attending(), tmp_path, query, key, value)
    check(found, "Attending", logits_of(query, key))


def test_a_sample_comes_close_to_all(tmp_path):
    query, key, value = qkv(6, 12, queries=200, keys=300, size=16)
    logits = logits_of(query, key)
    each = torch.special.entr(logits.softmax(-1)).sum(-1)
    found = one_step(Attending(), tmp_path, query, key, value)
    # Four standard errors of the mean of so many rows.
    tolerance = 4 * each.std().item() / math.sqrt(ROWS)
    assert found[ENTROPY + "Attending"] == pytest.approx(each.mean().item(), abs=tolerance)
    assert 0.5 * logits.max() < found[LARGEST + "Attending"] < logits.max()


def test_the_sample_meets_as_many_heads_as_it_can(tmp_path):
    query, key, value = qkv(16, 8)
    # Head h sees h + 1 keys alike, so that its entropy tells which one it is.
    mask = torch.arange(8)[None, :, None, None] >= torch.arange(8)[None, None, None]
    key, value = (functional.pad(each, (0, 0, 0, 3)) for each in (key, value))
    found = one_step(Attending(attn_mask=mask), tmp_path, 0 * query, key, value)
    assert HEADS == 8
    expected = sum(math.log(seen) for seen in range(1, 9)) / 8
    assert found[ENTROPY + "Attending"] == pytest.approx(expected, rel=1e-5)


def test_logits_that_are_not_finite_show(tmp_path):
    query, key, value = qkv(2, 4)
    key[0, 0, 0, 0] = math.nan
    found = one_step(Attending(), tmp_path, query, key, value)
    assert math.isnan(found[ENTROPY + "Attending"])
    assert math.isnan(found[LARGEST + "Attending"])


class Eager(nn.Module):
    """Attention as many libraries write it out, with a mask of the smallest numbers there are."""

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(8, 24)
        self.dropout = nn.Dropout(0.5)

    def logits(self, x):
        query, key, value = self.project(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        return query @ key.mT / 2 + (causal(4, 4).clamp_min(torch.finfo().min)), value

    def forward(self, x):
        logits, value = self.logits(x)
        return (self.dropout(functional.softmax(logits, dim=-1, dtype=torch.float32)) @ value).flatten()


def test_attention_that_is_written_out(tmp_path):
    model = nn.Sequential(nn.Linear(8, 8), Eager())
    x = torch.randn(3, 4, 8)
    logits = model[1].logits(model[0](x))[0].detach()
    check(one_step(model, tmp_path, x), "1", logits.masked_fill(logits < -1e30, -math.inf))


def test_other_softmaxes_are_none(tmp_path):
    class Routed(nn.Linear):
        def forward(self, x):
            x = functional.softmax(super().forward(x), -1)
            return functional.softmax(x[None, None], 1) + functional.softmax(x[None], -1)

    assert one_step(Routed(4, 4), tmp_path, torch.randn(3, 4)) == {}


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("batched", [True, False])
def test_multihead_attention(tmp_path, need_weights, batched):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            mask = torch.nn.Transformer.generate_square_subsequent_mask(x.shape[-2])
            return self.attention(x, x, x, need_weights=need_weights, attn_mask=mask, is_causal=not need_weights)[0]

    model = Model()
    x = torch.randn(2, 5, 8) if batched else torch.randn(5, 8)
    weight, offset = model.attention.in_proj_weight, model.attention.in_proj_bias
    query, key, _ = (x @ weight.T + offset).unflatten(-1, (3, 2, 4)).movedim(-3, 0).transpose(-2, -3).detach()
    check(one_step(model, tmp_path, x), "attention", logits_of(query, key) + causal(5, 5))


def test_layers_of_an_encoder_have_their_names(tmp_path):
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
    model = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    found = one_step(model, tmp_path, torch.randn(2, 5, 8))
    assert set(found) == {kind + f"layers.{n}.self_attn" for kind in (ENTROPY, LARGEST) for n in range(3)}


class Block(nn.Module):
    def __init__(self, dropout=0.0):
        super().__init__()
        self.project, self.dropout = nn.Linear(8, 24), dropout

    def attend(self, query, key, value):
        return functional.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout, is_causal=True)

    def forward(self, x):
        heads = self.project(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        return x + self.attend(*heads).transpose(1, 2).flatten(2)


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
