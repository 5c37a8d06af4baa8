"""Look for examples that are in both sets."""

from __future__ import annotations

from trainvitals.interventions.intervention import Intervention
from trainvitals.interventions.values import loss_is_finite
from trainvitals.model import Finding, Suggestion
from trainvitals.view import RunView

HOW = """
import hashlib

def fingerprint(example):
    return hashlib.sha256(example[0].contiguous().numpy().tobytes()).hexdigest()

# without augmentation in both sets
known = {fingerprint(train_set[index]) for index in range(len(train_set))}
in_both = [index for index in range(len(val_set)) if fingerprint(val_set[index]) in known]
print(len(in_both), "of", len(val_set), "validation examples are training examples:", in_both[:20])
others = sorted(set(range(len(val_set))) - set(in_both))
val_set = torch.utils.data.Subset(val_set, others)
"""


HOW_TRANSFORMERS = (
    HOW.replace("example[0].contiguous().numpy().tobytes()", "repr(sorted(example.items())).encode()")
    .replace("train_set", "train_dataset")
    .replace("val_set", "eval_dataset")
)


class DeduplicateSplits(Intervention):
    """Where validation looks better than it should: examples may be in the training data too.

    Equal hashes show copies. What is only nearly the same (windows of one recording, pictures of one person, passages
    of one document) needs a split by source instead of one by example.
    """

    name = "deduplicate-splits"
    source = "Lee et al. 2022, Deduplicating training data makes language models better; Kaufman et al. 2012"
    basis = "paper"
    undo = "changes nothing"

    def suggest(self, view: RunView, finding: Finding) -> Suggestion | None:
        return self.suggestion(
            summary="hash every example of both sets and list those in both; then split by source, once",
            how=HOW,
            dialect=view.dialect,
            transformers=HOW.replace(
                "example[0].contiguous().numpy().tobytes()", "repr(sorted(example.items())).encode()"
            )
            .replace("train_set", "train_dataset")
            .replace("val_set", "eval_dataset"),
            lightning=HOW,
            expected="none in both; otherwise the validation loss of the rest is higher, and right",
            risk="none for the training; results measured before on the old set no longer compare",
            verify=loss_is_finite(view, finding),
        )
