"""The trainings without a fault that faults are put into. Each is also run as it is: the clean twin.

``HELD_OUT`` names those that nothing may be tuned on; their results are reported apart.
"""

from __future__ import annotations

from benchmarks.exam.training import Settings

BASES = {
    "mlp_spirals_adam": Settings("spirals", "mlp", 2e-3, 1500, examples=3000, weight_decay=0.0),
    "mlp_teacher_sgd": Settings(
        "teacher", "mlp", 0.05, 1500, optimizer="sgd", schedule="cosine", weight_decay=1e-4, log_mean=True
    ),
    "mlp_deep_tanh": Settings(
        "spirals", "mlp", 1e-3, 1500, network_options={"depth": 6, "activation": "tanh"}, log_mean=True
    ),
    "cnn_images_adamw": Settings("images", "cnn", 2e-3, 1200, schedule="cosine", warmup_steps=60),
    "cnn_images_sgd": Settings(
        "images", "cnn", 0.05, 1200, optimizer="sgd", schedule="steps", examples=4000, weight_decay=1e-4, log_mean=True
    ),
    "gru_recall": Settings("recall", "recurrent", 3e-3, 1200, clip=True, data_options={"flipped": 0.1}),
    "lstm_adding": Settings(
        "adding", "recurrent", 5e-3, 1200, schedule="linear", clip=True, network_options={"cell": "LSTM"}, log_mean=True
    ),
    "gpt_grammar": Settings("grammar", "gpt", 3e-3, 1000, batch=16, schedule="cosine", warmup_steps=50, clip=True),
    "gpt_constant": Settings(
        "grammar", "gpt", 1e-3, 1000, batch=16, warmup_steps=20, log_mean=True, network_options={"depth": 3}
    ),
    "vit_images": Settings("images", "vit", 1e-3, 1000, schedule="cosine", warmup_steps=50, examples=5000),
    "residual_teacher": Settings("teacher", "residual_mlp", 2e-3, 1200, schedule="stable_then_decay"),
    "convolutions_recall": Settings(
        "recall", "convolutions_1d", 2e-3, 1200, data_options={"flipped": 0.15}, log_mean=True
    ),
    "residual_spirals_sgd": Settings(
        "spirals", "residual_mlp", 0.02, 1500, optimizer="sgd", examples=4000, weight_decay=5e-4
    ),
}
HELD_OUT = frozenset({"vit_images", "residual_teacher", "convolutions_recall", "residual_spirals_sgd"})
SEEDS = (1, 2, 3)
