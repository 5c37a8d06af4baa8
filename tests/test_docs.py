"""The documents are true, as far as a machine can tell."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.conftest import UNDER_CI

from trainvitals.config import config_from_table
from trainvitals.rules.registry import all_rules

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "monitor" / "trainvitals"
HOOKS = ROOT / "hooks" / "trainvitals_hooks"
APP = ROOT / "app" / "trainvitals_app"
DOCUMENTS = sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("*/README.md")))

# Paths that a reader would have, not the repository.
NOT_OURS = ("runs/", "events.out", "trainer_state.json", "metrics.csv", "results.csv", "trainvitals.toml")


def read(document):
    return (ROOT / document).read_text(encoding="utf-8")


def prose(document):
    """The document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", read(document), flags=re.M | re.S)


def fenced(document, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", read(document), flags=re.M | re.S)


def named_paths(document):
    """What stands in backticks and looks like a path of ours."""
    top = {path.name for path in ROOT.iterdir()}
    for token in re.findall(r"`([^`\s<>*{}]+)`", prose(document)):
        is_path = token.split("/")[0] in top and ("/" in token or "." in token)
        if is_path and not token.startswith(NOT_OURS):
            yield token


def test_there_are_documents_to_check():
    expected = {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/README.md"}
    assert expected <= set(DOCUMENTS)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_exists(document):
    missing = [path for path in named_paths(document) if not (ROOT / path).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document):
    links = re.findall(r"\]\(([^)#:\s]+)\)", prose(document))
    assert [link for link in links if not (ROOT / document).parent.joinpath(link).exists()] == []


def test_the_map_has_every_module_and_folder_of_the_package():
    the_map = read("ARCHITECTURE.md").split("## The map")[1].split("## Which file")[0]
    folders = [f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")]
    modules = [path.name for path in PACKAGE.glob("*.py")]
    assert [name for name in (*folders, *modules) if f"`{name}`" not in the_map] == []


def test_every_path_in_the_map_exists():
    the_map = read("ARCHITECTURE.md").split("## The map")[1].split("In `hooks/trainvitals_hooks/`:")[0]
    named = [
        name
        for row in the_map.splitlines()
        for name in re.findall(r"`([^`]+)`", row.partition("|")[2].partition("|")[0])
    ]
    assert len(named) > 15
    assert [name for name in named if not (PACKAGE / name).exists()] == []


def test_the_changelog_names_every_rule():
    changelog = read("CHANGELOG.md")
    assert [rule.name for rule in all_rules() if not re.search(rf"\b{rule.name}\b", changelog)] == []


def test_the_settings_that_the_readme_shows_are_understood():
    (block,) = fenced("README.md", "toml")
    config = config_from_table(tomllib.loads(block)["tool"]["trainvitals"], where="README.md")
    assert config.fail_on == "error"
    assert {acceptance.finding for acceptance in config.accepted} == {"restarted-run", "loss-spikes"}


def test_the_python_that_the_readme_shows_runs(tmp_path, monkeypatch, capsys):
    block = next(block for block in fenced("README.md", "python") if "read_run" in block)
    shutil.copytree(ROOT / "sample_logs" / "overfitting", tmp_path / "runs" / "exp1")
    monkeypatch.chdir(tmp_path)
    exec(compile(ast.parse(block), "README.md", "exec"), {})
    assert "GEN001 overfitting" in capsys.readouterr().out


@pytest.mark.torch
def test_the_probe_that_contributing_shows_records_what_it_says(tmp_path, monkeypatch):
    import torch
    from tests.hooks.training import network, recorded, watching

    from trainvitals import tags
    from trainvitals_hooks.probes import registry

    (block,) = re.findall(r"^   ```python\n(.*?)^   ```$", read("CONTRIBUTING.md"), flags=re.M | re.S)
    (tag,) = re.findall(r"`LARGEST_WEIGHT = \"(.+?)\"`", read("CONTRIBUTING.md"))
    monkeypatch.setattr(tags, "LARGEST_WEIGHT", tag, raising=False)
    names = {"__name__": "a_probe"}
    exec(compile(textwrap.dedent(block), "CONTRIBUTING.md", "exec"), names)
    monkeypatch.setitem(registry.BY_NAME, "largest_weight", names["LargestWeight"])
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    expected = []
    with watching(model, optimizer, tmp_path, every=1, signals=["largest_weight"]) as vitals:
        for _ in range(5):
            model(torch.randn(8, 12)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            expected.append(max(parameter.abs().max().item() for parameter in model.parameters()))
    assert list(recorded(vitals.folder)[tag].values()) == pytest.approx(expected)


@pytest.mark.torch
def test_the_watched_loop_that_the_readme_shows_runs(tmp_path, monkeypatch):
    import torch

    import trainvitals

    block = next(block for block in fenced("README.md", "python") if "watch" in block)
    monkeypatch.chdir(tmp_path)
    model = torch.nn.Linear(4, 2)
    names = {
        "trainvitals": trainvitals,
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), 0.1),
        "loss_fn": torch.nn.functional.cross_entropy,
        "loader": [(torch.randn(8, 4), torch.randint(2, (8,))) for _ in range(12)],
    }
    exec(compile(ast.parse(block), "README.md", "exec"), names)
    names["vitals"].close()
    assert len(trainvitals.read_run(names["vitals"].folder).series["train/loss"]) == 12


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("framework", ["lightning", "transformers"])
def test_the_callback_that_the_readme_shows_is_taken(tmp_path, monkeypatch, framework):
    if find_spec(framework) is None and not UNDER_CI:
        pytest.skip(f"absent here: {framework}")
    import torch

    package = importlib.import_module(framework)
    block = next(block for block in fenced("README.md", "python") if f"integrations.{framework}" in block)
    monkeypatch.chdir(tmp_path)
    names = {framework: package, "model": torch.nn.Linear(4, 2), "train_dataset": [{}]}
    if framework == "transformers":
        names |= {"Trainer": package.Trainer, "arguments": package.TrainingArguments("out", use_cpu=True, report_to=[])}
    exec(compile(ast.parse(block), "README.md", "exec"), names)
    assert names["trainer"].__class__.__name__ == "Trainer"


def test_the_map_has_every_module_of_the_hooks():
    the_map = read("ARCHITECTURE.md").split("In `hooks/trainvitals_hooks/`:")[1].split("In `app/`")[0]
    modules = [path.name for path in HOOKS.glob("*.py") if path.name != "__init__.py"]
    assert [name for name in modules if f"`{name}`" not in the_map] == []
    named = re.findall(r"`([a-z_/]+\.py|[a-z_]+/)`", the_map)
    assert len(named) > 15
    assert [name for name in named if not (HOOKS / name).exists()] == []


def test_the_map_has_every_module_of_the_app():
    the_map = read("ARCHITECTURE.md").split("in `app/trainvitals_app/`:")[1].split("Beside it")[0]
    modules = [path.name for path in APP.glob("*.py") if path.name != "__init__.py"]
    folders = [f"{path.parent.name}/" for path in APP.glob("*/__init__.py")]
    assert [name for name in (*modules, *folders) if f"`{name}`" not in the_map] == []
    named = re.findall(r"`([a-z_/]+\.py|[a-z_]+/)`", the_map)
    assert [name for name in named if not (APP / name).exists()] == []


def test_every_rate_that_the_readme_shows_was_measured():
    rates = re.findall(r"\d+ of \d+", read("README.md"))
    assert len(rates) >= 5
    measured = read("benchmarks/README.md") + read("docs/accuracy.md")
    assert [rate for rate in rates if not re.search(rf"\b{rate}\b", measured)] == []


@pytest.mark.slow
def test_the_outputs_that_the_readme_shows_are_what_the_commands_print():
    script = ROOT / "scripts" / "update_readme.py"
    result = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "<!-- output of: trainvitals diagnose sample_logs -->" in read("README.md")
