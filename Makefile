# The two commands of the README, `make demo` and `make test`, and the few others; `make` alone lists them.
#
# Everything is built in the release profile, tests and lints too: one profile is one build of llama.cpp,
# which takes longer than all the rest. `CARGO_TARGET_DIR` moves every build product.

SHELL  := bash
TARGET := $(or $(CARGO_TARGET_DIR),target)
PREFIX ?= $(HOME)/.local
ARGS   ?=

# Finds or installs cmake and libclang, then runs what follows with them. No more than a few stat calls
# when they are there.
WITH_TOOLS = scripts/setup.sh "$(TARGET)" && . "$(TARGET)/setup.env" &&
GHOSTLINE  = $(TARGET)/release/ghostline

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do printf '  make %-13s %s\n' "$$name" "$$text"; done

demo: build ## watch ghost text appear: builds for this machine's CPU and replays a person typing
	@$(GHOSTLINE) demo $(ARGS)

test: test-rust test-models test-vscode test-neovim ## run every test (a few seconds after the first build)

build: ## build target/release/ghostline for this machine's CPU
	@$(WITH_TOOLS) cargo build --release --locked

install: build ## copy the program to PREFIX/bin (~/.local/bin)
	@mkdir -p "$(PREFIX)/bin"
	@install -m 755 "$(GHOSTLINE)" "$(PREFIX)/bin/ghostline"
	@echo "installed $(PREFIX)/bin/ghostline"

lint: ## check format and lints; warnings are errors
	@cargo fmt --check
	@$(WITH_TOOLS) cargo clippy --release --locked --all-targets -- -D warnings

bench: build ## replay typing against the server and print the latency table; ARGS="--baseline" shows it with everything off
	@$(GHOSTLINE) bench $(ARGS)

# `make performance` on a quiet machine: an hour and a half. AGAINST=http://127.0.0.1:8012 adds a llama.cpp server
# that serves the same model.
KEYS    ?= 2000
RUNS    ?= 3
AGAINST ?=
FIGURES := $(TARGET)/performance

performance: build ## measure again: docs/latency.svg and the tables of docs/performance.md; KEYS=400 RUNS=1 is quicker
	@mkdir -p "$(FIGURES)"
	@$(GHOSTLINE) bench --keystrokes $(KEYS) --runs $(RUNS) --baseline $(if $(AGAINST),--against $(AGAINST)) \
	  --svg docs/latency.svg --page docs/performance.md --json >"$(FIGURES)/eager.json"
	@for profile in vscode neovim; do \
	  $(GHOSTLINE) bench --keystrokes $(KEYS) --profile $$profile --page docs/performance.md --json >"$(FIGURES)/$$profile.json" || exit; done
	@$(WITH_TOOLS) cargo bench --locked --bench parts | tee "$(FIGURES)/parts.txt" | grep budget

test-rust: # the library, the server in memory, the program over stdio, the docs and the layers
	@$(WITH_TOOLS) cargo test --release --locked $(ARGS)

test-models: # the recipe of the built-in model, as far as Python alone goes
	@scripts/test-models.sh

test-vscode: # unit tests and the .vsix of the VS Code extension, where npm is there
	@scripts/test-vscode.sh "$(TARGET)"

test-neovim: build # ghost text in a real Neovim, where one can be had
	@scripts/test-editors.sh "$(TARGET)" neovim

test-remote: build ## compare with a real llama.cpp server, built once from llama-cpp-python's sources unless LLAMA_SERVER names one
	@scripts/test-remote.sh "$(TARGET)"

test-editors: build ## drive the real Neovim, Helix, Emacs and VS Code, fetched beside the system's own
	@scripts/test-editors.sh "$(TARGET)" neovim helix emacs vscode

# Builds with back ends as files; nothing of them fits the default build.
DIST_BUILD ?= $(TARGET)/backends

dist: ## make a release: a relocatable folder with the program, back ends for all processors and Vulkan, editors' files, licences
	@scripts/dist.sh "$(TARGET)" "$(DIST_BUILD)"

test-vulkan: ## run the Vulkan back end on Mesa's software device and compare it with the processor
	@scripts/test-vulkan.sh "$(DIST_BUILD)"

.PHONY: help demo test build install lint bench performance test-rust test-models test-vscode test-neovim test-remote test-editors dist test-vulkan
.DEFAULT_GOAL := help
