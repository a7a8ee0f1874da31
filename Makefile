# FiatRails: every command a developer needs. `make help` lists them.
# Nothing but Python >= 3.11 and make has to be installed: scripts/bootstrap.py brings the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Compiled modules go to a place of their own. Where PYTHONDONTWRITEBYTECODE is set (containers, CI) every start
# would compile Django again, which triples it.
export PYTHONPYCACHEPREFIX ?= $(CURDIR)/.tools/pycache
unexport PYTHONDONTWRITEBYTECODE
# EXIT=1 make up: stop again as soon as the first payment is minted.
EXIT ?=
# make bench NAME=mint: one group only.
NAME ?=
# make lock NEWER_THAN=2026-01-31: no release younger than that day.
NEWER_THAN ?= $(shell date -u -d '8 days ago' +%F 2>/dev/null || date -u -v-8d +%F)
PYTEST_ARGS ?=
# The plugin of tests/generated: every other process would load it for nothing.
PLAIN = -p no:schemathesis
# Tests that compute: one process for each processor.
COMPUTING = $(PLAIN) --numprocesses logical
# Tests of services wait as much as they compute: more processes than processors (tests/kit/run.py). A file stays in one
# process, because its tests share servers; files begin in the order in which they are named, so the long ones first.
SERVING = $(PLAIN) --numprocesses auto --dist loadfile --no-loadscope-reorder tests/functional tests/integration
# 5: `make test PYTEST_ARGS="-k money"` need not find such a test in each of the four parts.
OR_NONE = $(if $(PYTEST_ARGS),|| [ $$? = 5 ])
# The native forge: npm's wrapper would be a second process that keeps signals to itself.
FORGE = $$(ls $(CURDIR)/contracts/node_modules/@foundry-rs/forge-*-*/bin/forge)
PIP_COMPILE = .tools/uv/bin/uv pip compile --quiet --universal --generate-hashes --no-header \
	--no-emit-index-url --exclude-newer $(NEWER_THAN) --python-version 3.11

.PHONY: help
help: ## List the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z-]*:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install everything (every other command does so when needed)
	@$(PYTHON) scripts/bootstrap.py

.PHONY: up
up: setup ## Start the whole rail and mint one payment; EXIT=1 stops again afterwards
	@$(BIN)/fiatrails up $(if $(filter-out 0,$(EXIT)),--exit)

.PHONY: down
down: ## Stop the rail; `make up` continues where it was
	@if [ -x $(BIN)/fiatrails ]; then $(BIN)/fiatrails down; fi

.PHONY: reset
reset: ## Stop the rail and delete its state: database, chain, secrets
	@if [ -x $(BIN)/fiatrails ]; then $(BIN)/fiatrails reset; else rm -rf .fiatrails; fi

.PHONY: test
test: setup contracts-test ## Run every test: contracts, then unit to chaos
	@$(BIN)/pytest $(COMPUTING) tests/unit tests/architecture $(PYTEST_ARGS) $(OR_NONE)
	@$(BIN)/pytest $(SERVING) $(PYTEST_ARGS) $(OR_NONE)
	@$(BIN)/pytest tests/generated $(PYTEST_ARGS) $(OR_NONE)
	@$(BIN)/pytest $(PLAIN) tests/chaos $(PYTEST_ARGS) $(OR_NONE)

.PHONY: check
check: setup ## What to run before a commit: lint, format, types, layers, unit tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q $(COMPUTING) tests/unit tests/architecture $(PYTEST_ARGS)

.PHONY: unit
unit: setup ## Unit tests: no processes, seconds
	@$(BIN)/pytest $(COMPUTING) tests/unit $(PYTEST_ARGS)

.PHONY: integration
integration: setup ## Tests against real PostgreSQL, anvil and Redis, without the slow ones
	@$(BIN)/pytest $(SERVING) -m "not slow" $(PYTEST_ARGS)

.PHONY: chaos
chaos: setup ## The storms and the crash points, with nothing beside them: minutes
	@$(BIN)/pytest tests/chaos $(PYTEST_ARGS)

.PHONY: contracts-test
contracts-test: setup ## Contract tests; fails when a gas figure left its committed snapshot
	@cd contracts && $(FORGE) test --offline --no-match-path 'test/gas/*'
	@cd contracts && FORGE_SNAPSHOT_CHECK=true $(FORGE) test --offline --isolate --match-path 'test/gas/*'

.PHONY: bench
bench: setup ## Measure and write benchmarks/latest.json; NAME=intake|mint|scale|screen|start for one group
	@$(BIN)/python -m benchmarks $(NAME)

.PHONY: fmt
fmt: setup ## Format the Python and the Solidity code
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .
	@cd contracts && $(FORGE) fmt

.PHONY: lock
lock: setup ## Renew the lock files; releases younger than eight days are left out
	@$(PIP_COMPILE) --upgrade --all-extras --group dev pyproject.toml -o requirements.lock
	@for name in uv build; do \
		input=$$([ $$name = uv ] && echo uv || echo hatchling); \
		echo $$input | $(PIP_COMPILE) --upgrade --no-annotate - -o scripts/bootstrap-$$name.lock; \
	done

.PHONY: ci
ci: ## What the CI server runs
	@.ci/run
