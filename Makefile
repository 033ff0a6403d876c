# One environment, made from requirements.lock; every target makes it when it is missing or stale.
PYTHON ?= python3
RUN ?= synthetic
SURVEY ?= synthetic
# Two threads each would only get in each other's way where pools already use the cores.
VENV := .venv
BIN := $(VENV)/bin
ENVIRONMENT := $(VENV)/complete
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help reproduce test lab bench lint clean

help:  ## list these targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

reproduce: $(ENVIRONMENT)  ## run all notebooks in order: tables, figures, HTML (SURVEY=synthetic RUN=synthetic)
	$(BIN)/agn reproduce --survey "$(SURVEY)" --run "$(RUN)"

test: $(ENVIRONMENT)  ## prove it
	$(BIN)/python -m pytest

lab: $(ENVIRONMENT)  ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir=notebooks

bench: $(ENVIRONMENT)  ## measure speed, as ratios against a peer in the same run
	$(BIN)/python -m tests.benchmarks

lint: $(ENVIRONMENT)  ## ruff on code and notebooks; notebooks carry no outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q tests/test_notebooks.py -k "clean"

clean:  ## remove the environment; data/ and figures/ stay
	rm -rf $(VENV)

# The stamp is written last, so an interrupted installation is begun again.
$(ENVIRONMENT): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; got %s. Say which with: make PYTHON=python3.12 …" % sys.version.split()[0])'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
