"""What column names say: which counts steps, which tells the time, and whether a table is a training log at all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

# In order of preference.
STEP_NAMES = (
    "global_step",
    "step",
    "_step",
    "steps",
    "current_steps",
    "current_step",
    "train_step",
    "training_step",
    "total_timesteps",
    "timesteps_total",
    "num_timesteps",
    "timesteps",
    "totalenvinteracts",
    "env_steps",
    "num_updates",
    "nupdates",
    "n_updates",
    "updates",
    "update",
    "iteration",
    "iterations",
    "iter",
    "iters",
    "it",
    "training_iteration",
)
BATCH_NAMES = ("batch", "batch_idx")
"""Counts that begin anew with each epoch."""
EPOCH_NAMES = ("epoch", "epochs", "ep", "current_epoch", "epoch_num", "round", "episode", "episodes")
WALL_TIME_NAMES = ("wall_time", "_timestamp", "timestamp", "walltime", "unix_time", "datetime", "date", "time")
SPLIT_NAMES = ("split", "mode", "phase", "stage", "subset", "partition", "set", "dataset")
LONG_TAG_NAMES = ("tag", "metric", "metric_name", "key", "variable", "name")

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "eval": "val",
    "evaluation": "val",
    "test": "test",
    "testing": "test",
}
"""What people call the parts of their data, and the one word that we use for each."""

_PREFERENCE = {name: i for i, name in enumerate((*STEP_NAMES, *BATCH_NAMES, *EPOCH_NAMES))}
_LOSS_WORDS = frozenset({"loss", "losses", "nll", "perplexity", "ppl", "bpb", "elbo", "cost"})
_METRIC_WORDS = frozenset(
    {"acc", "accuracy", "top1", "top5", "precision", "recall", "f1", "auc", "auroc", "iou", "miou", "dice"}
    | {"map", "map50", "mse", "mae", "rmse", "psnr", "ssim", "fid", "bleu", "rouge", "wer", "cer", "error"}
    | {"reward", "return", "lr", "kl", "entropy", "objective"}
)
_ANY_WORD = re.compile(
    "|".join(sorted(_LOSS_WORDS | _METRIC_WORDS | {"step", "epoch", "iter"})).encode(), re.IGNORECASE
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def normalised(name: str) -> str:
    """A column name without case, padding, and the choice between blank, hyphen and underscore."""
    return re.sub(r"[\s\-]+", "_", name.strip().lower())


def words(name: str) -> frozenset[str]:
    """The words of a column name in lower case, with digits both joined to the word before them and apart."""
    parts = _WORD.findall(name)
    joined = {a + b for a, b in pairwise(parts) if b.isdigit()}
    return frozenset(part.lower() for part in (*parts, *joined))


def step_preference(name: str) -> int | None:
    """How much a column of this name is to be preferred as the count of steps, 0 most; None where it counts none.

    ``time/total_timesteps`` counts as ``total_timesteps`` does, where no column has that name itself.
    """
    full = normalised(name)
    if full in _PREFERENCE:
        return _PREFERENCE[full]
    last = full.rsplit("/", 1)[-1]
    return _PREFERENCE[last] + len(_PREFERENCE) if last in _PREFERENCE else None


def counts_steps(name: str) -> bool:
    """Whether a column of this name may count steps or epochs."""
    return step_preference(name) is not None


def counts_within_epochs(name: str) -> bool:
    """Whether a column of this name begins anew with each epoch."""
    return normalised(name).rsplit("/", 1)[-1] in BATCH_NAMES


def counts_epochs(name: str) -> bool:
    """Whether a column of this name counts epochs."""
    return normalised(name).rsplit("/", 1)[-1] in EPOCH_NAMES


def is_loss(name: str) -> bool:
    """Whether a column of this name is a loss, whatever it is a loss of."""
    return bool(words(name) & _LOSS_WORDS)


def is_validation(name: str) -> bool:
    """Whether a column of this name is measured on validation or test data."""
    return any(SPLITS.get(word, "train") != "train" for word in words(name))


def compares_parts_of_data(columns: Iterable[str]) -> bool:
    """Whether one column is named for the training data, and one for data held out."""
    parts = {SPLITS.get(normalised(column)) for column in columns}
    return "train" in parts and bool(parts & {"val", "test"})


def may_name_a_metric(head: Iterable[bytes]) -> bool:
    """Whether the first lines of a file hold any word that a loss, a metric or a count of steps would have."""
    return any(_ANY_WORD.search(line) for line in head)


def looks_like_training_log(numeric: Iterable[str], textual: Iterable[str]) -> bool:
    """Whether columns of these names make a training log, rather than some table that holds numbers.

    A loss or a metric beside a count of steps or epochs does; a loss alone does where no text column makes the rows
    something else, such as one model each.

    Args:
        numeric: names of the columns with numbers.
        textual: names of the columns with other text.
    """
    numeric = list(numeric)
    has_loss = any(is_loss(name) for name in numeric)
    has_metric = has_loss or any(words(name) & _METRIC_WORDS for name in numeric)
    if any(counts_steps(name) for name in numeric):
        return has_metric
    return has_loss and not any(normalised(name) not in SPLIT_NAMES for name in textual)
