"""The one line that would log a missing signal: plain PyTorch and TensorBoard, for pasting into any loop."""

from __future__ import annotations

from trainvitals import tags

TRAIN_LOSS = f'writer.add_scalar("{tags.TRAIN_LOSS}", loss.item(), step)'
VALIDATION_LOSS = f'writer.add_scalar("{tags.VALIDATION_LOSS}", val_loss, step)'
LEARNING_RATE = f'writer.add_scalar("{tags.learning_rate(0)}", optimizer.param_groups[0]["lr"], step)'
EPOCH = f'writer.add_scalar("{tags.EPOCH}", epoch, step)'
GRADIENT_NORM = (
    f'writer.add_scalar("{tags.GRADIENT_NORM}", torch.nn.utils.clip_grad_norm_(model.parameters(), float("inf")), step)'
)
GRADIENT_NORM_OF_EACH_LAYER = (
    f'for name, p in model.named_parameters(): writer.add_scalar("{tags.per_layer("grad_norm", "")}" + name, '
    "p.grad.norm(), step)"
)
WATCH = ACTIVATIONS = "vitals = trainvitals.watch(model, optimizer)"
ALL_SIGNALS = 'vitals = trainvitals.watch(model, optimizer, signals="full")'
CLIP = "vitals.clip_grad_norm_(model.parameters(), max_norm)"
