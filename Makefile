# What a person types. Every target is a few words; the work is done by scripts/bootstrap.sh, scripts/lab.sh and `portable`.
.DEFAULT_GOAL := help
SHELL := bash
PROFILE ?= local
BIN := .venv/bin
# The rings that start no engine: they only compute, so they run on all cores.
PLAIN_RINGS := tests/unit tests/render tests/cli
# The other rings wait more than they compute: streams of tests that share nothing run side by side (tests/rings.py).
WORKERS ?= 2
# Tests start `portable` hundreds of times. Without bytecode, each start compiles all its modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help up down test check push docs golden bench bench-live lock prove-first prove-catalog prove-zimaboard prove-fence prove-silence prove-mutants lab lab-clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

up: ## Bring what is missing, then the local stack (PROFILE=...) up, with a table of addresses
	@scripts/bootstrap.sh engine
	@scripts/bootstrap.sh image-tools || [ $$? = 4 ] # refused: goes well all the same where a registry answers
	@scripts/bootstrap.sh python
	@$(BIN)/portable up --profile $(PROFILE)

down: ## Take the stack down; its data stays
	@$(BIN)/portable down --profile $(PROFILE)

test: ## The whole suite, engines included, in two streams side by side; WORKERS=0 runs them in order
	@scripts/bootstrap.sh engine
	@scripts/lab.sh
	@scripts/bootstrap.sh python --dev
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check . && $(BIN)/mypy
	@$(BIN)/python -m tests.lab.images
	@$(BIN)/python -m tests.lab.cluster.programs
	@$(BIN)/python -m tests.lab.checkov
	@$(MAKE) -s docs
	@COLUMNS=200; export COLUMNS; \
	  $(BIN)/python -m pytest --tb=short -n auto --dist worksteal $(PLAIN_RINGS); plain=$$?; \
	  $(BIN)/python -m pytest --tb=short -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(addprefix --ignore=,$(PLAIN_RINGS)) && exit $$plain

check: ## Lint and types
	@scripts/bootstrap.sh python --dev
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

docs: ## Build the site of docs/ in build/site; a dead link or anchor fails
	@scripts/bootstrap.sh python --dev
	@home=.cache/docs/$$(sha256sum requirements-docs.lock | cut -c1-12); \
	  if [ ! -f $$home/whole ]; then rm -rf .cache/docs && $(BIN)/python -m venv $$home && \
	    $$home/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements-docs.lock && touch $$home/whole || exit 1; fi; \
	  $$home/bin/zensical build --strict

push: ## Lint, types, and every test that needs no engine, on all cores: before a push
	@scripts/bootstrap.sh python --dev
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check .
	@$(BIN)/python -m tests.lab.checkov
	@$(BIN)/mypy & types=$$!; \
	  COLUMNS=200 $(BIN)/python -m pytest -q --tb=short -n auto --dist worksteal $(PLAIN_RINGS); tests=$$?; \
	  wait $$types && exit $$tests

golden: ## Rewrite the committed renderings and goldens; read the diff
	@scripts/bootstrap.sh python --dev
	@for p in local zimaboard zimaboard-8gb; do $(BIN)/portable render --profile $$p --output compose/$$p; done
	@for p in samba openshift; do $(BIN)/portable render --profile $$p --output k8s/$$p; done
	@for p in local zimaboard zimaboard-8gb samba openshift; do for e in md svg; do \
	  $(BIN)/portable graph --profile $$p --output docs/places/$$p.$$e; done; done
	@$(BIN)/python -m tests.support
	@$(BIN)/python -m tests.codes
	@$(BIN)/python -m pytest -q tests/render --update-golden

bench: ## Ratios against docker compose config at 35, 300 and 1,000 apps
	@scripts/bootstrap.sh engine
	@scripts/bootstrap.sh python --dev
	@$(BIN)/python -m tests.bench

bench-live: ## up, verify, doctor and the like on the lab's host, and docker compose on the same file
	@scripts/bootstrap.sh engine
	@scripts/lab.sh
	@scripts/bootstrap.sh python --dev
	@$(BIN)/python -m tests.bench_live

lock: ## Write the lock files anew from pyproject.toml
	@for x in "build:requirements.lock" "dev:requirements-dev.lock"; do \
	  $(BIN)/pip-compile -q --strip-extras --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	    --no-header --extra build $$([ $${x%%:*} = dev ] && echo --extra dev) -o $${x#*:} pyproject.toml || exit 1; done
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"])' | \
	  $(BIN)/pip-compile -q --strip-extras --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	    --no-header -o requirements-docs.lock - # alone, in an environment of its own

lab: ## A Docker host with a VPN and PROFILE=zimaboard up on it, to try things in; Ctrl-C takes it away
	@scripts/bootstrap.sh engine
	@scripts/lab.sh
	@scripts/bootstrap.sh python --dev
	@$(BIN)/python -m tests.lab.home --profile $(if $(filter local,$(PROFILE)),zimaboard,$(PROFILE))

lab-clean: ## Take away what labs left that were killed
	@scripts/bootstrap.sh python --dev
	@$(BIN)/python -m tests.lab.home --clean

prove-first: ## Every claim of the first whole in its full form (SHARD=k/n)
	@scripts/bootstrap.sh engine
	@scripts/lab.sh
	@scripts/bootstrap.sh python --dev
	@$(BIN)/python -m tests.prove first --shard "$(or $(SHARD),1/1)"

prove-catalog: ## Every claim of the whole catalog in its full form (SHARD=k/n)
	@scripts/bootstrap.sh engine
	@scripts/bootstrap.sh python --dev
	@$(BIN)/python -m tests.prove catalog --shard "$(or $(SHARD),1/1)"

prove-zimaboard: ## Every claim of the Zimaboard for real in its full form (SHARD=k/n)
	@scripts/bootstrap.sh engine
	@scripts/lab.sh
	@scripts/bootstrap.sh python --dev
	@$(BIN)/python -m tests.lab.images
	@$(BIN)/python -m tests.prove zimaboard --shard "$(or $(SHARD),1/1)"

prove-fence: ## Every claim of the VPN's fence in its full form (SHARD=k/n)
	@scripts/bootstrap.sh engine
	@scripts/lab.sh
	@scripts/bootstrap.sh python --dev
	@$(BIN)/python -m tests.lab.images
	@$(BIN)/python -m tests.prove fence --shard "$(or $(SHARD),1/1)"

prove-silence: ## What went wrong silently elsewhere is right, refused or a finding (SHARD=k/n)
	@scripts/bootstrap.sh engine
	@scripts/lab.sh
	@scripts/bootstrap.sh python --dev
	@$(BIN)/python -m tests.lab.images
	@$(BIN)/python -m tests.prove silence --shard "$(or $(SHARD),1/1)"

prove-mutants: ## What planning, back ends and secrets decide is pinned by a test, mutant by mutant (SHARD=k/n)
	@scripts/bootstrap.sh python --dev
	@$(BIN)/python -m tests.prove mutants --shard "$(or $(SHARD),1/1)"
