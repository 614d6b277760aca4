# Everything a person types. `make` alone says what there is.
PYTHON ?= python3
NAME ?=
PORT ?=
PREFECT_PORT ?= 4200
POOL ?=
Q ?=
DIR ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DATABASE := sqlite:///mlflow.db
# Debian's Python without python3-venv: its own pip puts a pip into the environment.
WITHOUT_ENSUREPIP = { $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }
TABLE := from tasks.evaluate.table import table; from tasks.shared.artifacts.scores import read_scores; \
	scores = read_scores(); print(table(scores) if scores.systems else scores.note)

# No tool here reports home.
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
# uv installs no bytecode. Where Python was told to write none, every program would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
# What is typed as Q, DIR, NAME or POOL reaches a command as one argument, whatever is in it.
export Q := $(value Q)
export DIR := $(value DIR)
export NAME := $(value NAME)
export POOL := $(value POOL)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo videos profile ready search trace verify ui serve deploy worker test check deps format lock clean

# Where Prefect's server is and keeps its data, unless the user says otherwise. Tests have servers of their own.
ui serve deploy worker: export PREFECT_API_URL ?= http://127.0.0.1:$(PREFECT_PORT)/api
ui serve deploy worker: export PREFECT_HOME ?= $(CURDIR)/.prefect

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-9s%s\n' "$$name" "$$what"; done

setup: $(READY)  ## a virtual environment in .venv with everything the demo and the tests need

# torch goes in by pip, alone: pip takes a CPU wheel where the machine offers one (find-links or an extra index), the
# registry's build elsewhere. uv sees neither offer, but installs the rest in a tenth of pip's time.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "reeltrace needs Python 3.11 or newer, this is " \
		+ sys.version.split()[0] + "; name another: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV) >/dev/null || $(WITHOUT_ENSUREPIP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock uv torch
	$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup  ## from videos to a score: the whole pipeline on a corpus made here; what is done is not done again
	@PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro
	@echo && $(BIN)/python -c "$(TABLE)" && echo
	@echo 'Report: results/report/report.html. What produced it: make trace. Runs: make ui. Search: make search Q="..."'

videos: setup  ## your own videos, indexed and searched: make videos DIR=/data/clips Q="what is said or seen"
	@test -n "$$DIR" || { echo 'name a directory of videos: make videos DIR=/data/clips Q="words"' >&2; exit 2; }
	@$(BIN)/python -m tasks.corpus.choose "$$DIR"
	@PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro
	@test -z "$$Q" || $(BIN)/reeltrace search "$$Q"

profile: setup  ## choose a set of params: make profile NAME=multivent DIR=/data/MultiVENT; without NAME, which there are
	@$(BIN)/reeltrace profile $${NAME:+"$$NAME"} $${DIR:+"$$DIR"}

ready: setup  ## whether every model and directory that params.yaml names can be had
	@$(BIN)/reeltrace ready

search: setup  ## ranked videos for words: make search Q="a flood in the harbour"
	@test -n "$$Q" || { echo 'say what to search for: make search Q="a flood in the harbour"' >&2; exit 2; }
	@$(BIN)/reeltrace search "$$Q"

trace: setup  ## what produced the score; of one query or rank: make trace Q=QUERY or Q=QUERY:VIDEO
	@$(BIN)/reeltrace audit trace $${Q:+"$$Q"}

verify: setup  ## every byte, index row and metric against what was recorded
	@$(BIN)/reeltrace audit verify

ui: setup  ## Prefect on http://127.0.0.1:4200, MLflow on http://127.0.0.1:5000 (others: PREFECT_PORT=4201, PORT=5001)
	@$(BIN)/python -m flows.ui $(if $(PORT),--port $(PORT))

serve: setup  ## runs here what is clicked in Prefect or due by params.yaml, until it is stopped
	@$(BIN)/python -m flows.serve

deploy: setup  ## gives all that can be run to workers elsewhere: make deploy POOL=name
	@test -n "$$POOL" || { echo 'name a work pool: make deploy POOL=name' >&2; exit 2; }
	@$(BIN)/python -m flows.deploy "$$POOL"

worker: setup  ## works in this clone on what the pool is given, one run at a time: make worker POOL=name
	@test -n "$$POOL" || { echo 'name a work pool: make worker POOL=name' >&2; exit 2; }
	@REELTRACE_WORKSPACE='$(CURDIR)' $(BIN)/prefect worker start --type process --limit 1 --pool "$$POOL"

test: setup  ## the tests, without network
	@PATH="$(CURDIR)/$(BIN):$$PATH" HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: setup  ## lint, format, types, import contracts, and the code that dvc.yaml names
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tasks.shared.execution.code_deps

deps: setup  ## write the code that every stage depends on into dvc.yaml, as its imports say
	$(BIN)/python -m tasks.shared.execution.code_deps --write

format: setup  ## bring the code into the format that check wants
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Resolved anew from pyproject.toml's ranges, beside the torch that the lock names (raise it there first).
lock:  ## make requirements.lock again from pyproject.toml's ranges
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check uv "torch==$$(sed -n 's/^torch==//p' requirements.lock)"
	.venv-lock/bin/uv pip install --python .venv-lock/bin/python --requirement pyproject.toml --extra demo --extra ocr --extra dev
	{ sed -n '/^#/p' requirements.lock; .venv-lock/bin/uv pip freeze --python .venv-lock/bin/python \
		| grep -vE '^(pip|triton|nvidia-.*|cuda-.*)==' | sed 's/^\(torch==[^+]*\)+.*/\1/'; } > .venv-lock/lock
	mv .venv-lock/lock requirements.lock
	rm -rf .venv-lock

clean:  ## remove the environment and tool caches; results, runs and finished items stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
