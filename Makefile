PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check bench peers format clean
.DELETE_ON_ERROR:

demo: $(VENV)/cli  ## environment, install, and a network trained on handwritten digits
	$(BIN)/deltarule demo

test: $(VENV)/test  ## environment, install, and every test that needs no peer
	$(BIN)/pytest -n auto -m "not torch"

check: $(VENV)/test  ## linter, formatter and type checker
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/peers  ## the table of the README, against PyTorch, Flax and scikit-learn
	$(BIN)/python benchmarks/dense.py --json

peers: $(VENV)/peers  ## the tests that compare with PyTorch
	$(BIN)/pytest -n auto -m torch tests

format: $(VENV)/test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/cli: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[cli]"
	@touch $@

$(VENV)/test: $(VENV)/cli
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[cli,test]"
	@touch $@

$(VENV)/peers: $(VENV)/test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[cli,test,peers]"
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
