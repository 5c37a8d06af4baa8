"""``docs/recording.md`` is what its script makes, and every signal that a rule reads is one that the hooks record."""

from __future__ import annotations

import importlib.util
import math
import re
from pathlib import Path

import pytest
import torch
from tests.hooks.training import CLASSES, batches, network, watching

from trainvitals import read_run, tags
from trainvitals.reads import OF_A_LAYER
from trainvitals.rules.registry import BUILT_IN, all_rules
from trainvitals.signals import understand
from trainvitals_hooks.probes.registry import FULL

ROOT = Path(__file__).resolve().parents[2]
RULES = [rule for rule in all_rules() if type(rule).__name__ in {name for _, name in BUILT_IN}]
FOREIGN_LOGS_ONLY: frozenset[str] = frozenset()
"""Rules that no run of our own hooks can satisfy; the page says so of them."""

NOT_OF_EVERY_TRAINING = frozenset(
    {
        *(tags.LOSS_SCALE, tags.SKIPPED_STEPS, tags.NON_FINITE_ORIGIN),
        *(tags.GRADIENT_NOISE_SCALE, tags.COMMUNICATION_TIME_S, tags.PARAMETER_CHECKSUM),
        *(tags.ACCELERATOR_MEMORY_BYTES, tags.TOKEN_DIVERSITY, tags.EVERY),
    }
)
"""What only trainings with a scaled loss, a broken step, micro-batches, several processes, an accelerator, token ids or
a budget that does not suffice have."""


@pytest.fixture(scope="module")
def recording():
    spec = importlib.util.spec_from_file_location("recording", ROOT / "scripts" / "recording.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_its_script_makes_now(recording):
    page = (ROOT / "docs" / "recording.md").read_text(encoding="utf-8")
    assert page == recording.made(), "run scripts/recording.py"


def test_the_page_has_every_tag_of_the_catalogue_once(recording):
    numbers = recording.made().split("## Texts")[0]
    rows = re.findall(r"^\| `([^`]+)` \|", numbers, flags=re.M)
    assert sorted(rows) == sorted(map(recording.shown, recording.catalogue()))


def test_a_cell_ends_no_row(recording):
    widths = {line.count("|") for line in recording.made().splitlines() if line.startswith("|")}
    assert widths == {4, 5, 6}


@pytest.mark.parametrize("probe", FULL, ids=lambda probe: probe.name)
def test_a_probe_writes_what_the_catalogue_has(probe, recording):
    assert set(probe.writes) <= set(recording.catalogue())
    assert not set(probe.writes) & set(recording.WITHOUT_PROBE) - {tags.STEP_TIME_S}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_a_rule_reads_is_recorded_by_something(rule, recording):
    assert rule.reads
    lacking = [read for read in rule.reads if not recording.sources(read)]
    assert bool(lacking) == (rule.name in FOREIGN_LOGS_ONLY), lacking


def test_a_rule_that_no_record_of_ours_satisfies_is_marked(recording, monkeypatch):
    monkeypatch.setattr(type(RULES[0]), "reads", (f"{OF_A_LAYER}attention_temperature",))
    row = next(line for line in recording.made().splitlines() if line.startswith(f"| `{RULES[0].name}` |"))
    assert "**foreign logs only**" in row


class Attending(torch.nn.Module):
    """A model with all parts that a signal can be of."""

    def __init__(self):
        super().__init__()
        self.inner = network()

    def forward(self, x):
        keys = x.view(len(x), 1, -1, CLASSES)
        return self.inner(x) + torch.nn.functional.scaled_dot_product_attention(keys, keys, keys).mean((1, 2))


def each_loss(model, batch):
    return torch.nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


@pytest.fixture(scope="module")
def signals_of_a_watched_run(tmp_path_factory):
    model = Attending()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    with watching(model, optimizer, tmp_path_factory.mktemp("run"), every=2, signals="full") as vitals:
        vitals.probe_set(next(iter(batches(1))), each_loss)
        for inputs, targets in batches(50):
            output = model(inputs)
            loss = torch.nn.functional.cross_entropy(output, targets)
            loss.backward()
            vitals.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            vitals.log(loss=loss, accuracy=(output.argmax(1) == targets).float(), tokens=5, samples=2, epoch=0.5)
            vitals.log_validation(loss=math.log(CLASSES))
    return understand(read_run(vitals.folder))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_watched_run_has_all_that_a_rule_reads(rule, signals_of_a_watched_run):
    signals = signals_of_a_watched_run
    recorded = {role.tag for role in signals.roles}
    for read in set(rule.reads) - {"rewards"} - NOT_OF_EVERY_TRAINING:
        kind = read.removeprefix(OF_A_LAYER)
        assert kind in signals.per_layer if kind != read else read in recorded or getattr(signals, read), read
