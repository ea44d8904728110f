# Every target sets itself up: a virtual environment in .venv, with the versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
# a process for each of up to four cores; beside other work torch's threads would spend their time waiting for each other
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: .venv/installed  ## the main job on handwritten digits: three dense networks, 270 retrainings, tables and figures
	$(BIN)/python -m oraclecheck -m combo=all repeat=0,1 pretrain.seed=0,1,2 'pruning.ratio={conv1: 0.2}' study=demo engine=auto
	$(BIN)/python -m oraclecheck.report multirun/demo-*

experiments: .venv/installed  ## the papers' studies: their cost, data and command
	$(BIN)/python -m oraclecheck.experiments

test: .venv/installed-dev  ## what a fresh clone needs to be believed (8 minutes on 2 cores)
	$(PYTEST) -m "not slow and not gpu"

test-all: .venv/installed-all  ## the same and the slow tests; on a machine with a GPU, its tests too
	$(PYTEST)

check: .venv/installed-dev  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed-dev  ## speed, as ratios measured side by side (MNIST from $$ORACLECHECK_DATA)
	$(BIN)/python benchmarks/bench.py

faults: .venv/installed-all  ## kill -9 at random instants, full disks, wrong clocks: a table of what is lost (20 minutes)
	OMP_NUM_THREADS=1 PYTHONPATH=tests:tests/support $(BIN)/python -m faults

fuzz: .venv/installed-dev  ## 10,000 inputs that are wrong or hostile: a table of what was found (half an hour)
	OMP_NUM_THREADS=1 PYTHONPATH=tests:tests/support $(BIN)/python -m fuzz

results: .venv/installed  ## every table and figure of the README and docs/findings.md, from results/ (a minute, no training)
	$(BIN)/python docs/findings.py

clean:  ## remove the virtual environment and caches, never results
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.venv/installed-all: .venv/installed-dev
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,ray,slurm]'
	touch $@

.PHONY: help demo experiments test test-all check bench faults fuzz results clean
