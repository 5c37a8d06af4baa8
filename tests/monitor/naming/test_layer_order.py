"""Layers in the order in which data flows through a model."""

from __future__ import annotations

import random

import pytest

from trainvitals.naming.layer_order import in_model_order

MODELS = {
    "GPT-2": [
        "transformer.wte.weight",
        "transformer.h.0.attn.weight",
        "transformer.h.2.attn.weight",
        "transformer.h.11.attn.weight",
        "transformer.ln_f.weight",
        "lm_head.weight",
    ],
    "Llama": ["model.embed_tokens", "model.layers.0.mlp", "model.layers.31.mlp", "model.norm", "lm_head"],
    "BERT": [
        "bert.embeddings.word_embeddings",
        "bert.encoder.layer.0.attention.output.dense",
        "bert.encoder.layer.11.attention.output.dense",
        "bert.pooler.dense",
        "classifier",
    ],
    "ResNet": ["conv1.weight", "layer1.0.conv1.weight", "layer2.0.conv1.weight", "layer4.1.conv2.weight", "fc.weight"],
    "VGG": ["features.0.weight", "features.28.weight", "classifier.0.weight", "classifier.6.weight"],
    "ViT": ["patch_embed.proj", "blocks.0.attn", "blocks.10.attn", "norm", "head"],
    "translation": [
        "encoder.embed_tokens",
        "encoder.layers.0",
        "encoder.layers.5",
        "decoder.embed_tokens",
        "decoder.layers.0",
        "decoder.layers.5",
        "decoder.final_layer_norm",
        "lm_head",
    ],
    "U-Net": ["conv_in", "down_blocks.0", "down_blocks.2", "mid_block", "up_blocks.0", "up_blocks.2", "conv_out"],
    "detector": ["backbone.layer1", "backbone.layer4", "neck.fpn", "head.cls"],
    "Keras": ["embedding", "conv2d", "conv2d_1", "conv2d_10", "dense", "dense_1"],
    "plain": ["fc1", "fc2", "fc10", "out"],
}


@pytest.mark.parametrize("name", MODELS)
def test_the_order_is_that_of_the_model_whatever_the_order_of_recording(name: str) -> None:
    shuffled = list(MODELS[name])
    random.Random(7).shuffle(shuffled)
    assert in_model_order(shuffled) == MODELS[name]
