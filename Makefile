# Narwhal: `make` prints what there is to make.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup lock demo check verify test integration conformance chaos kueue e2e bench images cluster-up cluster-down clean

help: ## Print the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Make .venv with everything a developer needs, and narwhal in it

$(VENV)/.ready: requirements/dev.lock pyproject.toml hack/setup-venv
	@hack/setup-venv $(VENV)
	@touch $@

lock: setup ## Renew the lock files from pyproject.toml
	@hack/lock

demo: ## Fetch, transcode, verify and serve a real clip on this machine (DEMO_EXIT=1 ends it)
	@hack/setup-machine demo
	@$(MAKE) --no-print-directory setup
	@python hack/demo.py

check: setup ## Lint, types, import rules, unit tests
	@hack/check

verify: setup ## Regenerate what is generated; fail on any difference or untracked file
	@hack/verify

integration: setup ## Tests with a real API server, S3, FFmpeg and browser; of the faults between operator and API server a third
	@pytest tests/chaos tests/contract tests/integration tests/conformance -n 3 --dist loadfile

conformance: setup ## Odd media through the real worker, played by FFmpeg, hls.js and dash.js
	@hack/setup-machine players
	@pytest tests/conformance

chaos: setup ## Every fault between operator and API server: each write, each watch event (some minutes)
	@GOGC=400 NARWHAL_CHAOS=full pytest tests/chaos

kueue: setup ## What is left to Kueue, with Kueue itself (built once, some minutes)
	@pytest tests/kueue

e2e: setup ## Tests on a real cluster: an existing one (NARWHAL_TEST_KUBECONFIG), kind, or processes
	@pytest tests/e2e

test: ## Everything: check, verify, integration, end to end
	@hack/setup-machine all
	@$(MAKE) --no-print-directory check verify
	@echo "integration and end-to-end tests run side by side; each shows what it did when it is done, in some minutes; what failed is told again at the end"
	@hack/side-by-side integration e2e

bench: setup ## Benchmarks; each prints ratios and ends with one line of JSON
	@hack/setup-machine bench
	@hack/bench

images: setup ## Build the images operator, download, torrent, transcode and say their sizes
	@hack/setup-machine cluster
	@python -m tests.cluster images

cluster-up: setup ## Start a local single-node Kubernetes and print its KUBECONFIG
	@hack/setup-machine cluster
	@python -m tests.cluster up

cluster-down: setup ## Stop it and remove all it made
	@python -m tests.cluster down

clean: ## Remove what the tree's own commands made in it (caches outside stay)
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
