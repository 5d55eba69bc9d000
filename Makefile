# SPDX-License-Identifier: Apache-2.0
# The two commands of the README (demo, test) and what stands behind them. Every target may be run again.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup setup-test demo test lint unit rtl proofs cosim parts system distro bench formal synth mutants testplan coverage fuzz clean

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

test: setup-test lint ## everything that CI checks
	@echo "== what needs no server, two at a time, some 25 minutes; each is shown when it has ended"
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target rtl unit proofs cosim parts
	@$(MAKE) --no-print-directory system distro  # one after the other: what else runs then blurs the card's time

setup-test:
	@fixtures/host/setup.sh --test

lint:
	@echo "== lint"
	ruff check . && ruff format --check .

unit:
	@echo "== unit tests"
	python fixtures/server/build.py
	$(PYTEST) --junitxml=build/junit/unit.xml --numprocesses=2 --dist=loadfile bench/tests firmware/tests

rtl:
	@echo "== RTL tests (cocotb on Verilator)"
	$(PYTEST) --junitxml=build/junit/rtl.xml rtl/tests

proofs:
	@echo "== quick proofs, netlist checks"
	$(PYTEST) --junitxml=build/junit/proofs.xml rtl/formal rtl/synth

cosim:
	@echo "== co-simulation behind its sockets"
	$(PYTEST) --junitxml=build/junit/cosim.xml rtl/cosim/tests

parts:
	@echo "== what the virtual server is made of"
	python fixtures/server/build.py --debian

system: parts
	@echo "== virtual server, and host tests on $(BENCH)"
	$(PYTEST) --junitxml=build/junit/server.xml fixtures/server -m "not debian"
	$(PYTEST) --junitxml=build/junit/host.xml host_tests --bench $(BENCH) --runs build/runs/host
	$(PYTEST) --junitxml=build/junit/iommu.xml host_tests/test_iommu.py --bench fixtures/benches/virtual-iommu.toml --runs build/runs/iommu

distro: parts
	@echo "== the same with a distribution on the server"
	$(PYTEST) --junitxml=build/junit/distro.xml host_tests/test_distro.py --bench fixtures/benches/debian.toml --runs build/runs/distro

bench: setup ## measure speeds; prints tables, writes build/throughput.json and build/bench.json
	@python rtl/tests/pcie/throughput.py --out build/throughput.json
	@vkbench benchmark --bench $(BENCH) --out build/bench.json

formal: setup ## prove the halting contract and the analyser; prints the table
	@python rtl/formal/run.py --json build/formal/results.json

synth: setup ## area and estimated Fmax; fails on latches, loops, memories that are none
	@python rtl/synth/run.py --fmax

mutants: setup ## seeded defects: caught / total
	@python rtl/tests/mutants.py
	@VKBENCH_MUTANTS=all $(PYTEST) rtl/tests/gates

testplan: setup ## requirements, test points and the results of the last run
	@python rtl/tests/plan/matrix.py

coverage: setup ## lines and toggles that the RTL tests reach
	@python rtl/tests/plan/coverage.py

fuzz: setup ## ten minutes of libFuzzer on the firmware
	@fixtures/host/setup.sh --fuzz
	@python firmware/fuzz/run.py --seconds 600

clean: ## remove build/ and runs/ (not the cache folder)
	rm -rf build runs
