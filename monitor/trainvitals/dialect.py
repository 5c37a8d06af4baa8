"""In which framework a run was trained, as far as its log tells."""

from __future__ import annotations

import re

from trainvitals import tags
from trainvitals.model import Dialect, Run

_NAMED: dict[str, Dialect] = {"transformers": "transformers", "lightning": "lightning", "accelerate": "accelerate"}

OF_TRANSFORMERS = ("train/train_runtime", "eval/steps_per_second", "train/global_step", "eval_steps_per_second")
"""What only the Trainer's own loggers write; ``args/text_summary`` holds its arguments."""

OF_LIGHTNING = ("hp_metric",)
"""What its TensorBoard logger writes by itself."""

_RATE_OF_LIGHTNING = re.compile(r"lr-[A-Z]\w+(/pg\d+)?(-momentum)?")
"""What its `LearningRateMonitor` writes: ``lr-AdamW``, ``lr-SGD/pg1``."""


def dialect_of(run: Run) -> Dialect:
    """The framework whose words a person would change this run in; plain PyTorch where the log tells none.

    Our own integrations write it down. Of foreign logs, only names that a framework gives by itself count.
    """
    told = _NAMED.get(str(run.hyper_parameters.get(tags.FRAMEWORK)))
    if told is not None:
        return told
    if run.format == "hf-trainer-state" or "args/text_summary" in run.texts:
        return "transformers"
    if any(tag in run.series for tag in OF_TRANSFORMERS):
        return "transformers"
    if run.format == "lightning-csv":
        return "lightning"
    if any(tag in run.series for tag in OF_LIGHTNING) or any(map(_RATE_OF_LIGHTNING.fullmatch, run.series)):
        return "lightning"
    return "pytorch"
