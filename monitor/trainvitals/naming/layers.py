"""Per-layer signals: which quantity of which layer a tag holds.

Understood are our own ``<kind>/<layer>``, a group before the layer (``gradients/fc1.weight``, ``grad_2.0_norm/fc1``,
``l2_norm/grad/fc1``, ``optim/grad/fc1.norm``), a group after it (``fc1/grad_norm``), an affix (``grad_norm_fc1``,
``fc1.weight.grad``), and histograms of parameters under their own name (``fc1.weight``, ``dense/kernel_0``).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from trainvitals.naming.layer_order import in_model_order
from trainvitals.naming.tokens import Name, stem, words_of
from trainvitals.naming.words import (
    GRADIENT_WORDS,
    LOSS_WORDS,
    NEUTRAL_LOSS_WORDS,
    NORM_WORDS,
    SPLIT_WORDS,
    TOTAL_WORDS,
    word_set,
)
from trainvitals.tags import PER_LAYER_KINDS

Source = Literal["scalars", "histograms"]

_WEIGHT_WORDS = frozenset({"weight", "weights", "param", "params", "parameter", "parameters"})
_ACTIVATION_WORDS = frozenset({"activation", "activations", "activ", "act", "acts"})
_UPDATE_WORDS = frozenset({"update", "updates"})
_KEYS = GRADIENT_WORDS | {"gnorm"} | _WEIGHT_WORDS | _ACTIVATION_WORDS | _UPDATE_WORDS
_STATISTICS = NORM_WORDS | word_set(
    """
    l2 mean avg average std stdev stddev max min abs absmax rms zero zeros fraction frac ratio sparsity dead saturated
    saturation median var variance
    """
)
_DRESSING = word_set(
    """
    hist histogram histograms distribution distributions optim optimizer model monitor debug stats stat statistics
    per param layerwise of to total global all
    """
)
_NOT_A_LAYER = word_set(
    """
    clip clipped clipping scale scaler coef coefficient accumulation steps cosine similarity noise snr threshold
    ratio penalty count num loss skipped overflow nan inf
    """
)
_GENERIC = (
    NEUTRAL_LOSS_WORDS
    | LOSS_WORDS
    | SPLIT_WORDS
    | _STATISTICS
    | frozenset({"pre", "post", "before", "after", "unclipped", "diagnostics", "health", "misc", "other"})
)
"""Words that do not make a layer's name by themselves."""
_AGGREGATE = TOTAL_WORDS | frozenset(
    {"global", "pre", "post", "before", "after", "clip", "clipping", "clipped", "unclipped"}
)
_PARAMETER_ENDINGS = frozenset(
    {"weight", "weights", "bias", "biases", "kernel", "gamma", "beta", "embeddings", "w", "b"}
)
_NORM_ORDER = re.compile(r"\d\.\d")
_PREFIX = re.compile(
    r"^(?P<signal>(?:grad|grads|gradient|gradients|gnorm|weight|param|activation|act|update)"
    r"(?:[_.\- ]?(?:norms?|l2|2\.0|2|mean|std|max|abs|ratio))*)[_.\-: ]+(?P<layer>.+)$",
    re.IGNORECASE,
)
_SUFFIX = re.compile(
    r"^(?P<layer>.+?)[_.\-: ]+"
    r"(?P<signal>(?:grad|grads|gradient|gradients|gnorm|weight|param|activation|activations|act)"
    r"(?:[_.\- ]?(?:norm|l2|mean|std|max|abs))*)$",
    re.IGNORECASE,
)
_STATISTIC_SUFFIX = re.compile(r"^(?P<layer>.+?)[._](?P<signal>norm|l2|mean|avg|std|min|max|absmax)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LayerTag:
    """One tag as one layer's signal.

    Args:
        kinds: of ``PER_LAYER_KINDS``; a histogram of activations serves several. Empty for a statistic of a layer
            that is none of them.
        layer: the layer's name as logged.
        style: the words around it; tags of one signal share them.
    """

    tag: str
    kinds: tuple[str, ...]
    layer: str
    style: tuple[str, ...]

    @property
    def says_norm(self) -> bool:
        return bool(frozenset(self.style) & (NORM_WORDS | {"gnorm", "l2", "own"}))


@dataclass(frozen=True, slots=True)
class LayerGroup:
    """The tags of one per-layer signal, input side first."""

    kind: str
    layers: tuple[str, ...]
    tags: tuple[str, ...]
    source: Source


def read_layer_tag(name: Name, source: Source) -> LayerTag | None:
    """The layer's signal that a tag holds; None for a tag that is not about one layer."""
    own_kind, _, own_layer = name.tag.partition("/")
    if own_kind in PER_LAYER_KINDS and own_layer.strip() and not _is_aggregate(own_layer):
        return LayerTag(name.tag, (own_kind,), own_layer, ("own", own_kind))
    around, layer_texts = _separate(name)
    layer_texts, affix = _strip_affix(layer_texts, frozenset(around), source)
    style = (*around, *affix)
    layer = "/".join(layer_texts)
    words = frozenset(words_of(layer))
    if words <= _GENERIC or words & _NOT_A_LAYER:
        return None
    present = frozenset(style)
    if not present & _KEYS:
        return _bare_parameter(name, layer) if source == "histograms" else None
    return LayerTag(name.tag, _kinds(present, source), layer, style)


def group_layers(candidates: Mapping[Source, Iterable[LayerTag]]) -> dict[str, LayerGroup]:
    """The best group of tags for each kind.

    A group is at least two layers in one style, or our own tags. Styles that say norm win, then the one with most
    layers, then scalars.
    """
    groups: dict[tuple[str, Source, tuple[str, ...]], list[LayerTag]] = defaultdict(list)
    for source, layer_tags in candidates.items():
        for layer_tag in layer_tags:
            for kind in layer_tag.kinds:
                groups[kind, source, layer_tag.style].append(layer_tag)
    best: dict[str, LayerGroup] = {}
    for (kind, source, style), members in sorted(groups.items(), key=lambda item: _worth(item[0], item[1])):
        if kind not in best and (len(members) > 1 or style[:1] == ("own",)):
            best[kind] = _ordered(kind, source, members)
    return {kind: best[kind] for kind in PER_LAYER_KINDS if kind in best}


def _worth(key: tuple[str, Source, tuple[str, ...]], members: list[LayerTag]) -> tuple[object, ...]:
    kind, source, style = key
    return style[:1] != ("own",), not members[0].says_norm, -len(members), source != "scalars", kind, style


def _ordered(kind: str, source: Source, members: list[LayerTag]) -> LayerGroup:
    seen: dict[str, int] = defaultdict(int)
    for member in members:
        seen[member.layer] += 1
    tag_of_layer = {m.layer if seen[m.layer] == 1 else m.tag: m.tag for m in members}
    layers = in_model_order(tag_of_layer)
    return LayerGroup(kind, tuple(layers), tuple(tag_of_layer[layer] for layer in layers), source)


def _separate(name: Name) -> tuple[list[str], list[str]]:
    """The words of the segments that name a signal, and the texts of those that name the layer.

    Inside a layer's path a segment such as ``norm`` belongs to the layer, and so does ``weight`` at its end.
    """
    signal = [_is_signal(text, words) for text, words in zip(name.texts, name.segments, strict=True)]
    first = next((i for i, is_signal in enumerate(signal) if not is_signal), len(signal))
    ends_layer = [
        not is_signal or {*words} <= _WEIGHT_WORDS for is_signal, words in zip(signal, name.segments, strict=True)
    ]
    last = next((i for i in range(len(signal) - 1, first - 1, -1) if ends_layer[i]), -1)
    style = [
        word
        for position, words in enumerate(name.segments)
        if not first <= position <= last
        for word in words
        if word not in SPLIT_WORDS and not word.isdecimal()
    ]
    return style, list(name.texts[first : last + 1])


def _is_signal(text: str, words: tuple[str, ...]) -> bool:
    """Whether a segment names a quantity; one with a dot is a module's path, but for the order of a norm (``2.0``)."""
    if "." in _NORM_ORDER.sub("", text):
        return False
    vocabulary = _KEYS | _STATISTICS | _DRESSING | SPLIT_WORDS
    named = [word for word in words if not word.isdecimal()]
    if "per" in named:
        vocabulary |= {"layer", "layers", "module"}
    return bool(named) and all(word in vocabulary for word in named)


def _is_aggregate(layer: str) -> bool:
    """Whether what stands in the layer's place says that the value is of all layers (``grad_norm/total``)."""
    words = frozenset(word for word in words_of(layer) if not word.isdecimal())
    return bool(words & _AGGREGATE) and words <= _AGGREGATE | GRADIENT_WORDS | NORM_WORDS | {"l2"}


def _strip_affix(texts: list[str], style: frozenset[str], source: Source) -> tuple[list[str], list[str]]:
    if not texts:
        return texts, []
    if style & _KEYS:
        # ``layer_norm`` ends many layers' names, so a trailing statistic counts only where the group has none yet.
        if not style & _STATISTICS and (match := _STATISTIC_SUFFIX.match(texts[-1])) and "." in texts[-1]:
            return [*texts[:-1], match["layer"]], list(words_of(match["signal"]))
        return texts, []
    if match := _SUFFIX.match(texts[-1]):
        words = words_of(match["signal"])
        if frozenset(words) & _STATISTICS or (source == "histograms" and frozenset(words) & GRADIENT_WORDS):
            return [*texts[:-1], match["layer"]], list(words)
    if match := _PREFIX.match(texts[0]):
        words = tuple(word for word in words_of(match["signal"]) if not word.isdecimal())
        if frozenset(words) & (_STATISTICS | {"gnorm"}) or source == "histograms":
            return [match["layer"], *texts[1:]], list(words)
    return texts, []


def _bare_parameter(name: Name, layer: str) -> LayerTag | None:
    words = [word for word in words_of(name.texts[-1]) if not word.isdecimal()]
    if words and stem(words[-1]) in _PARAMETER_ENDINGS:
        return LayerTag(name.tag, ("weight_norm",), layer, ())
    return None


def _kinds(present: frozenset[str], source: Source) -> tuple[str, ...]:
    """What the words of a signal amount to."""
    says_norm = bool(present & (NORM_WORDS | {"l2", "gnorm"}))
    other_statistic = bool(present & (_STATISTICS - NORM_WORDS - {"l2"}))
    if present & (GRADIENT_WORDS | {"gnorm"}):
        return ("grad_norm",) if source == "histograms" or says_norm or not other_statistic else ()
    if present & _UPDATE_WORDS:
        return ("update_ratio",) if "ratio" in present and source == "scalars" else ()
    if present & _ACTIVATION_WORDS:
        return _activation_kinds(present, source)
    if source == "histograms" or says_norm:
        return ("weight_norm",)
    return ()


def _activation_kinds(present: frozenset[str], source: Source) -> tuple[str, ...]:
    if source == "histograms":
        return ("activation_mean", "activation_std", "activation_abs_max")
    if present & (NORM_WORDS | {"l2"}):
        return ()
    if present & {"zero", "zeros", "sparsity", "dead"}:
        return ("activation_zero_fraction",)
    if present & {"saturated", "saturation"}:
        return ("activation_saturated_fraction",)
    if present & {"std", "stdev", "stddev"}:
        return ("activation_std",)
    if "absmax" in present or present >= {"abs", "max"}:
        return ("activation_abs_max",)
    if present & {"mean", "avg", "average"} and "abs" not in present:
        return ("activation_mean",)
    return ()
