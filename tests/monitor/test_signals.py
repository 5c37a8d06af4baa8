"""What each tag of a run means, and per-layer signals as arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.monitor.naming.made_runs import falling, histogram, level, run_of, schedule, series

from trainvitals.errors import ConfigError
from trainvitals.model import Run
from trainvitals.signals import LayerTags, SignalOverrides, understand
from trainvitals.tags import per_layer, validation_loss


def losses(*tags: str) -> Run:
    return run_of({tag: falling() for tag in tags})


class TestWhichLossIsJudgedBy:
    @pytest.mark.parametrize(
        ("train", "val", "rates"),
        [
            (("loss",), ("val_loss",), ()),
            (("train/loss",), ("val/loss",), ()),
            (("train/loss",), ("eval/loss",), ()),
            (("Loss/train",), ("Loss/val",), ()),
            (("train_loss_step",), ("val_loss",), ("lr-AdamW",)),
            (("Training Loss",), ("Validation Loss",), ()),
            (("trn_loss",), ("vld_loss",), ()),
            (("train_l1",), ("val_l1",), ()),
        ],
    )
    def test_the_naming_styles_that_peers_were_tried_on_and_two_of_strangers(
        self, train: tuple[str, ...], val: tuple[str, ...], rates: tuple[str, ...]
    ) -> None:
        run = run_of([series(tag, falling()) for tag in (*train, *val)] + [series(tag, schedule()) for tag in rates])
        signals = understand(run)
        assert (signals.train_loss, dict(signals.val_loss), signals.learning_rate) == (train, {"": val[0]}, rates)

    def test_a_curve_a_step_comes_before_one_point_an_epoch(self) -> None:
        run = run_of({"train_loss_epoch": falling(20), "train_loss_step": falling(1000)})
        assert understand(run).train_loss == ("train_loss_step", "train_loss_epoch")

    def test_of_equally_dense_curves_the_one_called_training_comes_first(self) -> None:
        assert understand(losses("loss", "train_loss")).train_loss == ("train_loss", "loss")

    def test_the_mean_of_the_whole_run_is_no_curve(self) -> None:
        signals = understand(run_of({"loss": falling(100), "train_loss": [0.7]}))
        roles = {role.tag: role for role in signals.roles}
        assert signals.train_loss[0] == "loss"
        assert (roles["train_loss"].role, roles["train_loss"].why) == ("train_loss_part", "one value for the whole run")

    def test_a_total_comes_before_larger_parts(self) -> None:
        run = run_of({"loss_box": 10 * falling(), "loss": falling(), "loss_cls": falling()})
        assert understand(run).train_loss == ("loss", "loss_box", "loss_cls")

    def test_without_a_total_the_largest_part_comes_first(self) -> None:
        sizes = {"train/box_loss": 1, "train/cls_loss": 3, "val/box_loss": 9, "val/cls_loss": 1}
        signals = understand(run_of([series(tag, size * falling()) for tag, size in sizes.items()]))
        assert signals.train_loss == ("train/cls_loss", "train/box_loss")
        assert list(signals.val_loss.items()) == [("cls", "val/cls_loss"), ("box", "val/box_loss")]

    def test_only_a_validation_loss_leaves_the_training_loss_empty(self) -> None:
        signals = understand(losses("val_loss", "rmse"))
        assert signals.train_loss == ()
        assert dict(signals.val_loss) == {"": "val_loss"}

    def test_only_a_hyper_parameter_metric_is_no_loss(self) -> None:
        signals = understand(run_of({"hp_metric": [-1.0]}))
        assert (signals.train_loss, dict(signals.val_loss), signals.metrics) == ((), {}, ())

    def test_a_run_without_tags_has_no_signals(self) -> None:
        signals = understand(run_of({}))
        assert signals.train_loss == ()
        assert signals.roles == ()

    def test_a_loss_without_a_finite_value_is_still_the_loss(self) -> None:
        assert understand(run_of({"loss": np.full(9, np.nan), "loss_aux": falling()})).train_loss[0] == "loss"

    def test_a_negative_evidence_bound_is_maximised_and_no_loss(self) -> None:
        signals = understand(run_of({"elbo": -falling()}))
        assert signals.train_loss == ()
        assert [(metric.tag, metric.better) for metric in signals.metrics] == [("elbo", "up")]
        assert understand(run_of({"elbo": falling()})).train_loss == ("elbo",)

    def test_a_negative_loss_is_a_loss(self) -> None:
        assert understand(run_of({"loss": -3 - 1 / falling()})).train_loss == ("loss",)

    def test_a_stand_in_says_why_it_is_one(self) -> None:
        roles = {role.tag: role for role in understand(losses("mae", "val_mae")).roles}
        assert roles["mae"].role == "train_loss"
        assert "mean absolute error" in roles["mae"].why


class TestSuites:
    def test_the_suites_that_our_own_hooks_write_come_back_as_they_were_named(self) -> None:
        names = ["", "code", "wiki-103", "a/b", "test", "Seg"]
        run = losses("train/loss", *(validation_loss(name) for name in names))
        assert understand(run).val_loss == {name: validation_loss(name) for name in names}

    def test_our_own_suites_keep_their_names_without_a_training_loss(self) -> None:
        run = losses(validation_loss("a/x"), validation_loss("a/y"))
        assert list(understand(run).val_loss) == ["a/x", "a/y"]

    def test_suites_of_hugging_face_in_natural_order(self) -> None:
        tags = [f"eval_g{index}_loss" for index in (10, 2, 1)]
        assert list(understand(losses("loss", *tags)).val_loss) == ["g1", "g2", "g10"]

    def test_the_unnamed_suite_and_validation_come_before_test(self) -> None:
        signals = understand(losses("train_loss", "test_loss", "val_loss", "val/code/loss"))
        assert list(signals.val_loss.items()) == [("", "val_loss"), ("code", "val/code/loss"), ("test", "test_loss")]

    def test_a_final_evaluation_of_one_point_comes_last(self) -> None:
        run = run_of({"loss": falling(), "val_loss": [0.4], "test_loss": falling()})
        assert next(iter(understand(run).val_loss.values())) == "test_loss"

    def test_a_part_that_training_has_too_is_no_suite(self) -> None:
        signals = understand(losses("train_loss", "train_mc_loss", "val_loss", "val_mc_loss"))
        assert dict(signals.val_loss) == {"": "val_loss"}

    def test_a_loss_on_other_data_that_is_larger_than_the_whole_is_a_suite(self) -> None:
        run = run_of({"train_loss": falling(), "val_loss": falling(), "val_loss_wikipedia": falling() + 0.5})
        assert dict(understand(run).val_loss) == {"": "val_loss", "wikipedia": "val_loss_wikipedia"}

    @pytest.mark.parametrize(("name", "part"), [("wikipedia", 0.2), ("kl", 3.0)])
    def test_what_the_whole_may_be_the_sum_of_is_a_part(self, name: str, part: float) -> None:
        run = run_of({"train_loss": falling(), "val_loss": falling(), f"val_loss_{name}": part * falling()})
        assert dict(understand(run).val_loss) == {"": "val_loss"}

    def test_where_training_has_parts_too_a_larger_one_is_no_suite(self) -> None:
        run = run_of(
            {"train_loss": falling(), "train_loss_x": falling(), "val_loss": falling(), "val_loss_y": falling() + 0.5}
        )
        assert dict(understand(run).val_loss) == {"": "val_loss"}

    def test_metrics_carry_their_suite(self) -> None:
        signals = understand(losses("loss", "eval_g0_loss", "eval_g1_loss", "eval_g1_accuracy"))
        assert [(metric.suite, metric.split) for metric in signals.metrics] == [("g1", "val")]


class TestMetrics:
    @pytest.mark.parametrize("tag", ["val_acc", "val/f1_macro", "metrics/mAP50", "eval_bleu", "val_explained_variance"])
    def test_better_when_higher(self, tag: str) -> None:
        assert [metric.better for metric in understand(losses("loss", tag)).metrics] == ["up"]

    @pytest.mark.parametrize("tag", ["error_rate", "val_wer", "val_rmse", "fid", "top1_err", "false_positive_rate"])
    def test_better_when_lower(self, tag: str) -> None:
        metrics = understand(losses("loss", "val_loss", tag)).metrics
        assert [metric.better for metric in metrics] == ["down"]

    @pytest.mark.parametrize("tag", ["l1", "l1_penalty", "weights/l1_norm", "train/l1_reg"])
    def test_an_l1_that_may_be_of_the_weights_is_no_measure(self, tag: str) -> None:
        assert understand(losses("loss", "val_loss", tag)).metrics == ()

    def test_a_bare_metric_is_of_training_where_bare_means_training(self) -> None:
        splits = {
            metric.tag: metric.split for metric in understand(losses("loss", "acc", "val_loss", "val_acc")).metrics
        }
        assert splits == {"acc": "train", "val_acc": "val"}

    def test_a_bare_metric_is_of_validation_where_training_is_named(self) -> None:
        assert understand(losses("train_loss", "valid_loss", "accuracy")).metrics[0].split == "val"


class TestValues:
    def test_a_rate_that_is_negative_or_huge_is_no_learning_rate(self) -> None:
        run = run_of({"lr": schedule(), "psnr/lr": 10 + level(), "lr_delta": -falling(), "top/lr": 1000 * falling()})
        assert "top/lr" not in understand(run).learning_rate
        assert "lr" in understand(run).learning_rate

    def test_a_schedule_by_name_counts_if_it_looks_like_one(self) -> None:
        noise = np.abs(np.sin(np.arange(50.0) ** 2))
        assert understand(run_of({"cosine-schedule": schedule()})).learning_rate == ("cosine-schedule",)
        assert understand(run_of({"cosine-schedule": noise})).learning_rate == ()

    def test_a_time_that_only_grows_is_no_step_time(self) -> None:
        signals = understand(run_of({"time": np.arange(20.0), "step_time": level()}))
        assert signals.step_time == ("step_time",)

    def test_tokens_of_a_batch_are_no_count(self) -> None:
        assert understand(run_of({"num_tokens": level()})).tokens == ()
        assert understand(run_of({"num_tokens": np.arange(9.0)})).tokens == ("num_tokens",)

    def test_the_norm_before_clipping_comes_first(self) -> None:
        tags = {"train/grad_norm": falling(), "train/grad_norm_before_clipping": falling()}
        assert understand(run_of(tags)).grad_norm[0] == "train/grad_norm_before_clipping"


class TestKindOfLearning:
    @pytest.mark.parametrize(
        "tags",
        [
            ("Losses/Policy Loss", "Losses/Value Loss", "Environment/Cumulative Reward"),
            ("rollout/ep_rew_mean", "train/loss"),
            ("charts/episodic_return", "losses/td_loss"),
            ("loss", "reward", "kl"),
            ("train/loss", "eval/loss", "train/reward", "eval/reward"),
            ("actor_loss", "critic_loss"),
            ("train/loss", "rollout/ep_len_mean"),
        ],
    )
    def test_reinforcement_learning_is_recognised(self, tags: tuple[str, ...]) -> None:
        signals = understand(losses(*tags))
        assert not signals.supervised
        assert "reinforcement learning" in signals.why_not_supervised

    @pytest.mark.parametrize(
        "tags",
        [
            ("loss_D", "loss_G"),
            ("Gen Loss", "Disc Loss"),
            ("train/generator_loss", "train/discriminator_loss"),
            ("loss/g/total", "loss/d/total"),
        ],
    )
    def test_an_adversarial_game_is_recognised(self, tags: tuple[str, ...]) -> None:
        signals = understand(losses(*tags))
        assert not signals.supervised
        assert "adversarial" in signals.why_not_supervised

    @pytest.mark.parametrize(
        "tags",
        [
            ("loss", "loss_q0", "loss_q3"),
            ("train/loss", "eval/loss", "train/entropy"),
            ("loss", "eval_loss", "rewards/chosen", "rewards/rejected"),
            ("train_loss", "val_loss", "val_reward"),
            ("train/kl", "train/recon_loss", "train/loss"),
            ("Policy Loss", "Value Loss", "Policy Accuracy", "test/Policy Loss"),
        ],
    )
    def test_supervised_learning_is_left_alone(self, tags: tuple[str, ...]) -> None:
        signals = understand(losses(*tags))
        assert signals.supervised
        assert signals.why_not_supervised == ""


class TestOverrides:
    def test_what_the_person_says_wins(self) -> None:
        run = losses("loss", "my_number", "val_loss", "other_number")
        told = SignalOverrides(train_loss=("my_number",), val_loss=("other_number",), learning_rate=("val_loss",))
        signals = understand(run, told)
        assert signals.train_loss == ("my_number",)
        assert dict(signals.val_loss) == {"": "other_number"}
        assert signals.learning_rate == ("val_loss",)
        assert {role.tag: role.role for role in signals.roles} == {
            "loss": "other",
            "my_number": "train_loss",
            "other_number": "val_loss",
            "val_loss": "learning_rate",
        }

    def test_several_validation_losses_become_suites_in_the_order_given(self) -> None:
        told = SignalOverrides(val_loss=("eval_b_loss", "eval_a_loss"))
        signals = understand(losses("loss", "eval_a_loss", "eval_b_loss", "eval_c_loss"), told)
        assert list(signals.val_loss.items()) == [("b", "eval_b_loss"), ("a", "eval_a_loss")]

    def test_the_rest_is_still_inferred(self) -> None:
        signals = understand(losses("a", "loss", "val_loss"), SignalOverrides(train_loss=("a",)))
        assert dict(signals.val_loss) == {"": "val_loss"}

    def test_a_tag_that_the_run_lacks_is_refused_with_the_closest_one(self) -> None:
        with pytest.raises(ConfigError, match=r"no tag 'train_los'.*closest is 'train_loss'"):
            understand(losses("train_loss", "val_loss"), SignalOverrides(train_loss=("train_los",)))

    def test_one_tag_in_two_roles_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="named as train-loss too"):
            understand(losses("loss"), SignalOverrides(train_loss=("loss",), val_loss=("loss",)))


class TestPerLayer:
    def test_layers_come_in_the_order_of_the_model(self) -> None:
        layers = ["lm_head", "transformer.h.10.mlp", "transformer.h.2.mlp", "transformer.wte", "transformer.ln_f"]
        run = losses(*(per_layer("grad_norm", layer) for layer in layers))
        assert understand(run).per_layer["grad_norm"].layers == (
            "transformer.wte",
            "transformer.h.2.mlp",
            "transformer.h.10.mlp",
            "transformer.ln_f",
            "lm_head",
        )

    @pytest.mark.parametrize(
        "pattern",
        [
            "gradients/{}",
            "grad_2.0_norm/{}",
            "{}/grad_norm",
            "{}.grad_norm",
            "grad_norm_{}",
            "GradientNorms/{}",
            "l2_norm/grad/{}",
            "optim/grad/{}.norm",
            "train/grad_norm/{}",
        ],
    )
    def test_gradient_norms_of_layers_under_foreign_names(self, pattern: str) -> None:
        names = ["layer1.weight", "layer2.weight"]
        group = understand(losses("loss", *(pattern.format(name) for name in names))).per_layer["grad_norm"]
        assert group.tags == tuple(pattern.format(name) for name in names)
        assert group.layers == tuple(names)

    def test_histograms_of_parameters_and_their_gradients(self) -> None:
        tags = ["fc1.weight", "fc1.weight.grad", "fc2.weight", "fc2.weight.grad"]
        run = run_of({"loss": falling()}, [histogram(tag, falling()) for tag in tags])
        per_layer_tags = understand(run).per_layer
        assert per_layer_tags["weight_norm"].tags == ("fc1.weight", "fc2.weight")
        assert per_layer_tags["grad_norm"].tags == ("fc1.weight.grad", "fc2.weight.grad")
        assert per_layer_tags["grad_norm"].source == "histograms"
        assert [role.role for role in understand(run).roles].count("per_layer.grad_norm") == 2

    def test_one_lone_part_is_no_per_layer_signal(self) -> None:
        assert understand(losses("loss", "grad_norm_encoder")).per_layer == {}

    def test_a_norm_of_all_layers_is_none_of_them(self) -> None:
        signals = understand(losses("grad_norm/total", "grad_norm/fc1", "grad_norm/fc2"))
        assert signals.grad_norm == ("grad_norm/total",)
        assert signals.per_layer["grad_norm"].layers == ("fc1", "fc2")

    def test_values_come_as_time_by_layer_with_gaps_as_nan(self) -> None:
        run = run_of([series("grad_norm/a", [1, 2, 3], [0, 2, 4]), series("grad_norm/b", [5, 6], [2, 3])])
        loaded = run.layers("grad_norm")
        nan = np.nan
        np.testing.assert_array_equal(loaded.step, [0, 2, 3, 4])
        np.testing.assert_array_equal(loaded.value, [[1, nan], [2, 5], [nan, 6], [3, nan]])

    def test_after_a_restart_the_later_record_counts(self) -> None:
        run = run_of([series("grad_norm/a", [1, 2, 3, 9, 8], [0, 1, 2, 1, 3]), series("grad_norm/b", [1.0], [0])])
        loaded = run.layers("grad_norm")
        np.testing.assert_array_equal(loaded.step, [0, 1, 3])
        np.testing.assert_array_equal(loaded.value[:, 0], [1, 9, 8])

    @pytest.mark.parametrize(
        ("kind", "factor"),
        [("weight_norm", 1.0), ("activation_mean", 0.1), ("activation_std", 0.5), ("activation_abs_max", 2.0)],
    )
    def test_histograms_give_the_statistic_of_their_kind(self, kind: str, factor: float) -> None:
        run = run_of({}, [histogram("h", [1.0, 3.0])])
        loaded = LayerTags(kind, ("h",), ("h",), "histograms").load(run)
        np.testing.assert_allclose(loaded.value, factor * np.array([[1.0], [3.0]]))

    @given(st.lists(st.lists(st.integers(0, 12), max_size=8), min_size=1, max_size=4))
    def test_loading_agrees_with_a_dictionary_of_cells(self, steps: list[list[int]]) -> None:
        curves = [series(f"grad_norm/{i}", np.arange(len(s)) + 100.0 * i, s) for i, s in enumerate(steps)]
        layers = tuple(str(i) for i in range(len(steps)))
        loaded = LayerTags("grad_norm", layers, tuple(curve.tag for curve in curves)).load(run_of(curves))
        expected = expected_cells(steps)
        found = {
            (int(step), column): float(loaded.value[row, column])
            for row, step in enumerate(loaded.step)
            for column in range(len(steps))
            if not np.isnan(loaded.value[row, column])
        }
        assert found == expected
        assert list(loaded.step) == sorted({step for step, _ in expected})


def expected_cells(steps: list[list[int]]) -> dict[tuple[int, int], float]:
    """Point by point: a step that comes again takes with it all that was recorded at it and after it."""
    cells: dict[tuple[int, int], float] = {}
    for column, column_steps in enumerate(steps):
        kept: dict[int, float] = {}
        for position, step in enumerate(column_steps):
            kept = {old: value for old, value in kept.items() if old < step}
            kept[step] = position + 100.0 * column
        cells |= {(step, column): value for step, value in kept.items()}
    return cells


PIECES = ("loss", "train", "val", "test", "eval", "lr", "grad", "norm", "acc", "step", "epoch", "total", "best", "mse")
WORDS = st.sampled_from((*PIECES, "reward", "gen", "disc", "fc1", "weight", "0", "2.0", "time"))
TAGS = st.lists(WORDS, min_size=1, max_size=5).flatmap(
    lambda words: st.sampled_from(["/", "_", ".", " ", "-", ""]).map(lambda separator: separator.join(words))
)
VALUES: st.SearchStrategy[NDArray[np.float64]] = st.lists(st.floats(width=32), min_size=0, max_size=6).map(
    lambda values: np.array(values, dtype=np.float64)
)


@given(st.dictionaries(TAGS | st.text(min_size=0, max_size=12), VALUES, max_size=12))
def test_whatever_the_tags_each_has_one_role_and_their_order_plays_no_part(
    columns: dict[str, NDArray[np.float64]],
) -> None:
    run = run_of(columns)
    signals = understand(run)
    assert sorted(role.tag for role in signals.roles) == sorted(columns)
    backwards = understand(run_of(list(run.series.values())[::-1]))
    assert backwards == signals
    assert list(backwards.val_loss.items()) == list(signals.val_loss.items())


def test_the_summary_counts_layers() -> None:
    signals = understand(losses("train/loss", "grad_norm/a", "grad_norm/b"))
    assert dict(signals.summary().per_layer) == {"grad_norm": 2}
