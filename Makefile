# The two commands that a stranger needs: `make demo` and `make test`. `make help` lists the rest.
# Each makes its own environment on first use, and again when pyproject.toml changes.

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$name; break; fi; done)

DEMO_VENV ?= .venv-demo
TRAIN_VENV ?= .venv-train
VENV ?= .venv
DEMO_READY := $(DEMO_VENV)/.ready
TRAIN_READY := $(TRAIN_VENV)/.ready
READY := $(VENV)/.ready
RUN := $(VENV)/bin/python -m
BENCHMARKS := real_logs injected_events plateau signals eventfile command_line catalogue

# Several test processes share the cores; threads inside each of them would only get in each other's way.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo demo-train environment test fast lint format bench samples clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */make \1|/' | awk -F'|' '{printf "  %-17s %s\n", $$1, $$2}'

demo: $(DEMO_READY)  ## install into .venv-demo, diagnose sample_logs/, say where to look next
	@$(DEMO_VENV)/bin/trainvitals diagnose sample_logs
	@echo
	@echo "Your own logs:      $(DEMO_VENV)/bin/trainvitals diagnose PATH"
	@echo "Why, and what now:  $(DEMO_VENV)/bin/trainvitals explain plateau"
	@echo "All rules:          $(DEMO_VENV)/bin/trainvitals rules"
	@echo "How a log was read: $(DEMO_VENV)/bin/trainvitals signals sample_logs/healthy"
	@echo "How these runs were made: sample_logs/*/scenario.toml"

demo-train: $(TRAIN_READY)  ## install into .venv-train with torch, train a sick model, follow the advice, show it healthy
	@$(TRAIN_VENV)/bin/trainvitals demo $(SCENARIO)

environment: $(READY)  ## make .venv with the development tools, and nothing else

test: lint  ## everything that guards a change: lint, types, imports, all tests
	$(RUN) pytest -n auto

fast: $(READY)  ## the tests that take no seconds, without the lint
	$(RUN) pytest -n auto -m "not slow" -q

lint: $(READY)  ## ruff, mypy --strict, import-linter
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(VENV)/bin/lint-imports

format: $(READY)  ## let ruff mend what it can
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

bench: $(READY)  ## measure again what benchmarks/README.md reports; takes a while
	@for name in $(BENCHMARKS); do echo "== $$name"; $(VENV)/bin/python benchmarks/$$name.py || exit 1; done

samples: $(TRAIN_READY)  ## train the runs in sample_logs/ again, with torch, in .venv-train
	$(TRAIN_VENV)/bin/python scripts/make_samples.py

clean:  ## remove the environments and caches
	rm -rf $(VENV) $(DEMO_VENV) $(TRAIN_VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(DEMO_READY): pyproject.toml
	$(call make_environment,$(DEMO_VENV),.)

# The torch of the tests, with which the samples were recorded.
$(TRAIN_READY): pyproject.toml tests/constraints.txt
	$(call make_environment,$(TRAIN_VENV),.[torch],--constraint tests/constraints.txt)

$(READY): pyproject.toml
	$(call make_environment,$(VENV),.[dev])

define make_environment
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer found; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing into $(1) (once)"
	@$(PYTHON) -m venv $(1)
	@$(1)/bin/python -m pip install --quiet $(3) --editable '$(2)'
	@touch $(1)/.ready
endef
