# Two commands set up everything: `make demo` and `make test`.
# They need Python 3.11 or 3.12 with pip; PYTHON=... names one that is not found by itself.

.DEFAULT_GOAL := help
.PHONY: help demo test check lock clean

PYTHON ?=
ARGS ?=
setup = PYTHON='$(PYTHON)' scripts/setup

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' Makefile

demo: ## the whole engine with a simulated shop; ARGS='--seconds 10 --json'
	@bin=$$($(setup) run) && exec "$$bin/kairos" demo $(ARGS)

test: ## every test and doctest; ARGS='tests/triggers -k caps'
	@bin=$$($(setup) dev) && exec "$$bin/python" $(if $(ARGS),-m pytest $(ARGS),scripts/tests.py)

check: ## what must hold before a change lands: style, types, imports, tests
	@PYTHON='$(PYTHON)' scripts/check

lock: ## make requirements/*.lock again from requirements/*.in; ARGS='--upgrade'
	@PYTHON='$(PYTHON)' scripts/lock $(ARGS)

clean: ## remove the environments and caches that these commands made
	rm -rf .venvs build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis
