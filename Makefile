# Two commands on a fresh machine with Python 3.11 or later: `make run` and `make test`.

PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
RUNTIME := .venv/.runtime-installed
DEVELOPMENT := .venv/.development-installed

# Tests of real processes wait while others compute: two files of tests for each of two cores, in the
# order of their names, which has the long ones begin before the end.
PARALLEL ?= -n 4 --dist loadfile --no-loadscope-reorder

.PHONY: run test check format requirements clean

run: $(RUNTIME)
	@exec $(BIN)/python -m app up

test: $(DEVELOPMENT)
	@exec $(BIN)/python -m pytest $(PARALLEL) $(ARGS)

check: $(DEVELOPMENT)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEVELOPMENT)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Lock what the two .in files ask for, in the form that pip reads.
requirements: $(DEVELOPMENT)
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-annotate \
		--custom-compile-command "make requirements" requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-annotate \
		--custom-compile-command "make requirements" -c requirements.txt \
		requirements-dev.in -o requirements-dev.txt

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(RUNTIME): requirements.txt | $(BIN)/python
	@echo "Installing what Penstock needs to run (once) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.txt
	@touch $@

$(DEVELOPMENT): requirements-dev.txt | $(BIN)/python
	@echo "Installing what the tests need (once) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(RUNTIME)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Penstock needs Python 3.11 or later: install it, or name it with" \
		"\`make PYTHON=/path/to/python3.11 run\`" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "No environment could be made: on Debian, \`apt-get install python3-venv\`" >&2; exit 1; }
