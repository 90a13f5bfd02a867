# Two commands do all the set-up: `make sweep` runs the main job, `make test` passes the tests.

BIN := .venv/bin
READY := .venv/.ready
# The first interpreter that is new enough; PYTHON=/path/to/python overrides it.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
DATA := sweep-data
DEMO := $(DATA)/archive
READERS := .venv-readers
WORKERS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

.PHONY: help sweep test test-system bench coverage chaos lint compare sherpa readers lock clean

help:  ## Say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# With a new pip: before 23.3 it takes the newest of what one package wants with an extra and another without, pinned or not.
$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python"; exit 3; }
	$(PYTHON) -m venv --clear --upgrade-deps .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

sweep: $(READY)  ## Sweep the embedded archive on a local Prefect server (KEEP=1 leaves the server up)
	@$(BIN)/xtendflow demo-archive $(DEMO)
	@$(BIN)/xtendflow sweep --archive $(DEMO) --catalogue $(DEMO)/xrismmastr.ecsv \
		--recipe $(DEMO)/demo.toml $(if $(KEEP),--keep-server)

test: lint  ## Check style, types and behaviour, offline
	$(BIN)/pytest -n $(WORKERS) -m "not system"

test-system: $(READY)  ## Whole commands, servers, a browser, kills
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m system

bench: $(READY)  ## Measure speed and memory against what is promised (ONLY=pattern for a part)
	@$(BIN)/python tests/bench/run.py $(if $(ONLY),'$(ONLY)')

coverage: sherpa  ## Count how often the chain finds what was simulated (SEEDS=100)
	@$(BIN)/python tests/coverage/run.py --jobs $(WORKERS) $(if $(SEEDS),--seeds $(SEEDS))

chaos: $(READY)  ## Kill, starve and lie to sweeps for half an hour, and look for what is lost (MINUTES=, SEED=)
	@$(BIN)/python tests/chaos/run.py $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

compare: $(READY)  ## Print how the native engine differs from the FTOOLS' reference products (REFERENCE="folder ...")
	@$(BIN)/python tests/compare/run.py $(REFERENCE)

sherpa: .venv/.sherpa  ## Add the engine of fits to the environment (built from source: g++, gfortran, flex, bison)

.venv/.sherpa: requirements-sherpa.lock $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-sherpa.lock
	@touch $@

readers: $(READERS)/.ready  ## Install Sherpa and XGA apart, for the tests that load products with them

$(READERS)/.ready: requirements-readers.lock
	$(PYTHON) -m venv --clear --upgrade-deps $(READERS)
	$(READERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-readers.lock
	@touch $@

lock:  ## Renew the lock files from pyproject.toml (needs uv)
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --extra postgresql --extra redis --group dev pyproject.toml -o requirements.lock
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --group readers -o requirements-readers.lock
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --group sherpa --constraint requirements.lock -o requirements-sherpa.lock

clean:  ## Remove the environment and everything that sweeps wrote
	rm -rf .venv $(READERS) $(DATA)
