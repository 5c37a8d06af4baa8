"""UPD008: the training starts from weights of the wrong size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from trainvitals import tags
from trainvitals.maths.depth_profile import growth_with_depth
from trainvitals.model import Evidence, Finding, LayerSeries, Series, Severity
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.rules.updates.wiring_record import WATCH
from trainvitals.view import RunView

KIND = "activation_std"
FEWEST_LAYERS = 4
"""With fewer, a layer of another kind at either end makes the profile."""

FEWEST_RECORDS = 3
SOON_SHARE = 0.1
"""Of the run: by then what the first steps had to take back is taken back."""

UNINFORMED_SPREADS = 0.5
"""Of the logits: a first loss this near to log Z gives the right answers no more than the mean logit."""

SMALLEST_EXCESS_NATS = 0.5
"""Over the uniform guess, where the number of classes is known: what handbooks allow a last layer."""

SAME_OUTPUT, EXACTLY = 0.5, 0.999
"""Cosine of row sums and mean over the records: both are of one batch, but of different samples of large outputs."""

FEWEST_TO_COMPARE = 8
UNREMARKABLE = 0.5
"""Of a limit: below it the start rules itself out."""

TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True)
class Start:
    """The first step of a training.

    Args:
        step: of it. last_step: of the record.
        output: the layer whose output is the model's; spread: standard deviation of its output at first.
        later_spread: the same in the second half of the run, NaN where that is not known.
        loss_tag: of the loss; loss: at first; later_loss: a tenth of the run later. NaN where not logged.
        log_z: of the model's output at first, NaN where not recorded. follows: how closely the model's output follows
            that of the layer, cosine of its row sums and the layer's mean; 0 where that is not known.
        classes: their number, where it follows exactly.
        layers: with weights, input side first. growth: output of the last third over that of the first third, NaN
            where there are too few. order: rank correlation of depth and size.
    """

    step: int
    last_step: int
    output: str
    spread: float
    later_spread: float
    loss_tag: str
    loss: float
    later_loss: float
    log_z: float
    follows: float
    classes: int | None
    layers: tuple[str, ...]
    growth: float
    order: float

    @property
    def is_uninformed(self) -> bool:
        """Whether these are logits that know nothing: the loss is that of guessing with them."""
        near = bool(abs(self.loss - self.log_z) <= UNINFORMED_SPREADS * self.spread)
        above = self.classes is None or self.loss >= np.log(self.classes) + SMALLEST_EXCESS_NATS
        return near and above and self.follows >= SAME_OUTPUT


class PoorInitialisation(Rule[Start]):
    """The training starts from weights of the wrong size.

    What it finds
    -------------
    Logits that are large before anything is learnt, so that the first loss lies far above that of a uniform guess;
    outputs of a regression that are many times those that are needed; and outputs that grow or shrink by orders of
    magnitude from the first layers to the last.

    Why it matters
    --------------
    The first steps go into taking back what was drawn at random, while the learning rate is set for learning. Large
    outputs saturate what follows and small ones vanish; a training may stay where that leaves it.

    How it is detected
    ------------------
    From the record of the first step only. Logits of standard deviation s that know nothing cost about log Z, which is
    s²/2 above the uniform guess among many classes. A finding needs s of at least `largest_logit_spread`, and a first
    loss within half of s of log Z, which that of a pretrained model is not; the layer must be the one that the model's
    output follows. For other losses the output must spread over
    `largest_output_share` times what it does in the second half of the run, and the first loss be as many times the
    loss a tenth of the run later. Along the depth, the median output of the last third of the layers with weights is
    divided by that of the first third: more than `largest_growth` or less than its inverse, in order of the depth (rank
    correlation of `smallest_order`), in at least four layers.

    False alarms
    ------------
    A pretrained model with the head of another task has large logits that know nothing, too: there the advice is to
    draw the head anew. Normalisation between layers makes the size of most weights harmless, and its outputs do not
    grow. A log that begins later than the training shows no first step and is not judged.

    What to try
    -----------
    An initialisation that keeps the size of what passes through; a last layer that starts near zero.

    Sources
    -------
    Karpathy 2019, "A recipe for training neural networks": verify the loss at the first step. Glorot and Bengio 2010;
    He et al. 2015. The limits in logits are arithmetic, the rest is ours.
    """

    code = "UPD008"
    name = "poor-initialisation"
    summary = "The training starts from weights of the wrong size."
    reads = (
        *(f"per_layer.{KIND}", "per_layer.activation_mean", "per_layer.weight_norm"),
        *("train_loss", tags.OUTPUT_LOG_Z, tags.OUTPUT_ROW_SUM),
    )
    thresholds = (
        Threshold(
            "largest_logit_spread",
            2.5,
            "He's rule gives a last layer on inputs of unit size about 1.4; 2.5 costs at least 0.7 nats over a uniform "
            "guess with two classes and 3 with many.",
            "arithmetic for normal logits; half a nat is what handbooks allow",
        ),
        Threshold(
            "largest_output_share",
            10.0,
            "Ten times too large costs a hundred times the variance of the targets.",
            "squared error",
        ),
        Threshold(
            "largest_growth",
            100.0,
            "Ordinary networks, normalised or not, lie within a factor of thirty.",
            "measured on the healthy networks of our exam: at most 16",
        ),
        Threshold(
            "smallest_order",
            0.8,
            "A wrong size of the weights acts layer by layer; a single layer that differs does not.",
            "rank correlation",
        ),
    )
    absorbs = ("not-learning", "exploding-gradients", "vanishing-gradients", "saturated-activations", "dead-units")
    interventions = ("better-initialisation", "longer-warmup")

    def measure(self, view: RunView) -> Start | NotEnough:
        outputs, weights, log_z = view.layers(KIND), view.layers("weight_norm"), view.recorded(tags.OUTPUT_LOG_Z)
        loss = view.train_loss
        if outputs is None or weights is None:
            return NotEnough((f"{KIND} of each layer",), WATCH)
        first_step = view.run.first_step
        if len(outputs) < FEWEST_RECORDS or first_step is None or int(outputs.step[0]) != first_step:
            return NotEnough()
        modules = {name.rpartition(".")[0] for name in weights.layers}
        kept = [index for index, name in enumerate(outputs.layers) if name in modules and outputs.value[0, index] > 0]
        if not kept or first_step > 1:
            return NotEnough()
        level = np.asarray(outputs.value[0, kept], np.float64)
        known = None if loss is None or not len(loss) else loss.curve
        begins = known is not None and int(known.step[0]) == first_step
        third = len(kept) // 3
        follows, classes = _same_output(view, outputs.layers[kept[-1]])
        deep = len(kept) >= FEWEST_LAYERS and bool(np.isfinite(level).all())
        return Start(
            step=first_step,
            last_step=int(outputs.step[-1]),
            output=outputs.layers[kept[-1]],
            spread=float(level[-1]),
            later_spread=_later(outputs, kept[-1]),
            loss_tag="" if loss is None else loss.tag,
            loss=float(known.value[0]) if begins and known is not None else np.nan,
            later_loss=_level_soon(known) if begins and known is not None else np.nan,
            log_z=np.nan if log_z is None or not len(log_z) or log_z.step[0] != first_step else float(log_z.value[0]),
            follows=follows,
            classes=classes,
            layers=tuple(outputs.layers[index] for index in kept),
            growth=float(np.median(level[-third:]) / np.median(level[:third])) if deep else np.nan,
            order=growth_with_depth(level) if deep else 0.0,
        )

    def judge(self, measurement: Start, limits: Mapping[str, float]) -> list[Finding]:
        found = list(_signs(measurement, limits))
        if not found:
            return []
        confidence, summary, evidence, layers = max(found, key=lambda sign: sign[0])
        return [
            self.finding(
                Severity.WARNING,
                min(0.97, confidence + 0.05 * (len(found) - 1)),
                summary,
                first_step=measurement.step,
                last_step=measurement.last_step,
                layers=layers,
                evidence=(*evidence, *(item for sign in found if sign[2] != evidence for item in sign[2])),
            )
        ]

    def rule_out(self, measurement: Start, limits: Mapping[str, float]) -> Evidence | None:
        start = measurement
        small = start.spread < UNREMARKABLE * limits["largest_logit_spread"]
        within = abs(np.log(start.growth)) < UNREMARKABLE * np.log(limits["largest_growth"])
        if not small or not (within or np.isnan(start.growth)):
            return None
        text = f"the output spread over {start.spread:.2g} at the first step"
        tag = tags.per_layer(KIND, start.output)
        return Evidence(text, tag, start.spread, limits["largest_logit_spread"], start.step)


_Sign = tuple[float, str, tuple[Evidence, ...], tuple[str, ...]]


def _signs(start: Start, limits: Mapping[str, float]) -> Iterator[_Sign]:
    tag = tags.per_layer(KIND, start.output)
    spread = Evidence(
        f"the output of {start.output} spreads over {start.spread:.3g} at the first step",
        signal=tag,
        value=start.spread,
        threshold=limits["largest_logit_spread"],
        step=start.step,
    )
    if start.spread >= limits["largest_logit_spread"] and start.is_uninformed:
        cost = f"the first loss is {start.loss:.4g}, and log Z of the output {start.log_z:.4g}: the logits know nothing"
        evidence: tuple[Evidence, ...] = (spread, Evidence(cost, start.loss_tag, start.loss, start.log_z, start.step))
        sure = 0.9 if start.spread >= 2 * limits["largest_logit_spread"] else 0.7
        text = f"the first loss is {start.loss:.3g}, far above a uniform guess: logits start {start.spread:.2g} wide"
        if start.classes is not None:
            guess = f"a uniform guess among {start.classes} classes costs {np.log(start.classes):.3g}"
            evidence += (Evidence(guess, start.loss_tag, start.loss, float(np.log(start.classes))),)
        yield sure, text, evidence, (start.output,)
    share = limits["largest_output_share"]
    # Not divided at once: a loss or an output that came to zero is as many times smaller as one likes.
    if start.spread >= share * start.later_spread and start.loss >= share * start.later_loss > 0:
        times, fell = start.spread / max(start.later_spread, TINY), start.loss / start.later_loss
        text = f"the output starts {times:.3g} times as wide as it is later, and the loss {fell:.3g} times as high"
        evidence = (spread, Evidence(text, tag, times, share, start.step))
        yield 0.85, text, evidence, (start.output,)
    if abs(np.log(start.growth)) >= np.log(limits["largest_growth"]):
        grows = start.growth > 1
        if (start.order if grows else -start.order) >= limits["smallest_order"]:
            change = f"{'grow' if grows else 'shrink'} {start.growth if grows else 1 / start.growth:.3g}-fold"
            text = f"outputs {change} from the first third of the layers to the last"
            growth = Evidence(f"{text}, at the first step", value=start.growth, threshold=limits["largest_growth"])
            order = f"in the order of their depth: rank correlation {start.order:.2f}"
            ordered = Evidence(order, value=start.order, threshold=limits["smallest_order"])
            yield 0.85, text, (growth, ordered), start.layers


def _same_output(view: RunView, layer: str) -> tuple[float, int | None]:
    """How closely the model's output follows that of a layer, and the number of columns if exactly."""
    means, sums = view.layers("activation_mean"), view.recorded(tags.OUTPUT_ROW_SUM)
    if means is None or sums is None or layer not in means.layers:
        return 0.0, None
    _, rows, places = np.intersect1d(means.step, sums.step, return_indices=True)
    mean = means.value[rows, means.layers.index(layer)]
    row_sum = np.asarray(sums.value, np.float64)[places]
    known = np.isfinite(mean) & np.isfinite(row_sum)
    mean, row_sum = mean[known], row_sum[known]
    size = float(np.linalg.norm(mean)) * float(np.linalg.norm(row_sum))
    if len(mean) < FEWEST_TO_COMPARE or not 0 < size < np.inf:
        return 0.0, None
    cosine = float(mean @ row_sum) / size
    columns = round(float(np.linalg.norm(row_sum) / np.linalg.norm(mean)))
    return cosine, columns if cosine >= EXACTLY and columns > 1 else None


def _later(outputs: LayerSeries, column: int) -> float:
    late = outputs.value[len(outputs) // 2 :, column]
    late = late[np.isfinite(late)]
    return float(np.median(late)) if len(late) else np.nan


def _level_soon(curve: Series) -> float:
    """Median of the loss around a tenth of the run; NaN where there is too little of it."""
    step, value = curve.step, curve.value
    share = (step - step[0]) / max(1, int(step[-1] - step[0]))
    near = value[(share >= SOON_SHARE) & (share <= 2 * SOON_SHARE)]
    return float(np.median(near)) if len(near) >= FEWEST_RECORDS else np.nan
