# Development. `make` alone lists the verbs.
.DEFAULT_GOAL := help
SHELL := /bin/sh
UV_VERSION := 0.13.9
# Of the authors of Material for MkDocs, which gets no new features any more; it reads mkdocs.yml.
ZENSICAL_VERSION := 0.0.73
# The one on PATH, else one of our own.
UV := $(or $(shell command -v uv 2>/dev/null),.midst/uv/bin/uv)
PYTHON := .venv/bin/python
# Tests and commands start many processes: each would compile every module anew, for seconds.
SYNC := $(UV) sync --locked --quiet --compile-bytecode
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install run up down test test-slow coverage lint format docs test-django-6 compose-test faults counts random-search clean

help: ## list these verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.midst/uv/bin/uv:
	@command -v python3 >/dev/null || { echo "Python 3 is missing: install it first." >&2; exit 1; }
	@echo "Bringing uv $(UV_VERSION) into .midst/uv ..."
	@mkdir -p .midst && rm -rf .midst/uv
	@python3 -m venv .midst/uv >/dev/null 2>&1 \
	  && .midst/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) \
	  || { rm -rf .midst/uv; echo "uv can't be installed: python3 needs its venv module (Debian: python3-venv) and a package index it can reach. Or install uv yourself." >&2; exit 1; }

install: $(filter .midst/%,$(UV)) ## install everything from the lock file
	@$(SYNC)

run: install ## start everything: serve, load, analyse, judge; until Ctrl-C
	@exec $(PYTHON) manage.py stack run

up: install ## start only PostgreSQL and Valkey, in the background
	@$(PYTHON) manage.py stack up

down: ## stop what `make up` started
	@$(PYTHON) manage.py stack down

QUICK := not slow and not browser and not e2e and not containers

test: install ## the tests that take a newcomer minutes
	@$(PYTHON) -m pytest -n 2 -m "$(QUICK)"

test-slow: install ## those with fleets of processes, in a browser (Chromium), on Debian's PostgreSQL 15
	@$(PYTHON) -m pytest -n 2 -m "(slow or browser) and not e2e and not containers"

random-search: install ## the property tests with 200 new examples each; a failure says how to try it again
	@HYPOTHESIS_PROFILE=random $(PYTHON) -m pytest -n 2 -m "hypothesis and not e2e" --hypothesis-seed=random tests

coverage: install ## both, with coverage of lines and branches; takes half as long again
	@$(PYTHON) -m pytest -n 2 -m "not e2e and not containers" --cov --cov-report=term

lint: install ## ruff, mypy, djade, import contracts, missing migrations
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy .
	@git ls-files '*.html' | xargs -r .venv/bin/djade --target-version 5.2 --check
	@.venv/bin/lint-imports
	@.venv/bin/deptry . --no-ansi
	@DJANGO_SETTINGS_MODULE=midst.settings.test $(PYTHON) manage.py makemigrations --check --dry-run

format: install ## put the code in its form
	@$(PYTHON) -m ruff check --fix --quiet . ; $(PYTHON) -m ruff format .

docs: $(filter .midst/%,$(UV)) ## build a site from docs/ in site/; a link that leads nowhere fails it
	@$(UV) tool run --from zensical==$(ZENSICAL_VERSION) zensical build --strict

# perfops is for projects on Django 6.0 as well: its requests, models, forms, migrations and commands.
# What is left out starts servers, or never asks Django; real projects on 6.0 and 6.1 come beside it.
# Midst itself runs on the Django of the lock file.
ON_DJANGO := $(addprefix tests/perfops/,admin indexes/test_migrations.py jobs management origins \
  plugins test_checks.py test_migrations.py test_schedules.py)

test-django-6: install ## the tests (but the random ones) that go through Django, on Django 6.0 in an environment of its own
	@UV_PROJECT_ENVIRONMENT=.midst/django-6 $(UV) sync --locked --quiet
	@VIRTUAL_ENV=.midst/django-6 $(UV) pip install --quiet --no-config 'django>=6.0,<6.1'
	@.midst/django-6/bin/python -m pytest -n 2 -m "$(QUICK) and not hypothesis" $(ON_DJANGO)

compose-test: install ## build the image, start docker-compose.yml in containers, test it
	@$(PYTHON) -m tests.containers

faults: install ## kill, freeze and restart each service of docker-compose.yml under load; 20 minutes, as root
	@mkdir -p reports
	@$(PYTHON) -m tests.containers faults each reports/each.json

counts: install ## statements, blocks, bytes, instructions of requests against the committed counts; beside `make run`
	@$(PYTHON) manage.py check_budget --deterministic --vacuum --routes infra/k6/counted.json --baseline infra/k6/counts.json --format $(or $(FORMAT),text)

clean: ## throw away the embedded servers' data and all caches
	@rm -rf .midst .mypy_cache .pytest_cache .ruff_cache .hypothesis
