# Everything runs in an environment of its own, below this folder.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
FILE   ?= flows/data/countries.geojson

.PHONY: cells chain demo test lint docs bench clean

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
	$(BIN)/pytest tests/docs

bench: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf $(VENV) .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis

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
