PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

.PHONY: demo test plain check docs tutorials torture bench studies peers native format clean
.DELETE_ON_ERROR:

demo: $(VENV)/native  ## environment, install, and a network trained on handwritten digits
	$(BIN)/deltarule demo

test: $(VENV)/test $(VENV)/native  ## environment, install, and every test that needs no peer
	$(BIN)/pytest -n auto -m "not torch"

plain: $(VENV)/test  ## what the native kernels compute, tested once more on XLA alone
	DELTARULE_KERNELS=xla $(BIN)/pytest -n auto -m "not torch" tests/kernels tests/onnx_suite_test.py \
		tests/inspect/plan_test.py

check: $(VENV)/test  ## linter, formatter and type checker
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(VENV)/test $(VENV)/native  ## the documentation site, in build/site
	$(BIN)/sphinx-build -W --keep-going -q docs build/site
	@echo "look at build/site/index.html in a browser"

tutorials: $(VENV)/test $(VENV)/native  ## the tutorials' notebooks, executed anew with their outputs
	$(BIN)/python docs/extensions/execute.py docs/tutorials/*.ipynb

torture: $(VENV)/test $(VENV)/native  ## a thousand kills, full disks and damaged files; every run must end bit-equal
	$(BIN)/python tests/torture/drive.py --kills 1000 --json

bench: $(VENV)/peers $(VENV)/native  ## the tables of the README, against PyTorch, Flax and scikit-learn
	$(BIN)/python benchmarks/dense.py --json
	$(BIN)/python benchmarks/convolution.py --json
	$(BIN)/python benchmarks/recurrent.py --json
	$(BIN)/python benchmarks/plan.py --json
	$(BIN)/python benchmarks/watch.py --json
	$(BIN)/python benchmarks/population.py --json
	$(BIN)/python benchmarks/data.py --json
	$(BIN)/python benchmarks/devices.py --json
	$(BIN)/python benchmarks/dqn.py --json

studies: $(VENV)/test $(VENV)/native  ## the claims of the theory, each with its figures and its picture
	$(BIN)/deltarule study all --gallery docs/gallery.md

native: $(VENV)/native  ## oneDNN's products for a CPU, where a C++ compiler is found

peers: $(VENV)/peers $(VENV)/native  ## the tests that compare with PyTorch
	$(BIN)/pytest -n auto -m torch tests

format: $(VENV)/test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/cli: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -c constraints.txt -e ".[cli]"
	@touch $@

$(VENV)/native: $(VENV)/cli $(shell find native -type f)
	@if ! command -v $${CXX:-c++} >/dev/null; then echo "No C++ compiler is found, so oneDNN's kernels are not built."; \
	elif ! PIP_CONSTRAINT=constraints.txt $(PIP) ./native \
	>$(VENV)/native.log 2>&1; then echo "oneDNN's kernels cannot be built here: see $(VENV)/native.log"; fi
	@echo "Kernels: $$($(BIN)/python -c 'from deltarule.kernels.native import described; print(described())')"
	@touch $@

$(VENV)/test: $(VENV)/cli
	$(PIP) -c constraints.txt -e ".[cli,test]"
	@touch $@

$(VENV)/peers: $(VENV)/test
	$(PIP) torch==2.13.0
	$(PIP) -c constraints.txt -e ".[cli,test,peers]"
	@touch $@

clean:
	rm -rf $(VENV) build .pytest_cache .ruff_cache .hypothesis
