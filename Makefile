# Everything runs in an environment of its own, below this folder.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
FILE   ?= flows/data/countries.geojson

.PHONY: cells chain demo test lint types docs bench coverage lowest wheel clean

demo: $(VENV)/.demo
	@$(BIN)/python flows/demo.py "$(FILE)"

chain: $(VENV)/.demo
	@$(BIN)/python flows/demo.py --chain "$(FILE)"

# On both cores, where most of it waits, but apart from what leaves Prefect's connections behind;
# what measures milliseconds runs alone. The cells of the table in docs/cancellation.md are tried side
# by side anyway: a third of them, all of them with SLOW=1.
QUICK    := $(if $(SLOW),, and not slow)
PARALLEL := --dist worksteal -m "not alone$(QUICK)"
test: $(VENV)/.dev
	$(BIN)/pytest -n 4 $(PARALLEL) --ignore=tests/e2e --ignore=tests/docs --ignore=tests/unit/prefect
	$(BIN)/pytest -n 2 $(PARALLEL) tests/docs tests/unit/prefect
	$(BIN)/pytest tests/unit/emulator tests/resilience -m "alone$(QUICK)"
	$(BIN)/pytest tests/e2e $(if $(SLOW),,-m "not slow")

# Every way of waiting against every ending, and the trials with killed processes: seven minutes.
cells: $(VENV)/.dev
	$(BIN)/pytest tests/e2e

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/python -m tests.docs.operations
	$(BIN)/python -m tests.typing.task_stubs
	$(BIN)/pytest tests/docs

bench: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks

# Both type checkers; pyright also finds what an editor would show.
types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/pyright

# Branch coverage of the client and the Prefect layer, without child processes; fails below the
# figure in pyproject.toml.
coverage: $(VENV)/.dev
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow" --cov --cov-report=term \
		tests/unit tests/resilience tests/parity tests/docs

# The oldest versions of Python, Prefect and the other dependencies that are supported.
PYTHON_LOWEST ?= python3.10
LOWEST        := .venv-lowest
lowest: $(LOWEST)/.dev
	$(LOWEST)/bin/pytest -n 2 --dist worksteal -m "not slow" tests/unit tests/test_architecture.py

$(LOWEST)/.dev: pyproject.toml tests/constraints-lowest.txt
	@test -x $(LOWEST)/bin/python || $(PYTHON_LOWEST) -m venv $(LOWEST)
	@echo "Installing (once) ..."
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check \
		--editable '.[dev]' --constraint tests/constraints-lowest.txt
	@touch $@

# The wheel and the source archive in dist/, checked, and imported in an environment of its own.
wheel:
	PYTHON=$(PYTHON) .ci/wheel

clean:
	rm -rf $(VENV) $(LOWEST) .demo dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*

$(VENV)/.demo: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[map,emulator]'
	@touch $@

$(VENV)/.dev: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.demo
