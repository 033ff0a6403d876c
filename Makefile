# One environment, made from requirements.lock; every target makes it when it is missing or stale.
PYTHON ?= python3
# A folder of spectra or a labels table instead of the embedded survey, and the name of its run.
SURVEY ?= synthetic
RUN ?=
# Further options of `agn reproduce`, e.g. ARGS="-p n_type1=80 --only 01,02".
ARGS ?=
# How long `make fuzz` goes on.
FUZZ_SECONDS ?= 3600
# Processes that tests run in; all tests of a file in the same one.
WORKERS ?= 2
# A run for the documentation's gallery: a tenth of the survey.
SMALL := -p n_type1=80 -p n_intermediate=80 -p n_type2=160 -p n_fits=1 -p n_draws=2 -p n_surveys=2 \
    -p scale=0.05 -p n_test=20 -p n_sources=64 -p n_epochs=1 -p n_seeds=1 -p n_samples=50 -p n_votes=96 \
    -p n_passes=1 -p n_calibration=8 -p n_scored=8 -p n_noisy=2 -p 'n_labels=[6,16]'
VENV := .venv
BIN := $(VENV)/bin
ENVIRONMENT := $(VENV)/complete
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help reproduce test lab bench lint docs fuzz audit readme clean

help:  ## list these targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

reproduce: $(ENVIRONMENT)  ## run all notebooks in order: tables, figures, HTML (SURVEY=FOLDER RUN=NAME ARGS=…)
	$(BIN)/agn reproduce --survey "$(SURVEY)" $(if $(RUN),--run "$(RUN)") $(ARGS)

test: $(ENVIRONMENT)  ## prove it
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lab: $(ENVIRONMENT)  ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir=notebooks

bench: $(ENVIRONMENT)  ## measure speed, as ratios against a peer in the same run
	$(BIN)/python -m tests.benchmarks

lint: $(ENVIRONMENT)  ## style and types of the code; notebooks carry no outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_notebooks.py -k "clean"

docs: $(ENVIRONMENT) data/docs/report/index.html  ## build the documentation in build/docs (installs Sphinx)
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable ".[docs]"
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs

# The gallery: the notebooks of a small run.
data/docs/report/index.html: | $(ENVIRONMENT)
	$(BIN)/agn reproduce --run docs $(SMALL)

fuzz: $(ENVIRONMENT)  ## feed every reader with damaged files (FUZZ_SECONDS=3600)
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

audit: $(ENVIRONMENT)  ## versions, licences and known holes of what is installed; no network needed
	$(BIN)/python -m tests.supply_chain

readme: $(ENVIRONMENT)  ## collect numbers and figures of the README from data/synthetic
	$(BIN)/python -m tests.readme

clean:  ## remove the environment; data/ and figures/ stay
	rm -rf $(VENV)

# The stamp is written last, so an interrupted installation is begun again.
$(ENVIRONMENT): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; got %s. Say which with: make PYTHON=python3.12 …" % sys.version.split()[0])'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
