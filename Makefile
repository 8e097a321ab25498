# One or two lines a target; every target makes .venv when it is missing or older than what it is made of.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo init train retrain quality compare rollback api app test test-faults lint audit bench house constraints clean

demo: .venv/ready  ## install, start PostgreSQL, draw a demo shop where import/ is empty, load, train
	PYTHON=$(BIN)/python bash init.sh --demo
	$(BIN)/python scripts/train_pipeline.py
	$(BIN)/python scripts/train.py

compare: .venv/ready  ## every kind of model and the baselines B0 to B5 on the same folds
	$(BIN)/python scripts/train.py --compare-all

init: .venv/ready  ## load import/*.csv into PostgreSQL
	PYTHON=$(BIN)/python bash init.sh

train: .venv/ready  ## the five stages
	$(BIN)/python scripts/train_pipeline.py

retrain: .venv/ready  ## load what people corrected, train with it, promote what is not worse
	PYTHON=$(BIN)/python bash init.sh && $(BIN)/python scripts/train_pipeline.py --set data.use_corrections=true

quality: .venv/ready  ## the same with the networks of config/quality.toml: a night on two cores
	$(BIN)/python scripts/train_pipeline.py --config config/quality.toml

api: .venv/ready  ## the HTTP service on http://127.0.0.1:8000
	$(BIN)/python scripts/serve_api.py

rollback: .venv/ready  ## serve the run before; again to come forward
	$(BIN)/python scripts/rollback.py

app: .venv/ready  ## the app on http://localhost:8501
	$(BIN)/python -m streamlit run streamlit_app/config.py --server.headless true

# What the tests of a file share is made once; the slowest files come first (tests/conftest.py).
BY_FILE := --dist loadfile --no-loadscope-reorder
test: .venv/ready  ## the whole suite, one worker a core and one BLAS thread a worker
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto $(BY_FILE) -q

test-faults: .venv/ready  ## whole commands killed, out of disk, with damaged files
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -q -m faults tests/test_faults*.py

lint: .venv/ready  ## formatting, style, types, who imports whom, shell
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/shellcheck init.sh .ci/run

# In an environment of its own: an auditor's requirements are none of ours.
AUDITOR := .venv/audit/bin/pip-audit
audit: .venv/ready  ## known vulnerabilities of constraints.txt; those that don't concern us: docs/security.md
	test -x $(AUDITOR) || { $(BIN)/python -m venv .venv/audit && .venv/audit/bin/pip install -q pip-audit==2.10.1; } || true
	$(BIN)/python tests/audit.py $(AUDITOR)

bench: .venv/ready  ## speed against the plain library way, in one run
	$(BIN)/python tools/benchmark.py

house: .venv/ready  ## how large and how deep the code is
	$(BIN)/python tests/house.py

EVERYTHING := .[train,serve,app,cluster,demo,track,dev]
constraints: .venv/ready  ## the newest versions that fit together; then make test, then commit
	$(BIN)/python -m pip install --quiet --upgrade --upgrade-strategy eager -e '$(EVERYTHING)'
	sed -n '/^#/p' constraints.txt > constraints.new
	$(BIN)/python -m pip freeze --exclude-editable | grep -vE '^(nvidia|cuda|triton)' \
	    | sed 's/$$/; python_version >= "3.11"/' >> constraints.new
	mv constraints.new constraints.txt && touch .venv/ready

clean:  ## what a run generated, the database included; import/, .venv, feedback and the history of runs stay
	-$(BIN)/python etl/postgres_server.py stop
	rm -rf artifacts models reports snapshot.json images_manifest.json
	test ! -d data || find data -mindepth 1 -maxdepth 1 -not -name feedback -exec rm -rf {} +
	test ! -d results || find results -mindepth 1 -not -name feedback.jsonl -not -name runs.jsonl -delete

.venv/ready: requirements.txt constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@
