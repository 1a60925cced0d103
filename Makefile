# Two commands do everything: `make demo` and `make test`. Both make their own environment in .venv; `make test`
# also puts AIPerf and Dynamo into the user's cache (1.4 GB, once). `make check` is the quick part of it.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= auto
OUT ?= out/llama-70b

.PHONY: demo test check coverage lint tools docs reports experiments calibrate operators bench soak clean

demo: $(VENV)/.installed
	$(BIN)/simkit recommend experiments/guide/llama-70b.yaml --gpu h100_sxm --total-gpus 40 -o $(OUT)
	@echo "the folder: $(OUT) (dgd.yaml, recommendation.json, candidates.csv, report.md, report.html, benchmark.sh)"

# A file stays on one worker: what its tests share is made once
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test: lint tools
	$(PYTEST) --durations=25

check: lint
	$(PYTEST) -m "not slow and not tools"

# Branch coverage of all tests, processes that tests start left out; the pages are in out/coverage
coverage: $(VENV)/.developer
	$(BIN)/python -m pytest -n $(JOBS) --cov --cov-report=term --cov-report=html:out/coverage

lint: $(VENV)/.developer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# AIPerf and Dynamo, each in an environment of its own in the user's cache: 1.4 GB, two or three minutes
tools: $(VENV)/.installed
	$(BIN)/simkit tools --make aiperf --make dynamo

# The documentation as a site that needs no server and no network: out/site/index.html. Broken links fail
docs: $(VENV)/.developer
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

reports: $(VENV)/.developer
	$(BIN)/python benchmarks/accuracy.py --write reports/accuracy/left_out.csv
	$(BIN)/python experiments/accuracy/report.py
	$(BIN)/python experiments/accuracy/ablation.py
	$(BIN)/python experiments/accuracy/misses.py
	$(BIN)/python experiments/accuracy/sla_choice.py
	$(BIN)/python experiments/accuracy/kept.py
	$(BIN)/python experiments/accuracy/intervals.py
	$(BIN)/python experiments/accuracy/budget.py
	$(BIN)/python experiments/model_sizes/table.py
	$(BIN)/python experiments/own_runs/report.py
	$(BIN)/python experiments/memory/report.py
	$(BIN)/python experiments/memory/implied.py
	$(BIN)/python experiments/gallery/build.py
	$(BIN)/python experiments/tour/readme.py

# Every shipped sweep, its table put into reports/experiments
experiments: $(VENV)/.installed
	$(BIN)/python experiments/sweeps/report.py

calibrate: $(VENV)/.developer
	$(BIN)/simkit fit --runs data/runs/serving_runs_fit.csv
	$(BIN)/python experiments/accuracy/guard.py

# TABLES: systems/data of an unpacked aiconfigurator-core 0.12.0 (docs/operators.md); about half an hour
operators: $(VENV)/.developer
	$(BIN)/simkit fit --operators $(TABLES)
	$(BIN)/python experiments/operators/report.py $(TABLES)

bench: $(VENV)/.developer
	$(BIN)/python benchmarks/whole_process.py
	$(BIN)/python benchmarks/operators.py
	$(BIN)/python benchmarks/search.py
	$(BIN)/python benchmarks/simulation.py
	$(BIN)/python benchmarks/experiments.py

# Damaged versions of every file that is read, for an hour: `make soak MINUTES=5` for less
MINUTES ?= 60
soak: $(VENV)/.developer
	$(BIN)/python experiments/faults/soak.py --minutes $(MINUTES)

$(VENV)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "simkit needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[cluster,validate]"
	@touch $@

$(VENV)/.developer: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
