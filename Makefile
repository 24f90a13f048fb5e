# Two commands for a new user: `make demo` and `make test`. Everything lives in .venv and results/.
.PHONY: demo test lint unit e2e cluster retry clean help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# snakefmt looks for shfmt, and the rules for python, on the PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# A study starts Python some two hundred times: each would compile our modules anew.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo "make demo   set up if needed, run the demo study, print where its page is"
	@echo "make test   set up if needed, lint, and run all tests"
	@echo "make cluster run a small study on a Slurm of its own (root, Debian)"
	@echo "make retry  forget failed steps, so that the next run tries them again"
	@echo "make clean  delete results (not the set-up)"

demo: .venv/.installed
	$(BIN)/python -m workflow run --cores all

test: lint unit e2e

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint

unit: .venv/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not e2e" --numprocesses 2 --dist loadfile --durations=10

e2e: .venv/.installed
	$(BIN)/python -m pytest -m "e2e and not slurm" --durations=10

# Not part of `make test`: it installs Debian's Slurm where there is none, and takes minutes.
cluster: .venv/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test,cluster]'
	$(BIN)/python -m pytest -m slurm -rs --durations=5

retry: .venv/.installed
	$(BIN)/python -m workflow retry

clean:
	find results -mindepth 1 -not -name README.md -delete
	rm -rf .snakemake

# One torch, CPU or CUDA: whatever the index offers for the pinned version, installed first and never replaced.
# To choose a build, install it into .venv before the rest, or set PIP_EXTRA_INDEX_URL.
.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, found " + sys.version.split()[0] + "; set PYTHON=…")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@
