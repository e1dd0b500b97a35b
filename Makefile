# Two commands: `make book` builds the site from the stored outputs, `make test` runs every test.
# Both make the environment in .venv first, when it is not there or its requirements changed. `make help` lists the rest.

PYTHON ?= python3
JOBS ?= 2
PORT ?= 8000

BIN := .venv/bin
ENV := .venv/.complete
# The scripts in .venv name the folder they were made for: an environment that was moved along with its folder is made anew.
ifneq ($(shell cat $(ENV) 2>/dev/null),$(CURDIR))
.PHONY: $(ENV)
endif

.PHONY: help env book serve test bench lint requirements clean

help:
	@echo "make book          build the site into _build/html"
	@echo "make serve         serve it on this machine only (PORT=8000)"
	@echo "make test          run every test (JOBS=2 workers; ARGS are passed to pytest)"
	@echo "make env           make the environment in .venv, and nothing else"
	@echo "make bench         measure the training loop against its peers, and the rate of each chapter"
	@echo "make lint          check and format the code, and sort what all chapters share"
	@echo "make requirements  compile requirements.txt from pyproject.toml (UPGRADE=--upgrade to take newer versions)"
	@echo "make clean         remove the site and the environment"

# --- the environment --------------------------------------------------------------------------------------------------

# uv itself comes from requirements.txt too, by pip and with its hashes. Compiled bytecode halves the start of every
# kernel. requirements.txt is complete but for what pyproject.toml leaves out, hence --no-deps. If uv cannot reach a
# package index that pip is configured for, pip does the work, slower.
$(ENV): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  found=$$($(PYTHON) --version 2>/dev/null || echo "not there"); \
	  echo "Python 3.11 or newer is needed, and $(PYTHON) is $$found: name another with make PYTHON=python3.12." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "This Python cannot make environments: install its venv module (Debian and Ubuntu: apt-get install python3-venv)." >&2; exit 1; }
	@[ "$$(cat $@ 2>/dev/null)" = "$(CURDIR)" ] || [ ! -e $@ ] || rm -rf .venv
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "Making the environment in .venv"; $(PYTHON) -m venv --clear .venv; }
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > .venv/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
	@echo "Installing what requirements.txt lists (5 GB; minutes if nothing of it is cached)"
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --compile-bytecode --no-deps --require-hashes -r requirements.txt \
	  || { echo "uv could not install it; trying with pip"; \
	       $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt; }
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --offline --no-deps --no-build-isolation --editable .
	@echo "$(CURDIR)" > $@

env: $(ENV)
	@echo "The environment is in .venv."

requirements: | $(ENV)
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --quiet $(UPGRADE) --output-file requirements.txt

# --- the book ---------------------------------------------------------------------------------------------------------

# Built again only if something that goes into the site has changed since the latest build without a warning.
book: $(ENV)
	@PYTHONPATH=book/_ext $(BIN)/python -c 'import build_inputs; raise SystemExit(not build_inputs.is_current("."))' \
	  || timeout 900 $(BIN)/jupyter-book build . -W -n --keep-going
	@echo "The book is built: open _build/html/index.html, or run 'make serve'."
	@$(BIN)/python -c 'from genlib.course import looking; looking.say_what_is_stale(".")' >&2

serve: book
	@echo "Serving on http://127.0.0.1:$(PORT)/ (Ctrl-C ends it)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html >/dev/null 2>&1 || { \
	  echo "It cannot be served on port $(PORT): choose another with make serve PORT=8001." >&2; exit 1; }

# --- tests ------------------------------------------------------------------------------------------------------------

# One thread for each process: two workers whose kernels take all cores are about four times slower.
# papermill executes every notebook; of each family one is executed by nbval too, and GENLIB_PRESET is for its kernels.
# What the linter says comes last and says so: above it pytest has said that all passed, and yet this fails.
test: $(ENV)
	@status=0; GENLIB_PRESET=smoke OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --no-loadscope-reorder \
	  --nbval-lax --nbval-current-env --nbval-cell-timeout=300 \
	  tests/chapters chapters tests/site tests/test_project.py tests/unit tests/benchmarks $(ARGS) || status=1; \
	$(BIN)/ruff check --quiet --output-format concise genlib tests book chapters || { status=1; \
	  echo "The linter objects to the lines above, whatever the tests came to: make lint mends what it can." >&2; }; \
	exit $$status

bench: $(ENV)
	@status=0; $(BIN)/python tests/benchmarks/bench.py || status=1; echo; \
	$(BIN)/python tests/benchmarks/rates.py || status=1; exit $$status

lint: $(ENV)
	$(BIN)/ruff check --fix genlib tests book chapters
	$(BIN)/ruff format genlib tests book
	$(BIN)/genlib tidy

clean:
	rm -rf _build .venv build *.egg-info .pytest_cache .ruff_cache
