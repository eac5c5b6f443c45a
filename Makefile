# TerraFlow Genomics. `make` alone lists the targets; tools/run.sh puts the programs of set-up on PATH.

SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test wheels lint docs docs-serve accuracy bench image deploy airflow destroy clean

RUN := tools/run.sh
# PYTHON=python3.12 chooses the Python; SNAKEMAKE_ARGS, PYTEST_ARGS and ARGS are passed on to the program.
PYTHON ?=
export PYTHON
SNAKEMAKE_ARGS ?=
# SIZE=large chooses the large genome of the benchmark.
SIZE ?=
PYTEST_ARGS ?=
ARGS ?=
# Tests run in one process for each core; PYTEST_PROCESSES=0 runs them one after the other.
PYTEST_PROCESSES ?= logical

# The truth sets in a folder of several.
truths = $(patsubst %/ref.fa,%,$(wildcard $(TRUTH)/*/ref.fa))

# Folders with Python of ours; some of them may not be there.
python_dirs = $(foreach d,workflow/lib demo benchmarks airflow/service $(wildcard packages/*/src),$(if $(wildcard $(d)/*.py $(d)/*/*.py),$(d)))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'For example:  make demo                         run the whole workflow on simulated data'
	@echo '              make test PYTEST_ARGS="-k unit"   run some of the tests'
	@echo '              make setup PYTHON=python3.12      choose the Python'

setup: ## make .venv from uv.lock and find or install the bioinformatics tools
	@tools/setup.sh

demo: setup ## run the workflow on a small simulated cohort and score its calls
	@$(RUN) python demo/simulate.py --out demo/run
	@$(RUN) snakemake --cores all --directory demo/run --configfile demo/run/config.yaml $(SNAKEMAKE_ARGS)
	@$(RUN) python demo/evaluate.py --run demo/run

test: setup ## run the tests
	@$(RUN) pytest -n $(PYTEST_PROCESSES) --maxprocesses 4 $(PYTEST_ARGS)

wheels: setup ## build the packages' wheels into dist/
	@rm -rf dist
	@mirror=$$(tools/setup.sh --mirror); if [ -n "$$mirror" ]; then export UV_DEFAULT_INDEX="$$mirror"; fi; \
	  "$$(tools/setup.sh --uv)" build --all-packages --wheel --no-build-logs

lint: ## check style, types and shell scripts (needs no bioinformatics tools)
	@tools/setup.sh --no-tools
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy --strict $(python_dirs)
	tools/airflow.sh -m mypy --no-error-summary
	$(RUN) lint-imports --no-logo --no-cache
	$(RUN) snakefmt --check workflow
	$(RUN) snakemake --lint --configfile config/example/config.yaml
	$(RUN) python tools/terraform_tables.py --check
	tools/docs.sh build
	tools/subjects.sh
	$(RUN) shellcheck .ci/run $$(find tools demo benchmarks tests packages workflow -name '*.sh' -not -path 'demo/run/*')

docs: ## build the documentation as a site, into .tools/site
	@tools/setup.sh --no-tools
	@tools/docs.sh build

docs-serve: ## show the documentation at http://127.0.0.1:8000, anew when a page changes
	@tools/setup.sh --no-tools
	@tools/docs.sh serve $(ARGS)

accuracy: setup ## compare with a truth set, or models of indels on a folder of them: make accuracy TRUTH=<dir>
	@test -n "$(TRUTH)" || { echo 'Name the folder of the truth set: make accuracy TRUTH=<dir>' >&2; exit 2; }
	@$(RUN) python benchmarks/$(if $(truths),genotypes,accuracy).py "$(TRUTH)" $(ARGS)
	@for truth in $(or $(truths),"$(TRUTH)"); do $(RUN) python benchmarks/mitochondrion.py "$$truth" || exit; done

bench: setup ## measure the speed; SIZE=large: what each rule costs with a genome of 250 Mb
	@$(RUN) python benchmarks/$(if $(filter large,$(SIZE)),large,speed).py $(ARGS)

image: setup ## build the two Docker images
	@$(RUN) terraflow image $(ARGS)

deploy: setup ## create or update the AWS stack that `snakemake --profile aws` needs
	@$(RUN) terraflow deploy $(ARGS)

airflow: setup ## open the page of the stack's Airflow, where the stack has one
	@$(RUN) terraflow airflow $(ARGS)

destroy: setup ## delete the AWS stack; the bucket's data only if you name the bucket: BUCKET=<name>
	@$(RUN) terraflow destroy $(if $(BUCKET),--delete-data $(BUCKET)) $(ARGS)

clean: ## delete the demo's files (never results of your own)
	rm -rf demo/run
