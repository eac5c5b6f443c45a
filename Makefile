# TerraFlow Genomics. `make` alone lists what there is; tools/run.sh puts what set-up made on PATH.

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint accuracy bench image deploy destroy clean

RUN := tools/run.sh
# PYTHON=python3.12 chooses the Python; SNAKEMAKE_ARGS, PYTEST_ARGS and ARGS go to the program that is started.
PYTHON ?=
export PYTHON
SNAKEMAKE_ARGS ?=
PYTEST_ARGS ?=
ARGS ?=
# One process for each core; PYTEST_PROCESSES=0 runs the tests one after the other.
PYTEST_PROCESSES ?= logical

# Folders with Python of ours; some of them may not be there.
python_dirs = $(foreach d,workflow/scripts demo benchmarks $(filter-out packages/strict-aws/src,$(wildcard packages/*/src)),$(if $(wildcard $(d)/*.py $(d)/*/*.py),$(d)))

help: ## list the targets (this)
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'For example:  make demo                         see the whole workflow run on made-up data'
	@echo '              make test PYTEST_ARGS="-k unit"   run some of the tests'
	@echo '              make setup PYTHON=python3.12      choose the Python'

setup: ## make .venv from uv.lock and find or install the bioinformatics tools
	@tools/setup.sh

demo: setup ## run the workflow on a small simulated cohort and show how it did
	@$(RUN) python demo/simulate.py --out demo/run
	@$(RUN) snakemake --cores all --directory demo/run --configfile demo/run/config.yaml $(SNAKEMAKE_ARGS)
	@$(RUN) python demo/evaluate.py --run demo/run

test: setup ## run the tests
	@$(RUN) pytest -n $(PYTEST_PROCESSES) --maxprocesses 4 $(PYTEST_ARGS)

lint: ## check style, types and shell scripts (needs no bioinformatics tools)
	@tools/setup.sh --no-tools
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy --strict $(python_dirs)
	$(RUN) lint-imports --no-logo --no-cache
	$(RUN) snakefmt --check workflow
	$(RUN) snakemake --lint --configfile config/example/config.yaml
	$(RUN) python tools/terraform_tables.py --check
	$(RUN) shellcheck .ci/run $$(find tools demo benchmarks tests packages workflow -name '*.sh' -not -path 'demo/run/*')

accuracy: setup ## compare with a truth set: make accuracy TRUTH=<dir>
	@test -n "$(TRUTH)" || { echo 'Say where the truth set lies: make accuracy TRUTH=<dir>' >&2; exit 2; }
	@$(RUN) python benchmarks/accuracy.py "$(TRUTH)" $(ARGS)

bench: setup ## measure the speed
	@$(RUN) python benchmarks/speed.py $(ARGS)

image: setup ## build the two Docker images
	@$(RUN) terraflow image $(ARGS)

deploy: setup ## make or update everything in the AWS account that `snakemake --profile aws` needs
	@$(RUN) terraflow deploy $(ARGS)

destroy: setup ## take it away again; the bucket's data only if it is named: BUCKET=<name>
	@$(RUN) terraflow destroy $(if $(BUCKET),--delete-data $(BUCKET)) $(ARGS)

clean: ## remove what make demo made (never results of your own)
	rm -rf demo/run
