"""All tags of a run together: each gets one role, and each signal the tag to judge by first."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trainvitals import tags
from trainvitals.errors import ConfigError
from trainvitals.model import Run
from trainvitals.naming.layers import LayerGroup, LayerTag, Source, group_layers, read_layer_tag
from trainvitals.naming.losses import Chosen, Loss, choose_train, choose_val, describe_loss, without_common_words
from trainvitals.naming.meaning import Meaning, read_meaning
from trainvitals.naming.measures import place_measures, suite_of_measure
from trainvitals.naming.own import in_own_run, is_own, is_own_loss, own_first, own_meaning
from trainvitals.naming.stand_ins import named_only_by_data, stand_ins
from trainvitals.naming.supervision import supervision
from trainvitals.naming.tokens import natural_key, read_name
from trainvitals.naming.values import refine
from trainvitals.signals import LayerTags, Metric, Role, SignalOverrides, Signals

TOLD = "named by you"


def assemble(run: Run, overrides: SignalOverrides) -> Signals:
    """Every tag in its role.

    Raises:
        ConfigError: an override names a tag that the run does not have, or one tag in two roles.
    """
    told = _told(run, overrides)
    groups, layer_roles = _layers(run, told)
    meanings = [
        _meaning(run, tag) for tag in sorted(run.series, key=natural_key) if tag not in told and tag not in layer_roles
    ]
    learning = supervision(meanings)
    losses = _losses(run, meanings, may_stand_in=learning.supervised)
    train = [Chosen(tag, TOLD) for tag in overrides.train_loss] or choose_train(losses.train)
    val, val_rest = choose_val(losses.val, losses.train)
    if overrides.val_loss:
        val, val_rest = _told_suites(overrides.val_loss), []
    placed = [*train, *val.values(), *val_rest]
    taken = {chosen.tag for chosen in placed}
    measures = [measure for measure in losses.measures if measure.tag not in taken]
    rates = overrides.learning_rate or own_first(run, _tags(meanings, "learning_rate"), tags.LEARNING_RATE)

    roles = {tag: Role(tag, kind, why) for tag, (kind, why) in layer_roles.items()}
    roles |= {meaning.tag: Role(meaning.tag, meaning.kind, meaning.why) for meaning in meanings}
    roles |= {tag: Role(tag, "learning_rate", TOLD) for tag in overrides.learning_rate}
    if overrides.learning_rate:
        roles |= _passed_over(meanings, "learning_rate")
    if overrides.train_loss or overrides.val_loss:
        roles |= _passed_over(meanings, "loss")
    roles |= {c.tag: Role(c.tag, "train_loss_part" if c.part else "train_loss", c.why) for c in train}
    roles |= {c.tag: Role(c.tag, "val_loss", c.why) for c in val.values()}
    roles |= {c.tag: Role(c.tag, "val_loss_part", c.why) for c in val_rest}
    return Signals(
        train_loss=tuple(chosen.tag for chosen in train),
        val_loss={suite: chosen.tag for suite, chosen in val.items()},
        learning_rate=tuple(rates),
        grad_norm=_gradient_norms(meanings),
        per_layer={kind: LayerTags(kind, group.layers, group.tags, group.source) for kind, group in groups.items()},
        metrics=tuple(_metric(measure, list(val)) for measure in measures),
        throughput=_training_first(meanings, "throughput"),
        step_time=_training_first(meanings, "step_time"),
        memory=_tags(meanings, "memory"),
        epoch=_tags(meanings, "epoch"),
        tokens=_tags(meanings, "tokens"),
        rewards=_tags(meanings, "reward"),
        supervised=learning.supervised,
        why_not_supervised=learning.why_not,
        roles=tuple(roles[tag] for tag in sorted(roles, key=natural_key)),
    )


def _meaning(run: Run, tag: str) -> Meaning:
    name = read_name(tag)
    own = own_meaning(name)
    if own is not None:
        return own
    meaning = refine(read_meaning(name), run.series[tag])
    return in_own_run(meaning, run.series) if is_own(run) else meaning


@dataclass(frozen=True, slots=True)
class _Losses:
    train: list[Loss]
    val: list[Loss]
    measures: list[Meaning]


def _losses(run: Run, meanings: Sequence[Meaning], *, may_stand_in: bool) -> _Losses:
    """The losses of both splits, or what stands in for them where none was logged."""
    named = [meaning for meaning in meanings if meaning.kind == "loss"]
    if not named and may_stand_in:
        named = named_only_by_data(meanings)
    said = [meaning for meaning in meanings if meaning.kind == "metric"]
    measures = place_measures(said, named)
    losses = without_common_words([_described(run, meaning) for meaning in named])
    train = [loss for loss in losses if loss.data != "val"]
    val = [loss for loss in losses if loss.data == "val"]
    if may_stand_in and not train:
        trained_on = {meaning.tag for meaning in said if meaning.split.data == "train" or not named}
        candidates = [m for m in measures if m.split.data == "train" and m.tag in trained_on]
        train = _standing_in(run, candidates)
    if may_stand_in and not val:
        val = _standing_in(run, [m for m in measures if m.split.data == "val"])
    return _Losses(train, val, measures)


def _standing_in(run: Run, measures: Sequence[Meaning]) -> list[Loss]:
    found, title, words = stand_ins(measures)
    why = f"stands in: no loss was logged, and {title} falls as the model gets better"
    return [replace(_described(run, measure, words), reason=why) for measure in found]


def _described(run: Run, meaning: Meaning, measure: frozenset[str] = frozenset()) -> Loss:
    series = run.series[meaning.tag]
    values = np.abs(series.finite().value)
    size = float(np.median(values)) if len(values) else 0.0
    described = describe_loss(meaning, points=len(series), size=size, measure=measure)
    return replace(described, watched=is_own_loss(run, meaning.tag))


def _layers(run: Run, told: Sequence[str]) -> tuple[dict[str, LayerGroup], dict[str, tuple[str, str]]]:
    """The per-layer signals, and kind and reason of every tag that is about one layer or is a histogram."""
    candidates: dict[Source, list[LayerTag]] = {"scalars": [], "histograms": []}
    for tag in run.series:
        found = None if tag in told else read_layer_tag(read_name(tag), "scalars")
        if found is not None:
            candidates["scalars"].append(found)
    for tag in run.histograms:
        found = read_layer_tag(read_name(tag), "histograms")
        if found is not None:
            candidates["histograms"].append(found)
    groups = group_layers(candidates)
    roles = {tag: ("histogram", "a histogram of nothing known") for tag in run.histograms if tag not in run.series}
    for kind, group in groups.items():
        for layer, tag in zip(group.layers, group.tags, strict=True):
            if roles.get(tag, ("histogram", ""))[0] == "histogram":
                roles[tag] = (f"per_layer.{kind}", f"{kind} of {layer}")
    return groups, roles


def _told(run: Run, overrides: SignalOverrides) -> tuple[str, ...]:
    seen: dict[str, str] = {}
    for setting in ("train_loss", "val_loss", "learning_rate"):
        for tag in getattr(overrides, setting):
            where = setting.replace("_", "-")
            if tag not in run.series:
                closest = difflib.get_close_matches(tag, run.series, n=1, cutoff=0.0)
                hint = f"the closest is {closest[0]!r}" if closest else "it has no scalars at all"
                raise ConfigError(f"{run.name} has no tag {tag!r}", where=where, hint=hint)
            if seen.setdefault(tag, where) != where:
                raise ConfigError(f"{tag!r} is named as {seen[tag]} too", where=where, hint="name it once")
    return tuple(seen)


def _told_suites(tags: Sequence[str]) -> dict[str, Chosen]:
    suites: dict[str, Chosen] = {}
    for tag in tags:
        described = describe_loss(read_meaning(read_name(tag)), points=0, size=0.0)
        suite = described.qualifier_text if len(tags) > 1 else ""
        suites[suite if suite not in suites else tag] = Chosen(tag, TOLD)
    return suites


def _passed_over(meanings: Sequence[Meaning], kind: str) -> Mapping[str, Role]:
    return {m.tag: Role(m.tag, "other", "passed over for what you named") for m in meanings if m.kind == kind}


def _metric(measure: Meaning, suites: Sequence[str]) -> Metric:
    return Metric(
        tag=measure.tag,
        better=measure.better or "up",
        split="val" if measure.split.data == "val" else "train",
        suite=suite_of_measure(measure, suites),
    )


def _gradient_norms(meanings: Sequence[Meaning]) -> tuple[str, ...]:
    """What the gradient was before clipping first: afterwards an explosion no longer shows."""

    def order(tag: str) -> tuple[object, ...]:
        words = frozenset(read_name(tag).words)
        before = bool(words & {"before", "pre", "unclipped", "raw"})
        after = bool(words & {"after", "post", "clipped"})
        return not before, after, len(tag), natural_key(tag)

    return tuple(sorted(_tags(meanings, "grad_norm"), key=order))


def _tags(meanings: Sequence[Meaning], kind: str) -> tuple[str, ...]:
    return tuple(meaning.tag for meaning in meanings if meaning.kind == kind)


def _training_first(meanings: Sequence[Meaning], kind: str) -> tuple[str, ...]:
    found = [meaning for meaning in meanings if meaning.kind == kind]
    return tuple(m.tag for m in sorted(found, key=lambda m: m.split.data == "val"))
