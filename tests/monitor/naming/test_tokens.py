"""The words of a tag, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainvitals.naming.tokens import natural_key, read_name, stem, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trainLoss_step", ("train", "loss", "step")),
        ("train-loss.step", ("train", "loss", "step")),
        ("TrainLOSS", ("train", "loss")),
        ("MSELoss", ("mse", "loss")),
        ("RPNLoss", ("rpn", "loss")),
        ("F1Score", ("f1", "score")),
        ("metrics mAP50-95(B)", ("metrics", "map50", "95", "b")),
        ("valloss", ("val", "loss")),
        ("lossval", ("loss", "val")),
        ("celoss", ("ce", "loss")),
        ("learningrate", ("learning", "rate")),
        ("layernorm", ("layernorm",)),
        ("lossless", ("lossless",)),
        ("ｌｏｓｓ", ("loss",)),
        ("验证损失", ("val", "loss")),
        ("", ()),
        ("/_.-", ()),
    ],
)
def test_words_are_found_whatever_separates_them(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


def test_segments_follow_the_slashes() -> None:
    name = read_name("/val//code/lossStep/")
    assert name.texts == ("val", "code", "lossStep")
    assert name.segments == (("val",), ("code",), ("loss", "step"))
    assert name.last == ("loss", "step")
    assert name.words == ("val", "code", "loss", "step")


def test_a_folder_of_add_scalars_is_read_as_the_curve_behind_the_tag() -> None:
    assert read_name("data_loss_trn/data/loss").texts == ("data", "loss", "trn")


def test_a_number_that_sorts_is_left_out_but_a_layer_number_stays() -> None:
    assert read_name("1_Loss/02-Total").texts == ("Loss", "Total")
    assert read_name("0.weight").texts == ("0.weight",)


def test_numbers_sort_by_value() -> None:
    names = ["h.10.w", "h.2.w", "h", "h.1.w"]
    assert sorted(names, key=natural_key) == ["h", "h.1.w", "h.2.w", "h.10.w"]


@given(st.text(), st.text())
def test_different_texts_never_share_a_key(one: str, other: str) -> None:
    assert (natural_key(one) == natural_key(other)) == (one == other)


def test_a_stem_has_no_digits_at_its_end() -> None:
    assert (stem("lr0"), stem("top5"), stem("f1x"), stem("12")) == ("lr", "top", "f1x", "")


@given(st.text())
def test_any_text_gives_lower_case_words_without_separators(text: str) -> None:
    for word in words_of(text):
        assert word
        assert word == word.lower()
        assert "/" not in word
        assert not word.isspace()
