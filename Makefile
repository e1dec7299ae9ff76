# What people do here. Everything runs on this machine; nothing reaches AWS.
#
# One cargo profile (dev) and one target folder serve build, tests and demo.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),target)
# Faults on demand, which no deployed function has: everything here but the release
# builds is built with them, so that nothing is compiled twice.
FAULTS := --features scorer-fn/faults,survive/planted
# Names the Python environment and PostgreSQL's programs to whatever we start.
ENV := . .dev/env

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: dev-env
dev-env: ## Make or find Python, PostgreSQL and pgbouncer (the others call this)
	@scripts/dev-env

.PHONY: demo
demo: dev-env ## Watch two rollouts: one to 100%, one taken back
	@$(ENV); cargo build --workspace $(FAULTS)
	@$(ENV); exec $(TARGET)/debug/local-cloud demo $(ARGS)

.PHONY: play
play: dev-env ## Try a rollout by hand: start it, break it, pause it, take it back
	@$(ENV); cargo build --workspace $(FAULTS)
	@$(ENV); exec $(TARGET)/debug/local-cloud play $(ARGS)

.PHONY: test
test: dev-env ## Run all tests, a short rollout with real processes among them
	@$(ENV); cargo build --workspace --all-targets $(FAULTS)
	@$(ENV); cargo test --workspace $(FAULTS)
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory test-infra; \
	else echo "NOT TESTED: infra/ needs Node.js 20 and npm, which are not here"; fi

.PHONY: build
build: ## Build everything, tests too
	@cargo build --workspace --all-targets $(FAULTS)

.PHONY: lint
lint: ## Check formatting and lints; warnings are errors
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets $(FAULTS) -- -D warnings

.PHONY: config-example
config-example: ## Print a commented configuration of the controller
	@cargo run -q --bin rolloutctl -- config example

.PHONY: parity
parity: dev-env ## Send recorded cases through the load balancer (CASES=DIR)
	@$(ENV); cargo build --workspace $(FAULTS)
	@$(ENV); for cases in $(or $(CASES),scorer-fn/tests/golden scorer-fn/tests/golden-2); do \
	  $(TARGET)/debug/local-cloud parity --cases $$cases || exit; done

# ARGS='--other-url … --other-database FILE' or ARGS='--other-command …': docs/compare.md.
.PHONY: hunt
hunt: dev-env ## Hunt requests that Rust and another implementation answer differently (SEEDS= N= FROM= ARGS=)
	@$(ENV); cargo build -q --workspace $(FAULTS)
	@$(ENV); exec $(TARGET)/debug/hunt --seeds $(or $(SEEDS),1) -n $(or $(N),1000) --from $(or $(FROM),0) $(ARGS)

.PHONY: bench-scorer
bench-scorer: dev-env ## Measure the scorers over TLS and a network; fails when a target is missed
	@$(ENV); cargo build --workspace $(FAULTS)
	@cargo build --release -p scorer-fn --bins
	@$(ENV); $(TARGET)/debug/local-cloud bench-scorer --rust $(TARGET)/release/scorer-fn

.PHONY: bench-evidence
bench-evidence: ## Measure what a minute and a day cost the evidence engine, optimised as deployed
	@cargo --config 'profile.dev.package.rollout-controller.opt-level="s"' test -q --workspace $(FAULTS) \
		--test domain evidence2::cost -- --nocapture

.PHONY: soak
soak: dev-env ## Send the scorer 100,000 mixed requests, big ones too, and watch its memory
	@$(ENV); SCORER_SOAK=$${SCORER_SOAK:-100000} cargo test --workspace $(FAULTS) --test service soak:: -- --nocapture

.PHONY: arm64
arm64: ## Build the ARM64 release binaries and check them (docs/arm64.md)
	@scripts/arm64 build

.PHONY: arm64-test
arm64-test: dev-env ## Run the ARM64 binaries under emulation, after `make arm64`
	@scripts/arm64 test

.PHONY: image
image: ## Build both ARM64 images with docker, podman or buildah
	@scripts/arm64-image build

.PHONY: image-pin
image-pin: ## Look up the bases' digests and write docker/bases.env
	@scripts/arm64-image pin

.PHONY: image-size
image-size: ## Print the sizes of the release binaries that are built
	@scripts/arm64 size

.PHONY: image-lint
image-lint: ## Lint Dockerfile.lambda with hadolint
	@scripts/arm64-image lint

.PHONY: image-try
image-try: dev-env ## Build both images without registry or daemon, as root, and run them
	@scripts/arm64-image try

.PHONY: test-infra
test-infra: ## Check the Pulumi program: types, lints, and the resources it makes
	@cd infra && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-audit --no-fund; }
	@cd infra && npm run --silent check
	@cd infra && ROLLOUTCTL="$${ROLLOUTCTL:-$(abspath $(TARGET))/debug/rolloutctl}" npm run --silent test

.PHONY: test-widget
test-widget: dev-env ## Look at the rollout's page and press its buttons in a real browser
	@local-cloud/widget/browser-env
	@$(ENV); WIDGET_BROWSER=1 cargo test --workspace $(FAULTS) --test fake --test system widget

.PHONY: screenshots
screenshots: dev-env ## Take docs/screenshots anew: before, during, after a rollback
	@local-cloud/widget/browser-env
	@$(ENV); WIDGET_BROWSER=1 SCREENSHOTS=$(CURDIR)/docs/screenshots \
		cargo test --workspace $(FAULTS) --test system widget_browser::before_during

# The rollout policies against each other, docs/contest. Finished cells are kept in
# target/contest, so a run that was cut goes on; N= rollouts a cell, SEED=, THREADS=.
CONTEST = cargo --config contest/optimised.toml build -q --workspace $(FAULTS) --bin contest && \
	nice $(TARGET)/debug/contest $(1) --n $(or $(N),$(2)) --seed $(or $(SEED),7000000) \
	--threads $(or $(THREADS),2) --kept $(TARGET)/contest/cells.jsonl --parts $(TARGET)/contest

.PHONY: contest
contest: ## Run all policies in all simulated worlds and write docs/contest (30 minutes; N= SEED=)
	@$(call CONTEST,run,250)

.PHONY: contest-before
contest-before: ## Measure what evidence-2 changed, 20,000 rollouts a cell (40 minutes; N= SEED=)
	@$(call CONTEST,before,20000)

.PHONY: contest-headline
contest-headline: ## Run 100,000 healthy rollouts of evidence-2 (20 minutes; N= SEED=)
	@$(call CONTEST,headline,100000)

.PHONY: contest-goals
contest-goals: ## Hold evidence-2 against the numbers to reach (30 minutes; N= SEED=)
	@$(call CONTEST,goals,1000)

.PHONY: contest-short
contest-short: ## Check the promises in a few worlds; what CI does
	@cargo test --workspace $(FAULTS) --test short

# Whole histories of the controller under simulated faults, docs/reliability.md. Pieces
# that were played are kept in target/survive, so a run that was cut goes on.
SURVIVE = cargo --config survive/optimised.toml build -q --workspace $(FAULTS) --bin survive && \
	nice $(TARGET)/debug/survive $(1)

.PHONY: survive
survive: ## Play simulated histories and print what came of them (SEEDS= FROM= THREADS=)
	@$(call SURVIVE,run --seeds $(or $(SEEDS),10000) --from $(or $(FROM),0) \
		--threads $(or $(THREADS),2) --kept $(TARGET)/survive/pieces.jsonl)
	@$(TARGET)/debug/survive tables --kept $(TARGET)/survive/pieces.jsonl

.PHONY: survive-gate
survive-gate: ## Look for every planted defect in simulated histories (SEEDS= each at most)
	@$(call SURVIVE,gate --seeds $(or $(SEEDS),4000) --threads $(or $(THREADS),2))

.PHONY: survive-effects
survive-effects: ## Keep what the histories of CI come to, after a change that is meant to alter it
	@$(call SURVIVE,effects > survive/src/effects.txt)

.PHONY: survive-protocol
survive-protocol: ## Try every order of the calls of a few processes, and again without each safeguard
	@$(call SURVIVE,protocol --threads $(or $(THREADS),2))
	@$(TARGET)/debug/survive protocol --safeguards --threads $(or $(THREADS),2)

# Whether the code takes any input, docs/reliability.md. Each target searches this long;
# with `cargo test` it is a second.
.PHONY: fuzz
fuzz: dev-env ## Search each fuzz target longer (SECONDS= each; ONLY= a module)
	@$(ENV); FUZZ_SECONDS=$(or $(SECONDS),60) cargo test -q --workspace $(FAULTS) \
		--test domain --test fake --test wire --test pieces --test service \
		fuzz::$(ONLY) -- --nocapture --test-threads=2

.PHONY: supply-chain
supply-chain: ## Check licences, sources, duplicates and unused dependencies (ADVISORY_DB=)
	@scripts/supply-chain

.PHONY: mutants
mutants: dev-env ## Change what decides in small ways, and see that tests notice (AT_MOST= AGAIN=1 THREADS=)
	@$(ENV); AT_MOST=$(AT_MOST) AGAIN=$(AGAIN) THREADS=$(THREADS) scripts/mutants
