# SPDX-License-Identifier: Apache-2.0
# The two commands of the README (demo, test) and what stands behind them. Every target may be run again.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint unit rtl cosim system bench clean

BENCH ?= fixtures/benches/virtual.toml
OUT ?= runs/demo-$(shell date +%Y%m%d-%H%M%S)
export PATH := $(CURDIR)/build/venv/bin:$(PATH)
PYTEST := python -m pytest -q

help: ## show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: ## install Debian packages and build/venv
	@fixtures/host/setup.sh

demo: setup ## two panics on the virtual bench, judged, with an HTML report
	@vkbench demo --bench $(BENCH) --out $(OUT)

test: setup lint unit rtl cosim system ## everything that CI checks

lint:
	@echo "== lint"
	ruff check . && ruff format --check .

unit:
	@echo "== unit tests"
	$(PYTEST) bench/tests firmware/tests

rtl:
	@echo "== RTL tests (cocotb on Verilator)"
	$(PYTEST) rtl/tests

cosim:
	@echo "== co-simulation behind its sockets"
	$(PYTEST) rtl/cosim/tests

system:
	@echo "== virtual server, and host tests on $(BENCH)"
	python fixtures/server/build.py
	$(PYTEST) fixtures/server
	$(PYTEST) host_tests --bench $(BENCH)

bench: setup ## measure speeds; prints a table, writes build/bench.json
	@vkbench benchmark --bench $(BENCH) --out build/bench.json

clean: ## remove build/ and runs/ (not the cache folder)
	rm -rf build runs
