# Every target makes its own virtual environment if there is none. CI calls these same targets.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= runs
EXTRAS ?= test,check
# A file of versions to install, such as .github/oldest.txt.
CONSTRAINTS ?=
RESULTS ?= leaderboard/results
BOARDS ?= leaderboard/boards
# Suites that do not come with the package, and have results here.
SUITES ?= $(wildcard leaderboard/suites/*.toml)
# Results that were accepted before, for `make validate`; none may change or go.
ACCEPTED ?=
# What `make bench-compare` compares: two revisions, each measured ROUNDS times, in turn.
BASE ?= HEAD~1
HEAD ?= HEAD
ROUNDS ?= 2
# Where benchmarks are recorded, by pytest-benchmark.
BENCHMARKS ?= $(OUT)/bench
# Processes that run tests side by side, at most eight; `logical` is one for each core.
WORKERS ?= logical
# A file that reports are added to as Markdown.
SUMMARY ?= $(GITHUB_STEP_SUMMARY)

.PHONY: help install demo board board-check validate test test-fast check format bench bench-compare clean

help:
	@echo "make demo           run the demo on the bundled digits and write its board to $(OUT)/board"
	@echo "make board          make the committed boards again from the committed results"
	@echo "make board-check    fail if the committed boards are not those of the committed results"
	@echo "make validate       look for every reason to refuse the results in $(RESULTS)"
	@echo "make test           all tests"
	@echo "make test-fast      all but those that take more than a few seconds"
	@echo "make check          ruff, mypy, import contracts"
	@echo "make bench          record performance benchmarks in $(BENCHMARKS)"
	@echo "make bench-compare  time $(BASE) and $(HEAD) in turn, and compare them"

OLD := from sys import exit, version_info as v; v >= (3, 11) or \
	exit("error: $(PYTHON) is Python %d.%d; sembench needs 3.11 or newer. Name one: make PYTHON=python3.11" % v[:2])

# Installed again whenever the project's dependencies or entry points change.
$(VENV)/installed: pyproject.toml
	@test -x $(BIN)/python || { $(PYTHON) -c '$(OLD)' && $(PYTHON) -m venv $(VENV); }
	@echo "installing into $(VENV): some minutes and up to 6 GB the first time, most of it torch"
	$(BIN)/python -m pip install --disable-pip-version-check $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS)) -e ".[$(EXTRAS)]"
	touch $@

install: $(VENV)/installed

demo: install
	$(BIN)/sembench run --suite quick --out $(OUT) --refresh
	$(BIN)/sembench leaderboard --results $(OUT) --suite quick --out $(OUT)/board
	$(BIN)/sembench report --results $(OUT) --suite quick --out $(OUT)/board
	@cat $(OUT)/board/quick/board.md

board: install
	$(BIN)/sembench leaderboard --results leaderboard/results --out leaderboard/boards --into README.md
	$(BIN)/sembench claims --results leaderboard/results --out leaderboard/boards
	$(BIN)/sembench statistics --results leaderboard/results --out leaderboard/boards
	$(BIN)/sembench sensitivity --results leaderboard/results --suite open --out leaderboard/boards
	$(BIN)/sembench sensitivity --results leaderboard/results --suite open-ablations --out leaderboard/boards
	$(BIN)/sembench sensitivity --results leaderboard/results --suite open-cifar10 --out leaderboard/boards
	$(BIN)/sembench sensitivity --results leaderboard/results --suite maps --out leaderboard/boards
	$(BIN)/sembench sensitivity --results leaderboard/results --suite maps-cifar10 --out leaderboard/boards
	$(BIN)/sembench prototypes --results leaderboard/results --suite open-prototypes --out leaderboard/boards
	$(BIN)/sembench report --results leaderboard/results --out leaderboard/boards

board-check: install
	$(BIN)/sembench leaderboard --results $(RESULTS) --out $(BOARDS) $(if $(filter leaderboard/boards,$(BOARDS)),--into README.md) --check
	$(BIN)/sembench claims --results $(RESULTS) --out $(BOARDS) --check
	$(BIN)/sembench statistics --results $(RESULTS) --out $(BOARDS) --check
	$(BIN)/sembench sensitivity --results $(RESULTS) --suite open --out $(BOARDS) --check
	$(BIN)/sembench sensitivity --results $(RESULTS) --suite open-ablations --out $(BOARDS) --check
	$(BIN)/sembench sensitivity --results $(RESULTS) --suite open-cifar10 --out $(BOARDS) --check
	$(BIN)/sembench sensitivity --results $(RESULTS) --suite maps --out $(BOARDS) --check
	$(BIN)/sembench sensitivity --results $(RESULTS) --suite maps-cifar10 --out $(BOARDS) --check
	$(BIN)/sembench prototypes --results $(RESULTS) --suite open-prototypes --out $(BOARDS) --check
	$(BIN)/sembench report --results $(RESULTS) --out $(BOARDS) --check

validate: install
	$(BIN)/sembench validate $(RESULTS) $(SUITES:%=--suite %) $(if $(ACCEPTED),--base $(ACCEPTED)) $(if $(SUMMARY),--summary $(SUMMARY)) $(if $(ACCEPTED),--whole)

# One thread a process, since tests of small networks are slower on more and run side by side. Threads that do start wait
# without spinning, so that a busy machine does not make them many times slower.
test test-fast bench bench-compare: export OMP_NUM_THREADS = 1
demo test test-fast bench bench-compare: export OMP_WAIT_POLICY = PASSIVE

PYTEST := $(BIN)/python -m pytest
SPREAD := --numprocesses $(WORKERS) --maxprocesses 8 --dist worksteal

test: install
	$(PYTEST) $(SPREAD)

test-fast: install
	$(PYTEST) $(SPREAD) -m "not slow"

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install
	$(PYTEST) tests/performance --benchmark-enable --benchmark-only --benchmark-autosave --benchmark-storage=$(BENCHMARKS)

bench-compare: install
	$(BIN)/python tests/performance/compare.py $(BASE) $(HEAD) --rounds $(ROUNDS) --storage $(BENCHMARKS) $(if $(SUMMARY),--summary $(SUMMARY))

clean:
	rm -rf $(VENV) $(OUT) build dist *.egg-info
