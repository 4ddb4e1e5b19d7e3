# The two commands of this project are `make demo` and `make test`; each sets everything up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/demo

.PHONY: install demo test torture bench lint docs coverage compat

install: $(VENV)/installed

# torch first: a range that pip resolves by itself would bring several GB of CUDA packages.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "aloe-hub needs Python 3.11 or later"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: install
	$(BIN)/aloe demo --run $(RUN)

# Two processes, one thread each: the models of the tests are tiny, and more threads would only get in each other's way.
test: install lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not torture'

torture: install
	$(BIN)/python -m pytest -m torture -s
	HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest -m 'not torture' --ignore=tests/hub/test_datasets.py --ignore=tests/test_end_to_end.py

bench: install
	$(BIN)/python bench/scoring.py
	$(BIN)/python bench/filter.py
	$(BIN)/python bench/trees.py
	$(BIN)/python bench/publish.py
	$(BIN)/python bench/local.py
	$(BIN)/python bench/endpoints.py
	$(BIN)/python bench/space.py
	$(BIN)/python bench/training.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

$(VENV)/docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

# In one process, and in those that the tests start. Times are not those of `make test`.
coverage: install
	$(BIN)/python -m coverage erase
	OMP_NUM_THREADS=1 $(BIN)/python -m coverage run -m pytest -m 'not torture'
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

# Their environments are kept in .compat.
compat: install
	$(BIN)/python scripts/compat.py
