# Everything runs in .venv, which tools/setup.py makes from the lock and leaves alone when it is up to date.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= .data
PORT ?= 8000
TESTS ?= tests
# Tests wait for processes and clocks as much as they compute: more of them than cores.
JOBS ?= 6
# Whoever names tests, and continuous integration, gets every one of them.
BRIEF := $(if $(CI)$(filter-out tests,$(TESTS)),,--brief)

# Where it is set, every process that a test starts would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run demo test check lint server format unit bench doctor lock screenshots clean setup setup-tests

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: setup ## Install what is missing and start the whole of Kameng (PORT=8000 DATA=.data)
	@exec $(BIN)/kameng dev --data-dir "$(DATA)" --port $(PORT) --seed demo

demo: setup ## Tell the stories of an application and of a campaign, in skipped time
	@exec $(BIN)/kameng demo

test: lint server unit ## Check the code and run the tests: in minutes, or with CI=true every one of them

lint: setup-tests ## Format, lint, layers, dependencies and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/vulture
	$(BIN)/mypy .

# A machine that cannot download it builds it for minutes: with its progress in sight, not in a test's time.
server: setup-tests
	@$(BIN)/python -m tests.support.temporal

unit: setup-tests ## Run the tests alone (TESTS=tests/unit, JOBS=6)
	$(BIN)/pytest -n $(JOBS) --dist worksteal $(BRIEF) $(TESTS)

format: setup-tests ## Put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup-tests ## Measure, and write the ratios to bench/results/
	@exec $(BIN)/python -m bench

doctor: setup ## Check the whole set-up and say what to do
	@KAMENG_DATA_DIR="$(DATA)" exec $(BIN)/kameng doctor

lock: setup-tests ## Resolve requirements/*.in again into pins with hashes
	@sh tools/lock.sh

screenshots: setup-tests ## Take the pictures of the main pages in docs/screenshots/ again
	@exec $(BIN)/python -m tests.browser.screenshots

clean: ## Remove the environment and the caches of tools; data stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info build

setup:
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "setup: no $(PYTHON) here; install Python 3.11 or newer, or name it: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) tools/setup.py

setup-tests:
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "setup: no $(PYTHON) here; install Python 3.11 or newer, or name it: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) tools/setup.py --with-tests
