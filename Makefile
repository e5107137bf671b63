# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
DEMO   ?= .demo
JOBS   ?= 2

.PHONY: demo test check bench prove shots lock clean

demo: $(VENV)/.installed
	$(BIN)/comgov demo --dir $(DEMO)

test: $(VENV)/.tested
	$(BIN)/pytest -n $(JOBS) --dist loadgroup -m "not prove"

check: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.tested
	tests/debian-packages postfix nginx
	$(BIN)/python -m tests.benchmarks

prove: $(VENV)/.tested
	$(BIN)/pytest -m prove

shots: $(VENV)/.tested
	$(BIN)/python -m tests.shots

# The lock files hold names, versions and hashes only, whatever index served them.
lock:
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	    pyproject.toml --group build -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	    pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml requirements.lock
	@echo "Installing COMGOV into $(VENV) (about a minute on a new machine) …"
	$(BIN)/pip install --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed requirements-dev.lock tests/debian-packages
	$(BIN)/pip install --disable-pip-version-check --require-hashes -r requirements-dev.lock
	tests/debian-packages chromium unzip dovecot-imapd dovecot-lmtpd isync offlineimap3 interimap curl
	@touch $@

clean:
	rm -rf $(VENV) $(DEMO) .shots .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
