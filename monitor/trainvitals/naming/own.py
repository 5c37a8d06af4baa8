"""The tags that our own hooks write, by exact name: nothing about them is guessed."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trainvitals import tags
from trainvitals.naming.meaning import Meaning
from trainvitals.naming.split import Split, own_suite, split_of
from trainvitals.naming.words import VALIDATION_FAMILIES

if TYPE_CHECKING:
    from trainvitals.model import Run
    from trainvitals.naming.tokens import Name

RECORDED = "recorded"
"""The role of a tag that is looked up by its name where it is needed, because nothing else means the same."""

ROLES = {
    tags.TRAIN_LOSS: "loss",
    tags.VALIDATION_LOSS: "loss",
    tags.LEARNING_RATE: "learning_rate",
    tags.GRADIENT_NORM: "grad_norm",
    tags.GRADIENT_NORM_BEFORE_CLIPPING: "grad_norm",
    tags.LOSS_SCALE: "loss_scale",
    tags.STEP_TIME_S: "step_time",
    tags.DATA_TIME_S: "data_time",
    tags.FORWARD_TIME_S: "time",
    tags.BACKWARD_TIME_S: "time",
    tags.OPTIMIZER_TIME_S: "time",
    tags.COMMUNICATION_TIME_S: "time",
    tags.THROUGHPUT_PER_S: "throughput",
    tags.TOKENS_PER_S: "throughput",
    tags.MEMORY_BYTES: "memory",
    tags.ACCELERATOR_MEMORY_BYTES: "memory",
    tags.EPOCH: "epoch",
    tags.TOKENS: "tokens",
    tags.SAMPLES: "samples",
}
"""The roles that other loggers' tags have too; every other tag of ours is ``recorded``."""

_OF_OPTIMIZER = re.compile(r"(?P<group>[^/]+)/optimizer\d+/(?P<name>[^/]+)")
_OF_RANK = re.compile(r"(?P<group>[^/]+)/rank\d+/(?P<name>[^/]+)")
_OF_GROUP = re.compile(r"(?P<tag>[^/]+)/group\d+")
_SEVERAL = (tags.LEARNING_RATE, tags.WEIGHT_DECAY)
"""What only stands under a tag for each parameter group; the bare name is anybody's."""
_COUNTED = ("tokens", "samples")
"""Counted for each domain, and for all data under a tag of another kind."""


def own_meaning(name: Name) -> Meaning | None:
    """What a tag of ``tags.TAGS`` means, also where it is that of one optimizer, parameter group or process.

    What one of several processes measured speaks for that process only, and is no curve of the run.
    """
    tag = name.tag
    if (match := _OF_RANK.fullmatch(tag)) is not None:
        whole = f"{match['group']}/{match['name']}"
        return Meaning(name, RECORDED, tags.TAGS[whole].meaning, split_of(name)) if whole in tags.TAGS else None
    if (match := _OF_GROUP.fullmatch(tag)) is not None:
        tag = match["tag"] if match["tag"] in _SEVERAL else ""
    elif (match := _OF_OPTIMIZER.fullmatch(tag)) is not None:
        tag = f"{match['group']}/{match['name']}"
    elif tag in _SEVERAL:
        return None
    if tag not in tags.TAGS:
        return None
    return Meaning(name, ROLES.get(tag, RECORDED), tags.TAGS[tag].meaning, split_of(name))


def is_own(run: Run) -> bool:
    """Whether our hooks recorded it: they write their version among the settings."""
    return "trainvitals" in run.hyper_parameters


def is_own_loss(run: Run, tag: str) -> bool:
    """Whether it is a loss that our hooks recorded, and not one that somebody else wrote beside it."""
    return is_own(run) and (tag in (tags.TRAIN_LOSS, tags.VALIDATION_LOSS) or own_suite(tag) is not None)


def own_first(run: Run, found: Sequence[str], tag: str) -> tuple[str, ...]:
    """The tags of one signal, those of our hooks before what somebody else wrote beside them."""
    return tuple(sorted(found, key=lambda each: is_own(run) and each != tag and not each.startswith(f"{tag}/")))


def in_own_run(meaning: Meaning, logged: Container[str]) -> Meaning:
    """What a tag means that ``Vitals.log`` or ``log_validation`` made of a name that the user chose.

    The first segment says on which data, whatever words the rest is made of. A domain's values stand beside those of
    the whole batch and are no part of them.

    Args:
        logged: the tags of the run.
    """
    first, _, rest = meaning.tag.partition("/")
    if first == "val":
        return replace(meaning, split=Split("val", next(iter(VALIDATION_FAMILIES))))
    if first != "train":
        return meaning
    domain, _, metric = rest.rpartition("/")
    if domain and (metric in _COUNTED or tags.train_metric(metric) in logged):
        return replace(meaning, kind="domain", why=f"{metric} of the domain {domain}", better=None)
    return replace(meaning, split=Split("train"))
