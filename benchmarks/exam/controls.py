"""Healthy trainings chosen to tempt: each looks, in one respect, like something that is wrong."""

from __future__ import annotations

from benchmarks.exam.training import Settings

CONTROLS = {
    "slow_power_law": Settings("teacher", "mlp", 2e-3, 2500, optimizer="plain_sgd", network_options={"depth": 3}),
    "cosine_to_zero": Settings("spirals", "mlp", 3e-3, 2000, schedule="cosine", examples=4000),
    "linear_to_zero_text": Settings("grammar", "gpt", 3e-3, 1000, batch=16, schedule="linear", warmup_steps=30),
    "warm_restarts": Settings("spirals", "mlp", 5e-3, 2100, schedule="restarts", examples=4000),
    "warm_restarts_images": Settings("images", "cnn", 3e-3, 1200, schedule="restarts", log_mean=True),
    "noise_floor": Settings("spirals", "mlp", 2e-3, 2500, data_options={"flipped": 0.3}),
    "noise_floor_numbers": Settings("teacher", "mlp", 3e-3, 2000, data_options={"noise": 1.0}),
    "tiny_batch": Settings("images", "cnn", 5e-4, 1500, batch=4, network_options={"norm": False}),
    "dropout_train_above_val": Settings("images", "cnn", 2e-3, 1200, network_options={"dropout": 0.5}),
    "dropout_deep": Settings("spirals", "mlp", 2e-3, 1800, network_options={"width": 96, "depth": 3, "dropout": 0.25}),
    "one_epoch_text": Settings("grammar", "gpt", 2e-3, 1000, batch=16, warmup_steps=40, clip=True),
    "frozen_backbone": Settings("images", "cnn", 5e-3, 1000, frozen=("0.", "1."), pretrained_steps=300),
    "noisy_small_validation": Settings("spirals", "mlp", 2e-3, 1500, validation_examples=24),
    "noisy_small_validation_images": Settings("images", "cnn", 1e-3, 1000, validation_examples=16, schedule="cosine"),
    "bfloat16": Settings("images", "cnn", 2e-3, 1000, halves=True),
    "bfloat16_text": Settings("grammar", "gpt", 2e-3, 900, batch=16, halves=True, clip=True),
    "grokking": Settings(
        "modular", "mlp", 2e-3, 3000, batch=128, weight_decay=0.5, network_options={"width": 96}, log_mean=True
    ),
    "saddle_escape": Settings(
        "linear_modes", "mlp", 2e-3, 2500, network_options={"depth": 2, "activation": "linear", "width": 24}
    ),
    "fine_tuning": Settings("images", "cnn", 3e-4, 800, pretrained_steps=500),
    "fine_tuning_text": Settings("grammar", "gpt", 5e-4, 800, batch=16, pretrained_steps=400, schedule="cosine"),
    "converged_early": Settings("recall", "recurrent", 5e-3, 1500, data_options={"symbols": 4, "length": 6}),
    "late_breakthrough": Settings("adding", "recurrent", 3e-3, 1800, clip=True, data_options={"length": 24}),
    "step_drops": Settings("images", "cnn", 0.05, 1200, optimizer="sgd", schedule="steps", examples=8000),
    "warm_up_long": Settings("grammar", "gpt", 3e-3, 900, batch=16, warmup_steps=300),
    "inverse_root": Settings("grammar", "gpt", 5e-3, 900, batch=16, schedule="inverse_root", warmup_steps=100),
    "large_batch": Settings("teacher", "residual_mlp", 3e-3, 1200, batch=512),
    "high_weight_decay": Settings("images", "cnn", 2e-3, 1200, weight_decay=0.1, schedule="cosine"),
    "clipped_warm_up": Settings("recall", "recurrent", 4e-3, 1200, clip=True, warmup_steps=100),
    "regularised_small_set": Settings(
        "images", "cnn", 1e-3, 1200, examples=8000, weight_decay=0.05, network_options={"dropout": 0.3}
    ),
    "sparse_relu": Settings("teacher", "mlp", 1e-3, 1200, network_options={"width": 256, "depth": 1}),
}
SEEDS = (11, 12, 13, 14)
