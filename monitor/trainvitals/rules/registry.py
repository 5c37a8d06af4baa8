"""The list of rules: the built-in ones by name, those of plugins by the entry point ``trainvitals.rules``."""

from __future__ import annotations

from collections.abc import Container, Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from trainvitals.errors import RuleContractError, UnknownRuleError
from trainvitals.model import Problem
from trainvitals.rules.rule import Rule

ENTRY_POINT = "trainvitals.rules"

# One line a rule: the module below ``trainvitals.rules`` and the class in it. Ordered by code.
BUILT_IN: tuple[tuple[str, str], ...] = (
    ("loss.non_finite_loss", "NonFiniteLoss"),
    ("loss.diverging_loss", "DivergingLoss"),
    ("loss.loss_spikes", "LossSpikes"),
    ("loss.not_learning", "NotLearning"),
    ("loss.plateau", "Plateau"),
    ("loss.periodic_loss", "PeriodicLoss"),
    ("loss.oscillating_loss", "OscillatingLoss"),
    ("loss.wrong_loss_input", "WrongLossInput"),
    ("gradients.vanishing_gradients", "VanishingGradients"),
    ("gradients.exploding_gradients", "ExplodingGradients"),
    ("gradients.clipping_saturated", "ClippingSaturated"),
    ("gradients.non_finite_gradients", "NonFiniteGradients"),
    ("gradients.gradient_noise_dominates", "GradientNoiseDominates"),
    ("gradients.batch_larger_than_needed", "BatchLargerThanNeeded"),
    ("updates.parameters_not_updated", "ParametersNotUpdated"),
    ("updates.updates_too_large", "UpdatesTooLarge"),
    ("updates.updates_too_small", "UpdatesTooSmall"),
    ("updates.stale_gradients", "StaleGradients"),
    ("updates.adam_epsilon_dominates", "AdamEpsilonDominates"),
    ("updates.weight_decay_dominates", "WeightDecayDominates"),
    ("updates.symmetric_initialisation", "SymmetricInitialisation"),
    ("updates.poor_initialisation", "PoorInitialisation"),
    ("updates.training_in_eval_mode", "TrainingInEvalMode"),
    ("activations.dead_units", "DeadUnits"),
    ("activations.saturated_activations", "SaturatedActivations"),
    ("activations.activation_growth", "ActivationGrowth"),
    ("activations.representation_collapse", "RepresentationCollapse"),
    ("activations.attention_collapse", "AttentionCollapse"),
    ("activations.attention_logit_growth", "AttentionLogitGrowth"),
    ("activations.output_logit_drift", "OutputLogitDrift"),
    ("learning_rate.learning_rate_too_high", "LearningRateTooHigh"),
    ("learning_rate.learning_rate_too_low", "LearningRateTooLow"),
    ("learning_rate.learning_rate_exhausted", "LearningRateExhausted"),
    ("learning_rate.missing_warmup", "MissingWarmup"),
    ("learning_rate.schedule_never_decays", "ScheduleNeverDecays"),
    ("generalisation.overfitting", "Overfitting"),
    ("generalisation.underfitting", "Underfitting"),
    ("generalisation.validation_leakage", "ValidationLeakage"),
    ("generalisation.validation_shift", "ValidationShift"),
    ("generalisation.overtraining", "Overtraining"),
    ("generalisation.forgetting", "Forgetting"),
    ("generalisation.noisy_validation", "NoisyValidation"),
    ("data.repeated_data", "RepeatedData"),
    ("data.limited_diversity", "LimitedDiversity"),
    ("data.unshuffled_data", "UnshuffledData"),
    ("data.starved_domain", "StarvedDomain"),
    ("data.bad_batches", "BadBatches"),
    ("data.label_noise_floor", "LabelNoiseFloor"),
    ("data.unnormalised_inputs", "UnnormalisedInputs"),
    ("numerics.loss_scale_collapse", "LossScaleCollapse"),
    ("numerics.low_precision_overflow", "LowPrecisionOverflow"),
    ("system.input_bound", "InputBound"),
    ("system.memory_growth", "MemoryGrowth"),
    ("system.throughput_drop", "ThroughputDrop"),
    ("system.step_time_outliers", "StepTimeOutliers"),
    ("system.straggler", "Straggler"),
    ("system.rank_desync", "RankDesync"),
    ("system.communication_bound", "CommunicationBound"),
    ("run.restarted_run", "RestartedRun"),
    ("run.stacked_runs", "StackedRuns"),
    ("run.nothing_to_judge", "NothingToJudge"),
    ("run.not_a_supervised_loss", "NotASupervisedLoss"),
    ("run.foreign_validation_row", "ForeignValidationRow"),
)


@cache
def all_rules() -> tuple[Rule[Any], ...]:
    """Every rule, ordered by code. A plugin that cannot be used is left out; ``broken_plugins`` names it."""
    return _load()[0]


@cache
def broken_plugins() -> tuple[Problem, ...]:
    """The plugins that cannot be used, each with the reason."""
    return _load()[1]


def find_rule(name: str) -> Rule[Any]:
    """The rule with this name or code, in any case.

    Raises:
        UnknownRuleError: there is none; the message names the closest.
    """
    for rule in all_rules():
        if name.casefold() in (rule.name.casefold(), rule.code.casefold()):
            return rule
    raise _unknown(name, (key for rule in all_rules() for key in (rule.name, rule.code)))


def select_rules(names: Iterable[str]) -> tuple[Rule[Any], ...]:
    """The rules that these names, codes or families stand for; all rules where no name is given.

    Raises:
        UnknownRuleError: a name stands for nothing.
    """
    names = tuple(names)
    if not names:
        return all_rules()
    chosen = []
    for name in names:
        matching = [rule for rule in all_rules() if name.casefold() in {key.casefold() for key in rule.names}]
        if not matching:
            raise _unknown(name, (key for rule in all_rules() for key in rule.names))
        chosen.extend(matching)
    return tuple(rule for rule in all_rules() if rule in chosen)


@cache
def _load() -> tuple[tuple[Rule[Any], ...], tuple[Problem, ...]]:
    rules = [_built_in(module, cls) for module, cls in BUILT_IN]
    problems: list[Problem] = []
    for entry in entry_points(group=ENTRY_POINT):
        try:
            rules.append(_plugin(entry, taken={key for rule in rules for key in (rule.code, rule.name)}))
        except Exception as error:  # a plugin is somebody else's code: whatever it raises, our own rules still run
            text = " ".join(f"{type(error).__name__}: {error}".split())
            problems.append(Problem("plugin-failed", f"entry point {entry.name}", f"{text}; its rule does not run"))
    return tuple(sorted(rules, key=lambda rule: rule.code)), tuple(problems)


def _built_in(module: str, cls: str) -> Rule[Any]:
    rule: Rule[Any] = getattr(import_module(f"trainvitals.rules.{module}"), cls)()
    return rule


def _plugin(entry: EntryPoint, taken: Container[str]) -> Rule[Any]:
    loaded = entry.load()
    if not (isinstance(loaded, type) and issubclass(loaded, Rule)):
        raise RuleContractError("a plugin must name a subclass of trainvitals.Rule")
    rule: Rule[Any] = loaded()
    for key in (rule.code, rule.name):
        if key in taken:
            raise RuleContractError(f"{key} is taken by another rule")
    return rule


def _unknown(name: str, known: Iterable[str]) -> UnknownRuleError:
    import difflib

    by_folded = {key.casefold(): key for key in known}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    hint = f"did you mean {by_folded[close[0]]}?" if close else "`trainvitals rules` lists them"
    return UnknownRuleError(f"no rule {name!r}", hint=hint)
