"""LOS001: a loss is NaN or infinite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trainvitals import tags
from trainvitals.model import Evidence, Finding, Severity
from trainvitals.rules import logging_lines
from trainvitals.rules.loss.non_finite_events import Event, non_finite_events
from trainvitals.rules.rule import NotEnough, Rule, Threshold
from trainvitals.view import RunView


class NonFiniteLoss(Rule[tuple[Event, ...]]):
    """A training or validation loss is NaN or infinite.

    What it finds
    -------------
    Losses that become NaN or infinite: for good, or at single points from which they recover. Also a loss that drops to
    exactly 0.0 out of the blue and stays: the Hugging Face Trainer writes 0.0 instead of NaN unless
    `logging_nan_inf_filter` is off.

    Why it matters
    --------------
    Once the weights are NaN, every further step is lost; only a checkpoint from before helps. A single NaN batch that
    was skipped costs nothing, but many of them hide bad data or an overflow.

    How it is detected
    ------------------
    From the recorded values themselves. It is permanent where no finite value follows. It had a blow-up where the last
    finite values were above the level of the 50 before by 7 standard deviations and the factor 1.5, or where
    `diverging-loss` would have spoken; the finding is then dated from the start of the rise. Isolated values are an
    information up to `isolated_share` of all points, and a warning beyond. Zeros count where at least `zeros` of them
    end the log and the loss was nowhere near zero before, or where the gradient norm is not finite. Where our hooks
    recorded the run, they traced the first NaN to the module, the loss or the data; that is quoted.

    False alarms
    ------------
    Not reported: NaN in tags that are not losses; and values that were not computed: a loss without any finite value
    beside one that has some (a validation loss always), NaN before the first finite value, or NaN at more than 30 % of
    the steps between finite ones. A hinge or margin loss may reach exactly zero by learning, but then passes small
    values first.

    What to try
    -----------
    Go back to the last checkpoint before it and lower the learning rate or clip gradients if there was a blow-up; check
    inputs, labels and divisions if there was none; bfloat16 instead of float16; torch's anomaly detection names the
    operation.

    Sources
    -------
    Hugging Face `TrainingArguments.logging_nan_inf_filter`; the order of suspects (input, forward, loss, backward,
    optimizer) follows what numerical debuggers check first, for example `torch.autograd.detect_anomaly`.
    """

    code = "LOS001"
    name = "non-finite-loss"
    summary = "A training or validation loss is NaN or infinite."
    reads = ("train_loss", "val_loss", "grad_norm", "learning_rate")
    thresholds = (
        Threshold(
            "isolated_share",
            0.01,
            "Dynamic loss scaling meets about one overflow in 2000 steps in a healthy run; one point in a hundred is "
            "twenty times that.",
            "growth interval of torch.amp.GradScaler; the factor is ours",
        ),
        Threshold(
            "zeros",
            3,
            "A loss that was nowhere near zero is not exactly zero three times in a row.",
            "convention",
        ),
    )
    absorbs = (
        "activation-growth",
        "diverging-loss",
        "loss-spikes",
        "plateau",
        "not-learning",
        "overfitting",
        "exploding-gradients",
        "non-finite-gradients",
        "vanishing-gradients",
    )
    interventions = (
        "restore-checkpoint",
        "lower-learning-rate",
        "clip-gradients",
        "check-loss-inputs",
        "use-bfloat16",
        "anomaly-detection",
        "skip-bad-batches",
    )

    def measure(self, view: RunView) -> tuple[Event, ...] | NotEnough:
        if not view.losses:
            return NotEnough(("train_loss",), logging_lines.TRAIN_LOSS)
        return non_finite_events(view)

    def judge(self, measurement: tuple[Event, ...], limits: Mapping[str, float]) -> list[Finding]:
        events = [event for event in measurement if _counts(event, limits)]
        permanent = sorted((event for event in events if event.permanent), key=lambda event: event.began)
        if permanent:
            return [self._lasting(permanent)]
        return [self._isolated(events, limits)] if events else []

    def _lasting(self, events: list[Event]) -> Finding:
        first = events[0]
        trained_on = all(event.split == "val" and event.outlived_by for event in events)
        certain = first.kind != "zero" and (first.count > 1 or first.blow_up_step is not None)
        unknown = ", before anything else was logged"
        how = unknown if first.last_finite is None else ", out of the blue"
        how = ", after a blow-up" if first.blow_up_step is not None else how
        what = "is exactly 0.0, which stands for NaN," if first.kind == "zero" else f"is {first.kind}"
        return self.finding(
            Severity.WARNING if trained_on else Severity.ERROR,
            0.99 if certain or first.gradient_not_finite else 0.9,
            f"{first.tag} {what} from step {first.first_step:,} on{how}",
            first_step=min(event.began for event in events),
            last_step=max(event.last_step for event in events),
            layers=_layers(events),
            evidence=(*_origins(events), *(evidence for event in events for evidence in _evidence(event))),
        )

    def _isolated(self, events: list[Event], limits: Mapping[str, float]) -> Finding:
        worst = max(events, key=lambda event: event.count / event.points)
        share = worst.count / worst.points
        often = share > limits["isolated_share"] and worst.count > 1
        return self.finding(
            Severity.WARNING if often else Severity.INFO,
            0.95,
            f"{worst.tag} is {worst.kind} at {worst.count:,} of {worst.points:,} points and recovers",
            first_step=min(event.first_step for event in events),
            last_step=max(event.last_step for event in events),
            layers=_layers(events),
            evidence=(*_origins(events), *(_points(event, limits) for event in events)),
        )


def _points(event: Event, limits: Mapping[str, float]) -> Evidence:
    return Evidence(
        f"{event.count:,} of {event.points:,} points are {event.kind}, first at step {event.first_step:,}",
        signal=event.tag,
        value=event.count / event.points,
        threshold=limits["isolated_share"],
        step=event.first_step,
    )


def _layers(events: list[Event]) -> tuple[str, ...]:
    """The module that the hooks named."""
    named = (event.origin.module for event in events if event.origin is not None)
    return tuple(dict.fromkeys(module for module in named if module))


def _origins(events: list[Event]) -> Iterator[Evidence]:
    """What the hooks found out, once, however many losses show it."""
    for origin in dict.fromkeys(event.origin for event in events if event.origin is not None):
        yield Evidence(f"step {origin.step:,}: {origin.text}", signal=tags.NON_FINITE_ORIGIN, step=origin.step)


def _counts(event: Event, limits: Mapping[str, float]) -> bool:
    never_computed = event.count == event.points and event.outlived_by is not None
    stands_for_nan = event.count >= limits["zeros"] or event.gradient_not_finite
    return not never_computed and (event.kind != "zero" or stands_for_nan)


def _evidence(event: Event) -> Iterator[Evidence]:
    value = {"NaN": float("nan"), "infinite": float("inf"), "zero": 0.0}[event.kind]
    shown = "0.0" if event.kind == "zero" else event.kind
    yield Evidence(
        f"{shown} at step {event.first_step:,} and at all {event.count:,} points from there on",
        signal=event.tag,
        value=value,
        step=event.first_step,
    )
    if event.last_finite is not None:
        led = "" if event.blow_up_from is None else f", after a rise from {event.blow_up_from:.4g} "
        since = "" if event.blow_up_from is None else f"since step {event.blow_up_step:,}"
        yield Evidence(
            f"the last value before was {event.last_finite:.4g} at step {event.last_finite_step:,}{led}{since}",
            signal=event.tag,
            value=event.last_finite,
            threshold=event.blow_up_from,
            step=event.last_finite_step,
        )
    if event.gradient_not_finite:
        yield Evidence("the gradient norm is not finite either from there on", step=event.first_step)
    if event.outlived_by is not None:
        yield Evidence(f"{event.outlived_by} has finite values later than that", signal=event.outlived_by)
