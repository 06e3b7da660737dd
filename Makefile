# make demo   msseg on generated data: four MRI channels, two networks, a report
#             (make demo ARGS="--task em": membranes in electron microscopy instead)
# make test   the tests                   (make test ARGS="-m slow" for those that train networks)
# make lint   style, types and the direction of imports
# make bench  msseg beside MONAI, TorchIO and nnU-Net, on an otherwise idle machine; results/benchmarks
#             (make bench AREAS="metrics startup" ARGS="--rounds 1"; a trained model: PREDICT="--model M --image I --truth T")
#
# Each of them first sets up what it needs in .venv, once. Another Python: make demo PYTHON=python3.12

PYTHON ?= python3
ARGS ?=

VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check
# Whatever decides what gets installed; the sources are not part of it, the installation being editable.
PACKAGING := setup.cfg pyproject.toml constraints.txt

# The peers of the benchmarks live apart: what they need is not what msseg needs.
BENCH := .venv-bench
AREAS ?= startup metrics augmentation training inference scaling
PREDICT ?=

.PHONY: help demo test lint bench clean
.DELETE_ON_ERROR:
.NOTPARALLEL: # two installations at once would get in each other's way

help:
	@sed -n '1,8s/^# \{0,1\}//p' Makefile

demo: $(VENV)/.msseg-demo
	$(RUN) -m msseg demo --out data/demo $(ARGS)

# One thread for each test process: the processes share the cores already.
test: $(VENV)/.msseg-test
	OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n auto --maxprocesses 4 $(ARGS)

lint: $(VENV)/.msseg-lint
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -c "from importlinter.cli import lint_imports_command as check; check()" --no-logo

# An area that fails does not keep the others from being measured.
bench: $(BENCH)/.msseg-bench
	@failed=; for area in $(AREAS); do \
		given=; case $$area in inference|scaling) given='$(PREDICT)';; esac; \
		echo "== $$area"; \
		$(BENCH)/bin/python benchmarks/$$area.py $(ARGS) $$given || failed="$$failed $$area"; \
	done; \
	$(BENCH)/bin/python benchmarks/figure.py || failed="$$failed figure"; \
	test -z "$$failed" || { echo "These benchmarks failed:$$failed" >&2; exit 1; }

clean:
	rm -rf $(VENV) $(BENCH) build msseg.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# ---------------------------------------------------------------------------------------------------- set-up
$(VENV)/.msseg-demo: EXTRAS := demo
$(VENV)/.msseg-test: EXTRAS := test,demo
$(VENV)/.msseg-lint: EXTRAS := dev

# torch goes first and alone, so that the build found for the pinned version is the one that all the others see.
$(VENV)/.msseg-demo $(VENV)/.msseg-test $(VENV)/.msseg-lint: $(VENV)/.python $(PACKAGING)
	@echo "installing msseg[$(EXTRAS)] in $(VENV) (the first time about 2 minutes, and 2 GB)"
	@start=$$(date +%s); \
	$(PIP) install --quiet --quiet --constraint constraints.txt torch && \
	$(PIP) install --quiet --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]' || { \
		echo "The installation failed: see pip's message above. It needs a network or a package index, and 2 GB of space." >&2; \
		exit 1; }; \
	echo "installed in $$(($$(date +%s) - start)) s"
	@touch $@

# nnU-Net goes in without its requirements: they would put another build of torch in the place of the pinned one.
$(BENCH)/.msseg-bench: $(BENCH)/.python $(PACKAGING) benchmarks/peers.txt benchmarks/peers_alone.txt
	@echo "installing msseg and its peers in $(BENCH) (the first time about 4 minutes, and 3 GB)"
	@start=$$(date +%s); pip="$(BENCH)/bin/python -m pip --disable-pip-version-check install --quiet --quiet"; \
	$$pip --constraint constraints.txt torch && \
	$$pip --constraint constraints.txt --editable . && \
	$$pip --constraint constraints.txt --requirement benchmarks/peers.txt && \
	$$pip --no-deps --requirement benchmarks/peers_alone.txt || { \
		echo "The installation failed: see pip's message above. It needs a network or a package index, and 3 GB of space." >&2; \
		exit 1; }; \
	echo "installed in $$(($$(date +%s) - start)) s"
	@touch $@

$(VENV)/.python $(BENCH)/.python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "msseg needs Python 3.11 or newer, but there is no $(PYTHON) here. Install it, or name another: make PYTHON=/path/to/python3 ..." >&2; \
		exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "msseg needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) --version 2>&1). Name a newer one: make PYTHON=/path/to/python3 ..." >&2; \
		exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) lacks the module venv. On Debian and Ubuntu: apt install python3-venv" >&2; \
		exit 1; }
	@echo "creating the virtual environment $(@D)"
	@$(PYTHON) -m venv $(@D)
	@echo '*' > $(@D)/.gitignore
	@touch $@
