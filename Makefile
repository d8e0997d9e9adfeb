# farmhand: everything a developer, a newcomer and CI run. `make` lists it.
SHELL := /bin/bash
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# One more than the cores of a small machine: tests wait for what they have started.
JOBS ?= 3
PYTEST := $(BIN)/python -m pytest -q -rs
SPREAD := -m integration -n $(JOBS) --dist loadgroup
# Unit tests don't wait: two processes with half of the files each, which neither tells a third.
UNIT_JOBS ?= 2
UNIT := $(PYTEST) -m "not integration"
HALF := tests/watch_pending tests/slavealloc
# Side by side, and what each says in one piece; fails if one does.
ABREAST := $(MAKE) --no-print-directory --keep-going --output-sync=target --jobs
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Some images set it; each of the many processes would then compile all that it imports.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test check unit unit-half unit-rest lint style types integration soak bench dist
.PHONY: faults schema newest-buildbot services clean

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)$$/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r t d; do printf '  make %-16s %s\n' "$$t" "$$d"; done

demo: $(VENV)/installed ## one farm on this machine, from waiting jobs to stopped machines; KEEP=1 leaves it up
	@$(BIN)/python -m tests.demo $(if $(KEEP),--keep)

test: services ## every test, with real services; installs them where it may
	@$(ABREAST) $(UNIT_JOBS) style types unit-rest unit-half
	$(PYTEST) --require-services $(SPREAD)

check: $(VENV)/installed ## every test that can run with what is here; says what it left out
	@$(ABREAST) $(UNIT_JOBS) style types unit-rest unit-half
	$(PYTEST) $(SPREAD)

unit: $(VENV)/installed ## the tests that need nothing but Python, in seconds
	@$(ABREAST) $(UNIT_JOBS) unit-rest unit-half

unit-half: $(VENV)/installed
	$(UNIT) $(HALF)

unit-rest: $(VENV)/installed
	$(UNIT) $(HALF:%=--ignore=%)

integration: $(VENV)/installed ## the tests that start real services
	$(PYTEST) $(SPREAD)

lint: $(VENV)/installed ## format, lint and types
	@$(ABREAST) 1 style types

style: $(VENV)/installed
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .

types: $(VENV)/installed
	$(BIN)/mypy

soak: services ## the same tests with large numbers; takes long
	$(PYTEST) --require-services --soak -m soak --timeout 3600

bench: services $(VENV)-peers/installed ## measure against the naive way, peers and the floor; writes docs/benchmarks.md and .html; PART=gettac measures one
	@$(BIN)/python -m benchmarks $(PART)

dist: $(VENV)/installed ## build the wheel and the source distribution into dist/, and check them
	rm -rf build dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/twine check --strict dist/*

faults: $(VENV)/installed ## write docs/faults.md from the marks above the tests
	@$(BIN)/python -m tests.faults

schema: $(VENV)/installed ## write what editors are told of farmhand.yml, after a key or its row in the manual changed
	@$(BIN)/python -m tests.schema_files

newest-buildbot: $(VENV)/installed ## the Buildbot tests against the newest release instead of the pinned one
	$(PYTHON) -m venv $(VENV)-newest
	$(VENV)-newest/bin/pip install --quiet --editable '.[test]'
	$(VENV)-newest/bin/pip install --quiet --upgrade buildbot buildbot-worker buildbot-www
	$(VENV)-newest/bin/python -m pytest -q -k buildbot

$(VENV)-peers/installed: # what we are measured against, apart from what we need
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/pip install --quiet awscli
	@touch $@

services: $(VENV)/installed
	@tools/install-services

$(VENV)/installed: setup.py tools/make-venv
	@tools/make-venv $(VENV) $(PYTHON)
	@touch $@

clean: ## remove what make made
	rm -rf $(VENV) $(VENV)-newest $(VENV)-peers build dist *.egg-info .mypy_cache .ruff_cache .hypothesis
