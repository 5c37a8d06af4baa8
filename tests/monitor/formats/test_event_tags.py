"""Names of tags in subfolders."""

from __future__ import annotations

import pytest

from trainvitals.formats.event_tags import tag_in_run


@pytest.mark.parametrize(
    ("prefix", "tag", "only_tag", "expected"),
    [
        ("", "loss", True, "loss"),
        ("train", "loss", True, "train/loss"),
        ("train", "loss", False, "train/loss"),
        ("loss_train", "loss", True, "loss/train"),
        ("loss_train", "loss", False, "loss_train/loss"),
        ("Loss_total_val", "Loss/total", True, "Loss/total/val"),
        ("loss_a/b", "loss", True, "loss/a/b"),
        ("train/loss_a", "loss", True, "train/loss/a"),
        ("loss_", "loss", True, "loss_/loss"),
        ("loss", "loss", True, "loss/loss"),
        ("l.ss_x", "l+ss", True, "l.ss_x/l+ss"),
        ("1700000000.123", "hparam/accuracy", True, "hparam/accuracy"),
        ("1700000000.123", "loss", True, "hparams/loss"),
        ("train/1700000000", "loss", False, "train/hparams/loss"),
        ("12345", "loss", True, "12345/loss"),
    ],
)
def test_a_tag_is_named_after_its_subfolder_unless_a_writer_made_that(prefix, tag, only_tag, expected):
    assert tag_in_run(prefix, tag, only_tag=only_tag) == expected
