"""Layers in the order in which data flows through a model, as far as their names tell it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from trainvitals.naming.tokens import natural_key, stem, words_of
from trainvitals.naming.words import word_set

_INPUT = word_set(
    """
    embed embedding embeddings embedder embedders emb embs wte wpe shared stem patch token pos position positional
    inp input inputs conv_in tok first
    """
)
_ENCODER = frozenset({"encoder", "enc", "backbone", "down", "downs", "features", "contracting", "feature"})
_MIDDLE = frozenset(
    {"mu", "logvar", "latent", "bottleneck", "quantizer", "quantize", "mid", "neck", "bridge", "middle"}
)
_DECODER = frozenset({"decoder", "dec", "up", "ups", "upsample", "expanding"})
_LATE = frozenset({"fc", "dense", "linear", "lin", "fcs"})
_FINAL_NORM = frozenset({"ln_f", "norm", "final_norm", "final_layernorm", "final_layer_norm", "norm_f", "post_norm"})
_OUTPUT = word_set(
    """
    head heads classifier out output outputs logits logit predictor prediction predictions lm_head unembed readout
    conv_out proj_out to_logits cls_head last
    """
)
_PATH_BREAK = re.compile(r"[./:]")


def in_model_order(layers: Iterable[str]) -> list[str]:
    """Input side first, output side last, and block 2 before block 10.

    Names rule, not the order of recording: hooks and loggers often record in another order than the model runs.
    """
    return sorted(layers, key=_key)


def _key(layer: str) -> tuple[object, ...]:
    return *_stage(_path_before_first_index(layer)), natural_key(layer.lower()), layer


def _path_before_first_index(layer: str) -> list[str]:
    """The modules that hold the repeated block; inside a block ``output`` or ``norm`` says nothing of the model."""
    path: list[str] = []
    for part in _PATH_BREAK.split(layer.lower()):
        if part.isdecimal():
            return path
        path.append(part)
    return path


def _stage(path: list[str]) -> tuple[int, int]:
    words = {stem(word) for part in path for word in words_of(part)} | {stem(part).rstrip("_") for part in path}
    fine = 0 if words & _INPUT else 3 if words & _OUTPUT else 2 if words & _FINAL_NORM else 1
    if words & _ENCODER:
        return 1, fine
    if words & _DECODER:
        return 3, fine
    if fine == 0:
        return 0, 0
    if words & _MIDDLE:
        return 2, 1
    if fine == 1:
        return (4, 1) if words & _LATE else (2, 1)
    return 4 + fine - 1, fine
