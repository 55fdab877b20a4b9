# Everything a person or CI runs. Needs make and Python 3.11 or newer with venv; each target sets
# itself up in .venv on first use. PYTHON=python3.12 chooses another interpreter.

PYTHON ?= python3
ARGS ?=
# Tests wait a third of their time, mostly for processes they started: twice as many keep two cores busy.
workers := 4

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

bin := .venv/bin
ready := .venv/.ready

.PHONY: help demo test check lint types imports spelling docs coverage bench soak generate assets screenshots lock clean

help:
	@echo "make demo    sync a sample org on simulated systems and show it (ARGS=\"--once --json\")"
	@echo "make test    run all tests (ARGS=\"tests/unit -k proration\" for some of them)"
	@echo "make check   lint, types, import rules, spelling, docs, branch coverage"
	@echo "make bench   measure planning, calls, live work and rehearsals (ARGS=\"--orders 100 --strict\")"
	@echo "make soak    all faults, 20,000 random contracts, 400 planted errors (ARGS=\"--only faults\")"
	@echo "make generate  write the generated reference pages again"
	@echo "make assets  write the app's style sheet and icons again (needs npm)"
	@echo "make screenshots  make the pictures of the docs (needs chromium)"
	@echo "make lock    resolve the dependencies again (needs uv; ARGS=--upgrade for newer ones)"
	@echo "make clean   remove .venv and caches"

# The stamp is written last, so an interrupted set-up starts over.
$(ready): requirements/dev.txt requirements/run.txt pyproject.toml tools/set_up.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "cpqbridge needs Python 3.11 or newer. '$(PYTHON)' is older or missing: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) tools/set_up.py

demo: $(ready)
	@$(bin)/cpqbridge demo $(ARGS)

test: $(ready)
	@$(bin)/pytest -q -n $(workers) --dist worksteal $(ARGS)

check: lint types imports spelling docs coverage

lint: $(ready)
	@$(bin)/ruff check --quiet .
	@$(bin)/ruff format --check --quiet . || { echo "Run .venv/bin/ruff format ." >&2; exit 1; }

types: $(ready)
	@$(bin)/mypy --no-error-summary

imports: $(ready)
	@report=$$($(bin)/lint-imports --no-logo 2>&1) || { echo "$$report" >&2; exit 1; }

spelling: $(ready)
	@$(bin)/codespell

# The rules of the money: every branch of them is under test.
coverage: $(ready)
	@report=$$($(bin)/pytest -q -n 2 tests/unit/domain tests/unit/mapping tests/unit/planning tests/scenarios \
	  --cov=cpqbridge.domain --cov=cpqbridge.mapping --cov=cpqbridge.planning --cov-branch \
	  --cov-report=term-missing:skip-covered --cov-fail-under=100 2>&1) || { echo "$$report" >&2; exit 1; }

docs: $(ready)
	@$(bin)/pytest -q tests/docs

bench: $(ready)
	@$(bin)/python benchmarks/run.py $(ARGS)

soak: $(ready)
	@$(bin)/python tools/soak.py $(ARGS)

generate: $(ready)
	@for page in alerts errors mapping configuration cli; do $(bin)/python tools/$${page}_reference.py || exit 1; done

# The committed style sheet, icons and HTMX again, after templates use other classes; needs node and npm.
assets:
	@command -v npm >/dev/null || { echo "make assets needs node and npm" >&2; exit 2; }
	@cd assets && npm install --no-package-lock --ignore-scripts --silent && node build.mjs

screenshots: $(ready)
	@$(bin)/python tools/screenshots.py $(ARGS)

lock:
	@command -v uv >/dev/null || { echo "make lock needs uv: see https://docs.astral.sh/uv/" >&2; exit 2; }
	@uv pip compile --quiet pyproject.toml --group dev --python-version 3.11 --universal --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header $(ARGS) --output-file requirements/dev.txt
	@uv pip compile --quiet pyproject.toml --constraint requirements/dev.txt --python-version 3.11 --universal \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header $(ARGS) --output-file requirements/run.txt

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
