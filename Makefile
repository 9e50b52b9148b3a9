# What a person or a pipeline does here; `make` alone prints it. Options for the command behind a target go in ARGS.

STACK  ?= dev
PYTHON ?= python3
ARGS   ?=

BIN       := .venv/bin
TOOLCHAIN := $(PYTHON) -m mooring.toolchain

.DEFAULT_GOAL := help
.PHONY: help up preview status down prepare stop-engine check test test-long test-machines bench lock

help: ## Print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  STACK=dev by default; ARGS="…" hands options on.'

up: prepare ## Bring the stack up: tools, virtualenv, state, then `pulumi up`; ends with its URL
	@$(BIN)/mooring up --stack $(STACK) $(ARGS)

preview: prepare ## Show what `up` would change, drift included
	@$(BIN)/mooring preview --stack $(STACK) $(ARGS)

status: prepare ## Show hosts, clusters, jobs and the URL; fails unless all are well
	@$(BIN)/mooring status --stack $(STACK) $(ARGS)

down: prepare ## Take the stack away; ALL=1 also ends a Docker engine that was started for it
	@$(BIN)/mooring down --stack $(STACK) $(ARGS)
	@$(if $(filter 1,$(ALL)),$(TOOLCHAIN) stop-engine)

prepare: ## Bring what the others need to this machine; does nothing when all is there
	@$(TOOLCHAIN) prepare --stack $(STACK) $(DEV) $(if $(filter prepare,$(MAKECMDGOALS)),$(ARGS))

check test test-long bench lock: DEV := --dev

check: prepare ## Lint, formatting, types, the layers' arrows, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy mooring components infra
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/codespell

test: prepare ## The fast tests, then a real cluster from the stack `test`
	$(BIN)/pytest tests/unit tests/bench $(ARGS)
	REQUIRE_LIVE=1 $(BIN)/pytest tests/live $(ARGS)

test-long: prepare ## What takes many minutes on real clusters: versions, growing and shrinking, a quorum lost for good
	REQUIRE_LIVE=1 $(BIN)/pytest -m long tests/live $(ARGS)

test-machines: ## Virtual machines: what their kinds promise, and a real cluster on three of them; up to an hour
	@$(TOOLCHAIN) prepare --stack vm --dev
	REQUIRE_LIVE=1 $(BIN)/pytest -m slow tests/live $(ARGS)

bench: prepare ## Ratios: a bring-up to a plain script; what a host costs of 7 to of 3; 100 and 1,000 jobs to OpenTofu
	$(BIN)/pytest -q tests/bench
	@$(BIN)/python tests/bench/bench.py $(ARGS)
	@PYTHONPATH=tests $(BIN)/python -m bench.hosts $(HOSTS)
	@PYTHONPATH=tests $(BIN)/python -m bench.jobs $(JOBS)

lock: prepare ## Compile requirements.txt and requirements-dev.txt anew from pyproject.toml
	@$(BIN)/python -m mooring.toolchain lock
