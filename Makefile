# Everything a developer or a newcomer needs; each target sets up what it uses.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= demo-run
# A process a core and one more, as many tests wait for processes that they start; each with one
# thread, since tiny models lose more by threads than they win. In the order of the files: the last
# are of many small tests, and so no process waits long for another.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Every call's arrays against their annotated shapes and types, which takes three times as long.
TYPED := --jaxtyping-packages=cortexscope,beartype.beartype

.PHONY: demo test check typed wheel coverage lint architectures metrics triton clean

$(VENV)/installed: pyproject.toml constraints.txt hatch_build.py $(wildcard src/cortexscope/native/*.[ch])
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: $(VENV)/installed
	$(BIN)/cortexscope run --model demo-decoder --model demo-encoder --out $(RUN) --force

# What is quick and says most; `make check` runs all.
test: $(VENV)/installed
	$(PYTEST) -m "not slow"

lint: $(VENV)/installed
	$(BIN)/ruff format --check src tests benchmarks docs examples
	$(BIN)/ruff check src tests benchmarks docs examples
	$(BIN)/codespell src tests benchmarks docs examples README.md CONTRIBUTING.md
	$(BIN)/mypy
	$(BIN)/lint-imports

# A wheel alone in an empty environment, which is one process that mostly waits.
wheel: $(VENV)/installed
	rm -rf dist build/empty
	$(BIN)/python -m build --wheel --outdir dist . > /dev/null
	$(PYTHON) -m venv build/empty
	build/empty/bin/python -m pip install --quiet --no-compile --constraint constraints.txt torch
	build/empty/bin/python -m pip install --quiet --no-compile --constraint constraints.txt dist/*.whl
	cd build/empty && bin/cortexscope --version && bin/cortexscope tasks list > /dev/null
	rm -rf build/empty

typed: $(VENV)/installed
	$(PYTEST) $(TYPED) -m "not slow" tests/taps tests/metrics tests/measure tests/native

check: lint
	$(MAKE) --no-print-directory --jobs 2 wheel typed
	$(PYTEST)

# Half as long again as the tests alone, and so not a part of every check.
coverage: $(VENV)/installed
	$(PYTEST) --cov --cov-report=term:skip-covered

# A kernel for GPUs on the CPU, by Triton's interpreter; triton has 200 MB and is kept apart.
triton: $(VENV)/installed
	test -d build/triton || $(BIN)/python -m pip install --quiet --no-deps --target build/triton triton
	PYTHONPATH=build/triton TRITON_INTERPRET=1 OMP_NUM_THREADS=1 \
		$(BIN)/python -m pytest tests/devices/test_triton_rows.py

architectures: $(VENV)/installed
	$(BIN)/python docs/architectures.py

metrics: $(VENV)/installed
	$(BIN)/python docs/metrics.py

clean:
	rm -rf $(VENV) dist build demo-run .mypy_cache .pytest_cache .ruff_cache
