# The same words on a laptop and in CI. Everything that is installed goes to .venv, build/ and target/.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
PY := $(VENV)/bin/python
NATIVE := build/native.stamp
RUST_SOURCES := $(shell find media -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock

.PHONY: help demo test check conformance bench soak fuzz setup system fmt lock clean

help:            ## show this list
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: setup      ## a real SIP call talks to a bot on this machine; prints a timeline and a WAV to listen to
	@$(VENV)/bin/agentstream demo

test: setup system  ## every test: Rust, Python, and real peers (sipp, baresip, Kamailio, Pipecat)
	cargo test --locked --quiet -p agentstream-media -p agentstream-bench
	cargo build --locked --release --quiet -p agentstream-bench
	$(PY) -m pytest -q

check: setup     ## formatting, lints, types and the rooms' walls
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	cargo fmt --all --check
	cargo clippy --locked --quiet --workspace --all-targets -- -D warnings
	cargo clippy --locked --quiet -p agentstream-media --features extension-module -- -D warnings

conformance: setup  ## the promises to existing bots, flows, scripts and trunks, each with its tests
	$(PY) tests/conformance.py

bench: setup system  ## measure against the kernel floor; prints a table and writes build/bench.json
	cargo build --locked --release --quiet -p agentstream-bench
	$(PY) -m benchmarks.run $(BENCH_ARGS)

soak: setup      ## 200 calls through trunks both ways for five minutes; SOAK_ARGS="--calls 20 --seconds 10"
	cargo build --locked --release --quiet -p agentstream-bench
	$(PY) -m benchmarks.trunk_soak $(SOAK_ARGS)

fuzz: setup      ## a million mutated SIP messages, and the other parsers
	$(PY) -m fuzz.fuzz_sip --count 1000000

setup: $(VENV)/setup.stamp $(NATIVE)

system: build/system.stamp

fmt: $(VENV)/setup.stamp
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .
	cargo fmt --all

lock:            ## choose new versions for requirements.lock and Cargo.lock
	scripts/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade -o requirements.lock
	cargo update

clean:
	rm -rf build target $(VENV)

$(VENV)/setup.stamp: requirements.lock pyproject.toml scripts/setup scripts/pick-python scripts/uv
	scripts/setup
	touch $@

$(NATIVE): $(VENV)/setup.stamp $(RUST_SOURCES)
	scripts/native
	mkdir -p build && touch $@

build/system.stamp: scripts/system
	scripts/system
	mkdir -p build && touch $@
