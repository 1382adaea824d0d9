# Every target makes its own virtual environment if there is none. CI calls these same targets.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= runs

.PHONY: help install demo board test test-fast check format bench clean

help:
	@echo "make demo       run the demo on the bundled digits and write its board to $(OUT)/board"
	@echo "make board      make the committed boards anew from the committed results"
	@echo "make test       all tests"
	@echo "make test-fast  the tests that take no training"
	@echo "make check      ruff, mypy, import contracts"
	@echo "make bench      performance benchmarks"

# Installed again whenever the project's dependencies or entry points change.
$(VENV)/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -e ".[test,check]"
	touch $@

install: $(VENV)/installed

demo: install
	$(BIN)/sembench run --suite quick --out $(OUT) --refresh
	$(BIN)/sembench leaderboard --results $(OUT) --suite quick --out $(OUT)/board
	$(BIN)/sembench report --results $(OUT) --suite quick --out $(OUT)/board
	@cat $(OUT)/board/quick/board.md

board: install
	$(BIN)/sembench leaderboard --results leaderboard/results --out leaderboard/boards
	$(BIN)/sembench claims --results leaderboard/results --out leaderboard/boards
	$(BIN)/sembench statistics --results leaderboard/results --out leaderboard/boards
	$(BIN)/sembench report --results leaderboard/results --out leaderboard/boards

# Threads that wait without spinning: on a busy machine, tests of small networks are otherwise many times slower.
test test-fast: export OMP_WAIT_POLICY = PASSIVE

test: install
	$(BIN)/python -m pytest

test-fast: install
	$(BIN)/python -m pytest -m "not slow"

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install
	$(BIN)/python -m pytest tests/performance --benchmark-enable --benchmark-only

clean:
	rm -rf $(VENV) $(OUT) build *.egg-info
