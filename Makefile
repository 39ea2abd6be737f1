# Two commands do everything, set-up included, on a machine that has Python >= 3.11 and make:
#
#   make book    run every chapter and build the pages      (PRESET=smoke|quick|reduced|full, default quick)
#   make test    run every test
#
# The rest: make notebooks, lint, serve (PORT=8000), bench, clean, clean-venv.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.DELETE_ON_ERROR:

ifeq ($(origin PROFILE),command line)
$(error PROFILE is now called PRESET: make $(MAKECMDGOALS) PRESET=$(PROFILE))
endif
ifeq ($(CADNET_EDU_PRESET)$(filter command line,$(origin PRESET)),)
ifneq ($(CADNET_EDU_PROFILE),)
$(error CADNET_EDU_PROFILE is now called CADNET_EDU_PRESET: set CADNET_EDU_PRESET=$(CADNET_EDU_PROFILE) instead)
endif
endif
PRESET ?= $(or $(CADNET_EDU_PRESET),quick)
WORKERS ?= 2
PORT ?= 8000
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/installed
# Arguments for the first pip install only, for instance the index of PyTorch's wheels without GPU support.
PIP_TORCH_ARGS ?=

export CADNET_EDU_CACHE ?= $(CURDIR)/.cache
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUTF8 := 1
export JUPYTER_PLATFORM_DIRS := 1
export PYDEVD_DISABLE_FILE_VALIDATION := 1

.PHONY: help
help:
	@sed -n '1,7s/^# \{0,1\}//p' Makefile

# Set-up: one environment, installed once; a change of the dependencies installs again.
$(STAMP): pyproject.toml book/constraints.txt $(wildcard cadnet_edu/__init__.py)
	@python=; for name in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
	  if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "make: no Python 3.11 or newer was found. Install one, or point to it: make book PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	fi; \
	if [ -x $(PY) ] && ! $(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  echo "Making $(VENV) again: its Python is older than 3.11."; rm -rf $(VENV); \
	fi; \
	if [ -e $(VENV) ] && ! $(PY) -m pip --version >/dev/null 2>&1; then \
	  echo "Making $(VENV) again: it was left unfinished, or its Python is gone."; rm -rf $(VENV); \
	fi; \
	if [ ! -x $(PY) ]; then \
	  echo "Making $(VENV) with $$($$python --version) ..."; \
	  $$python -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "make: $$python cannot make environments. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }; \
	fi
	@echo "Installing the package and the book's tools; this takes some minutes, once ..."
	@$(PY) -m pip install --quiet $(PIP_TORCH_ARGS) torch torchvision
	@$(PY) -m pip install --quiet -e '.[book,test,real]' -c book/constraints.txt
	@touch $@

.PHONY: book
book: $(STAMP) notebooks
	@CADNET_EDU_PRESET=$(PRESET) $(PY) book/tools/build.py --preset $(PRESET)

.PHONY: notebooks
notebooks: $(STAMP)
	@$(PY) book/tools/notebooks.py

# One thread a worker: the tests run side by side.
.PHONY: test
test: export OMP_NUM_THREADS = 1
test: export CADNET_EDU_PRESET = smoke
test: lint
	$(PY) -m pytest -n $(WORKERS) --dist loadfile --ignore=tests/benchmarks tests
	$(PY) -m pytest -n $(WORKERS) --dist loadfile -p no:cacheprovider \
	  --nbval-lax --nbval-current-env --nbval-cell-timeout=300 book/chapters

.PHONY: lint
lint: $(STAMP)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	MYPYPATH=book/tools $(PY) -m mypy -m notebooks -m keys -m pages -m docstrings -m choices -m rings -m reference -m stop -m progress -m build -m teach -m hero

.PHONY: bench
bench: $(STAMP)
	$(PY) -m pytest tests/benchmarks -s --benchmark-disable-gc

.PHONY: serve
serve:
	@test -f _build/html/index.html || { echo "make: there are no pages yet; run make book first" >&2; exit 1; }
	@test -x $(PY) || { echo "make: there is no $(PY); run make book first, which makes it" >&2; exit 1; }
	@$(PY) -c 'import socket, sys; socket.create_server(("127.0.0.1", int(sys.argv[1]))).close()' "$(PORT)" 2>/dev/null || { \
	  echo "make: port $(PORT) is taken or cannot be used; give another one: make serve PORT=$(if $(filter 8001,$(PORT)),8002,8001)" >&2; exit 1; }
	@echo "The book is at http://localhost:$(PORT) (stop with Ctrl-C)"
	@$(PY) -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

.PHONY: clean
clean:
	rm -rf _build .cache .pytest_cache .mypy_cache .ruff_cache .benchmarks

.PHONY: clean-venv
clean-venv:
	rm -rf $(VENV)
