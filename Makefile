# Everything runs in an environment of its own, below this folder.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
FILE   ?= flows/data/countries.geojson

.PHONY: bench chain clean coverage demo docs lint lowest matrix test types unit wheel

demo: $(VENV)/.demo
	@$(BIN)/python flows/demo.py "$(FILE)"

chain: $(VENV)/.demo
	@$(BIN)/python flows/demo.py --chain "$(FILE)"

# Each stage is a run of pytest on both cores. What is `slow` runs with SLOW=1, what asserts seconds
# only with `make bench`.
MARKED   := not benchmark$(if $(SLOW),, and not slow)
PARALLEL := --dist worksteal -m "$(MARKED)"

# The units that need no Prefect server, without those that start processes of their own.
UNIT     := tests/unit/client tests/unit/emulator tests/test_architecture.py
# Where the environment has no bytecode kept, each process would compile all tests anew.
unit: export PYTHONDONTWRITEBYTECODE :=
unit: $(VENV)/.dev
	$(BIN)/pytest -n 3 --dist worksteal -m "not benchmark and not slow and not processes" $(UNIT)

# Prefect leaves connections of its own behind, so what uses a Prefect server has processes of its
# own. The tests of `tests/e2e` mostly wait, so they run beside the others; what they print comes at
# the end. A shell's background job ignores Ctrl-C, so it is ended with the rest by hand.
PREFECT  := tests/docs tests/unit/prefect
E2E_LOG  := .e2e.log
test: $(VENV)/.dev
	@$(BIN)/pytest -m "$(MARKED)" tests/e2e > $(E2E_LOG) 2>&1 & e2e=$$!; \
	trap 'kill $$e2e; exit 130' INT TERM; failed=0; \
	$(BIN)/pytest -n 4 $(PARALLEL) $(foreach folder,tests/e2e $(PREFECT),--ignore=$(folder)) \
		|| failed=1; \
	$(BIN)/pytest -n 2 $(PARALLEL) $(PREFECT) || failed=1; \
	wait $$e2e || failed=1; cat $(E2E_LOG); exit $$failed

# Every way to wait against every ending, and the trials with killed processes, with the seconds
# that they take written into docs/cancellation.md.
matrix: $(VENV)/.dev
	RECORD_MATRIX=1 $(BIN)/pytest tests/e2e
	$(BIN)/python -m tests.e2e.matrix_table

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/python -m tests.docs.operations
	$(BIN)/python -m tests.typing.task_stubs
	$(BIN)/pytest tests/docs

# On a machine that does nothing else.
bench: $(VENV)/.dev
	$(BIN)/pytest -m benchmark tests/benchmarks
	$(BIN)/python -m tests.benchmarks

# Both type checkers; pyright also finds what an editor would show.
types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

# Branch coverage of the client and the Prefect layer, without child processes; fails below the
# figure in pyproject.toml.
coverage: $(VENV)/.dev
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow" --cov --cov-report=term \
		tests/unit tests/resilience tests/parity tests/docs

# The oldest versions of Python, Prefect and the other dependencies that are supported.
PYTHON_LOWEST ?= python3.10
LOWEST        := .venv-lowest
lowest: $(LOWEST)/.dev
	$(LOWEST)/bin/pytest -n 2 --dist worksteal -m "not slow" $(UNIT)

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
	rm -rf $(VENV) $(LOWEST) .demo dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage* \
		$(E2E_LOG)

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
