# One entry point for people and for CI. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON := .venv/bin/python
STACK ?= local
# Where a stack goes: `embedded` (the Azure in this repository) or `azure` (yours). Only `local` is made for the embedded one.
AZURE ?= $(if $(filter local,$(STACK)),embedded,azure)
PROMPT ?= Say in one sentence what a managed online endpoint is.
FLAGS ?=

export AZURE

.PHONY: help demo test check bootstrap start stop status up preview refresh destroy output recover login chat plan lock \
        requirements docs benchmarks clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## everything, with no cloud account: install, start, deploy, ask
	@scripts/demo

test: bootstrap ## every test: unit, engine, embedded Azure, containers, real vLLM
	@scripts/test

check: bootstrap ## format, lint, types, import arrows
	@$(PYTHON) -m ruff format --check . && $(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy settings stack serving components providers transfer emulator
	@.venv/bin/lint-imports

bootstrap:
	@scripts/bootstrap

start: bootstrap ## start the embedded Azure
	@$(PYTHON) -m emulator start

stop: ## stop the embedded Azure; its state is kept
	@$(PYTHON) -m emulator stop

status: ## what runs, and where
	@$(PYTHON) -m emulator status

up preview refresh destroy: ## the Pulumi command on STACK (FLAGS="..." are passed on)
	@scripts/pulumi $@ $(STACK) $(FLAGS)

output: ## outputs of STACK
	@scripts/pulumi stack $(STACK) output $(FLAGS)

recover: ## after a crash: take over what was being created, then converge
	@scripts/pulumi cancel $(STACK) --yes
	@scripts/pulumi refresh $(STACK) --yes --import-pending-creates
	@scripts/pulumi up $(STACK) $(FLAGS)

login: ## log docker in to the stack's registry with your Entra token, as `az acr login` does
	@scripts/pulumi exec $(STACK) $(PYTHON) -m providers.login

chat: ## ask the endpoint: make chat STACK=local PROMPT="..."
	@scripts/pulumi exec $(STACK) $(PYTHON) -m examples.client.chat $(if $(ENDPOINT),--endpoint $(ENDPOINT)) -- "$(PROMPT)"

plan: ## what is known before anything is rented: fit, time to ready, quota, cost
	@if [ "$$AZURE" = embedded ] && ! $(PYTHON) -m emulator status --quiet; then $(PYTHON) -m stack.plan $(STACK); \
	else scripts/pulumi exec $(STACK) $(PYTHON) -m stack.plan $(STACK); fi

lock: ## resolve the stack's models at the hub into its lock file
	@scripts/pulumi exec $(STACK) $(PYTHON) -m stack.lock $(STACK)

docs: ## generate the pages and the schema that are made from the code
	@$(PYTHON) -m settings.reference
	@$(PYTHON) -m settings.schema
	@$(PYTHON) -m docs.sizing

benchmarks: bootstrap ## measure and write docs/benchmarks.md
	@$(PYTHON) -m benchmarks.stack --write

requirements: ## compile requirements*.in into pinned files with hashes
	@for f in requirements requirements-dev; do \
	  $(PYTHON) -m uv pip compile -q --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --python-version 3.11 $$f.in -o $$f.txt || exit 1; done

clean: ## stop the embedded Azure and forget its state (installed parts in .cache stay)
	@$(PYTHON) -m emulator reset
