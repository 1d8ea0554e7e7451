# Two commands: `make run` starts Apex with a demo workspace, `make test` proves it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/python -m uv
UV_PIN := 0.13.9
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadgroup

ifeq ($(origin APEX_REAL_DATA), undefined)
  ifneq ($(wildcard ../shared/data/README.md),)
    export APEX_REAL_DATA := $(abspath ../shared/data)
  endif
endif

.DEFAULT_GOAL := help
.PHONY: help run serve test proof lint format bench cluster web lock clean

help:  ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

run: $(VENV)/.run web  ## Build everything and start Apex on port 8000 with a demo workspace
	@$(BIN)/apex demo

serve: $(VENV)/.run web  ## Build everything and start Apex, empty, on port 8000
	@$(BIN)/apex serve

test: $(VENV)/.test web chromium  ## Run every check and test
	$(PYTEST)

proof: $(VENV)/.test web chromium  ## The same tests with the full counts of the heavy proofs
	APEX_PROOF=1 $(PYTEST) --timeout 5400

lint: $(VENV)/.test  ## Style, types and import contracts
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports && $(BIN)/pyright

format: $(VENV)/.test  ## Rewrite the code in the house's style
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: $(VENV)/.test  ## Print the figures of every benchmark
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

web: $(VENV)/.run
	@$(BIN)/python -m netra_apex.build_web

lock: $(VENV)/.venv  ## Pin all dependencies anew
	PATH="$(abspath $(BIN)):$$PATH" requirements/compile.sh --upgrade --quiet

cluster: $(VENV)/.test web  ## Start two backend nodes on one PostgreSQL, with auth and web
	@$(BIN)/python -m netra_apex.cluster

clean:  ## Remove what was built
	rm -rf $(VENV) frontend/node_modules netra_apex/web build dist

.PHONY: chromium
chromium:
	@tests/ensure_chromium.sh

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Apex needs Python 3.11 or newer; name one with PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_PIN)
	@touch $@

$(VENV)/.run: $(VENV)/.venv requirements/run.lock pyproject.toml
	$(UV) pip install --quiet --require-hashes -r requirements/run.lock
	$(UV) pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.lock
	$(UV) pip install --quiet --require-hashes -r requirements/test.lock
	@touch $@
