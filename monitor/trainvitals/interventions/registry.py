"""The list of interventions, by name."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from trainvitals.interventions.intervention import Intervention

# One line an intervention: the module below ``trainvitals.interventions`` and the class in it, in alphabetical order.
BUILT_IN: tuple[tuple[str, str], ...] = (
    ("adaptive_learning_rate", "AdaptiveLearningRate"),
    ("anneal_learning_rate", "AnnealLearningRate"),
    ("anomaly_detection", "AnomalyDetection"),
    ("average_weights", "AverageWeights"),
    ("better_initialisation", "BetterInitialisation"),
    ("broadcast_weights", "BroadcastWeights"),
    ("check_labels", "CheckLabels"),
    ("check_loss_inputs", "CheckLossInputs"),
    ("check_slow_device", "CheckSlowDevice"),
    ("check_wiring", "CheckWiring"),
    ("clip_gradients", "ClipGradients"),
    ("clip_queries_and_keys", "ClipQueriesAndKeys"),
    ("compare_splits", "CompareSplits"),
    ("data_mixing", "DataMixing"),
    ("deduplicate_splits", "DeduplicateSplits"),
    ("dynamic_curriculum", "DynamicCurriculum"),
    ("early_stopping", "EarlyStopping"),
    ("empty_gradients", "EmptyGradients"),
    ("exchange_less_often", "ExchangeLessOften"),
    ("extend_schedule", "ExtendSchedule"),
    ("feed_data_faster", "FeedDataFaster"),
    ("fixed_probe_set", "FixedProbeSet"),
    ("larger_model", "LargerModel"),
    ("log_more_often", "LogMoreOften"),
    ("log_the_loss", "LogTheLoss"),
    ("longer_warmup", "LongerWarmup"),
    ("look_at_batches", "LookAtBatches"),
    ("lower_adam_beta2", "LowerAdamBeta2"),
    ("lower_adam_epsilon", "LowerAdamEpsilon"),
    ("lower_attention_rate", "LowerAttentionRate"),
    ("lower_learning_rate", "LowerLearningRate"),
    ("lower_weight_decay", "LowerWeightDecay"),
    ("more_data", "MoreData"),
    ("more_regularisation", "MoreRegularisation"),
    ("normalise_inputs", "NormaliseInputs"),
    ("normalise_layers", "NormaliseLayers"),
    ("normalise_queries_and_keys", "NormaliseQueriesAndKeys"),
    ("other_activation", "OtherActivation"),
    ("overfit_one_batch", "OverfitOneBatch"),
    ("own_all_parameters", "OwnAllParameters"),
    ("pass_logits", "PassLogits"),
    ("profile_slow_steps", "ProfileSlowSteps"),
    ("raise_batch_size", "RaiseBatchSize"),
    ("raise_clip_limit", "RaiseClipLimit"),
    ("raise_learning_rate", "RaiseLearningRate"),
    ("recycle_units", "RecycleUnits"),
    ("release_memory", "ReleaseMemory"),
    ("replay_old_data", "ReplayOldData"),
    ("residual_connections", "ResidualConnections"),
    ("restore_checkpoint", "RestoreCheckpoint"),
    ("separate_log_folders", "SeparateLogFolders"),
    ("shuffle_data", "ShuffleData"),
    ("skip_bad_batches", "SkipBadBatches"),
    ("smaller_batch", "SmallerBatch"),
    ("stop_and_keep_best", "StopAndKeepBest"),
    ("training_mode", "TrainingMode"),
    ("use_bfloat16", "UseBfloat16"),
    ("z_loss", "ZLoss"),
)


@cache
def all_interventions() -> dict[str, Intervention]:
    """Every intervention by its name."""
    loaded = [getattr(import_module(f"trainvitals.interventions.{module}"), cls)() for module, cls in BUILT_IN]
    return {intervention.name: intervention for intervention in loaded}
