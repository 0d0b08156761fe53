# Two commands: `make repro` trains and evaluates, `make test` checks. Each sets up what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON3 ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Nothing leaves the machine by itself.
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: help setup app repro loop plan record retrain sweep bench test test-again test-steady lint check-full clean demo-space web download-digits download-hands download-hagrid

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: .venv/.installed ## create the virtual environment and install the pinned dependencies

.venv/.installed: pyproject.toml constraints.txt
	@command -v $(PYTHON3) > /dev/null || { echo "error: $(PYTHON3) not found; install Python 3.11 to 3.13 or name it: make PYTHON3=/path/to/python"; exit 1; }
	@$(PYTHON3) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "error: Python 3.11 to 3.13 is needed, this is $$($(PYTHON3) --version); name another: make PYTHON3=python3.12 ..."; exit 1; }
	@$(PYTHON3) -m venv .venv || { echo "error: could not create .venv; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing dependencies into .venv (once; a few minutes) ..."
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

repro: .venv/.installed ## run the whole pipeline: data, training, evaluation, the chosen checkpoint
	@python -m static_gesture_classification.whole_pipeline

app: .venv/.installed ## open the page where all of this is a click
	@python -m static_gesture_classification.app

loop: .venv/.installed ## one round of the loop on synthetic hands and a video: see, plan, record, retrain, verdict
	@python -m static_gesture_classification.walkthrough

plan: .venv/.installed ## what to record next, by the errors of the last evaluation
	@python -m static_gesture_classification.active_learning.planning.make_plan

record: .venv/.installed ## record samples from a camera, guided by the plan
	@python record_gestures.py

retrain: .venv/.installed ## the quick loop: new samples to a new confusion matrix and a verdict within a minute
	@python -m static_gesture_classification.active_learning.retraining.retrain

sweep: .venv/.installed ## search the settings of the landmark model: reports/sweeps/; SWEEP=crops for a model of crops
	@python -m static_gesture_classification.sweeps.sweep $(if $(SWEEP),sweep=$(SWEEP))

demo-space: .venv/.installed ## the recogniser as a folder for Gradio and hosted endpoints: reports/demo_space
	@python -m static_gesture_classification.deployment.demo_space.build

web: .venv/.installed ## the recogniser as a static page that works in the browser alone: reports/web
	@python -m static_gesture_classification.deployment.web.build

# What is fetched lies in data/raw/ where its source looks for it; a repeated command goes on where it stopped.
DOWNLOAD = @python -m static_gesture_classification.downloads.download

download-digits: .venv/.installed ## fetch the sign-language digits: 28 MB, 218 people
	$(DOWNLOAD) download.dataset=digits

download-hands: .venv/.installed ## fetch HANDS: 7 GB, five people
	$(DOWNLOAD) download.dataset=hands

download-hagrid: .venv/.installed ## fetch HaGRID: GESTURES="like dislike", VARIANT=full, 512 or annotations
	$(DOWNLOAD) download.dataset=hagrid "download.parts=$(GESTURES)" $(if $(VARIANT),download.variant=$(VARIANT))

# A fingerprint of everything the checks look at: the checkout's files and whether the photographs are there.
FINGERPRINT = { git ls-files -coz --exclude-standard | xargs -0 sha256sum 2>/dev/null; ls ../shared/data 2>/dev/null; } | sha256sum

test: .venv/.installed ## linter, type checker, all tests; skipped when nothing changed since they passed
	@if [ "$$($(FINGERPRINT))" = "$$(cat .venv/.tested 2>/dev/null)" ]; then \
		echo "Nothing changed since all checks passed; 'make test-again' runs them anyway."; \
	else $(MAKE) --no-print-directory test-again; fi

test-again: lint ## the same, whether anything changed or not
	@python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not full"
	@$(FINGERPRINT) > .venv/.tested

TIMES ?= 50

test-steady: .venv/.installed ## the tests with windows, threads and processes, 50 times each beside another job
	@python -c "while True: pass" & trap "kill $$!" EXIT; python -m pytest -n 2 -m concurrent --times $(TIMES)

bench: .venv/.installed ## the quick benchmarks, 10 minutes: tables, kept in benchmarks/results/
	@python benchmarks/quick.py

lint: .venv/.installed ## linter, formatter and type checker
	@ruff check .
	@ruff format --check .
	@mypy

check-full: .venv/.installed ## the slow checks too: kills at random moments, the whole pipeline
	@python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

clean: ## remove what the pipeline derived (recordings and downloads stay)
	@rm -rf data/index data/crops data/splits data/landmarks data/synthetic data/composed data/quick data/loop data/pool reports params.yaml
