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
# What `make bench-compare` compares: revisions, or recorded benchmarks.
BASE ?= HEAD~1
HEAD ?= HEAD
# A file that reports are added to as Markdown.
SUMMARY ?= $(GITHUB_STEP_SUMMARY)

.PHONY: help install demo board board-check validate test test-fast check format bench bench-compare clean

help:
	@echo "make demo           run the demo on the bundled digits and write its board to $(OUT)/board"
	@echo "make board          make the committed boards anew from the committed results"
	@echo "make board-check    fail if the committed boards are not those of the committed results"
	@echo "make validate       look for every reason to refuse the results in $(RESULTS)"
	@echo "make test           all tests"
	@echo "make test-fast      the tests that take no training"
	@echo "make check          ruff, mypy, import contracts"
	@echo "make bench          performance benchmarks"
	@echo "make bench-compare  what changed from $(BASE) to $(HEAD), beyond the noise"

# Installed again whenever the project's dependencies or entry points change.
$(VENV)/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS)) -e ".[$(EXTRAS)]"
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
	$(BIN)/sembench ghosting --results leaderboard/results --suite open-prototypes --out leaderboard/boards
	$(BIN)/sembench report --results leaderboard/results --out leaderboard/boards

board-check: install
	$(BIN)/sembench leaderboard --results $(RESULTS) --out $(BOARDS) $(if $(filter leaderboard/boards,$(BOARDS)),--into README.md) --check
	$(BIN)/sembench claims --results $(RESULTS) --out $(BOARDS) --check
	$(BIN)/sembench statistics --results $(RESULTS) --out $(BOARDS) --check
	$(BIN)/sembench sensitivity --results $(RESULTS) --suite open --out $(BOARDS) --check
	$(BIN)/sembench sensitivity --results $(RESULTS) --suite open-ablations --out $(BOARDS) --check
	$(BIN)/sembench sensitivity --results $(RESULTS) --suite open-cifar10 --out $(BOARDS) --check
	$(BIN)/sembench ghosting --results $(RESULTS) --suite open-prototypes --out $(BOARDS) --check
	$(BIN)/sembench report --results $(RESULTS) --out $(BOARDS) --check

validate: install
	$(BIN)/sembench validate $(RESULTS) $(SUITES:%=--suite %) $(if $(ACCEPTED),--base $(ACCEPTED)) $(if $(SUMMARY),--summary $(SUMMARY)) $(if $(ACCEPTED),--whole)

# Threads that wait without spinning: on a busy machine, tests of small networks are otherwise many times slower.
test test-fast bench bench-compare: export OMP_WAIT_POLICY = PASSIVE

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
	mkdir -p $(OUT)/bench
	$(BIN)/python -m pytest tests/performance --benchmark-enable --benchmark-only \
		--benchmark-json=$(OUT)/bench/benchmarks.json

bench-compare: install
	$(BIN)/sembench bench compare $(BASE) $(HEAD) --out $(OUT)/bench
	$(if $(SUMMARY),cat $(OUT)/bench/comparison.md >> $(SUMMARY))

clean:
	rm -rf $(VENV) $(OUT) build *.egg-info
