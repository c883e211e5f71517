from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from eval.datasets.dataset import Dataset
from eval.finetune.proof import forgetting

MEASURING = {
    "eval.measure.evaluate": "evaluate",
    "eval.measure.session": "Session",
    "eval.measure.indexing": "index_dataset",
    "indexes": "open_index",
    "indexes.encoders": "build_encoder",
    "rag.rerankers": "build_reranker",
    "rag.llms": "build_llm",
}

ASKED = 4  # questions of a probe

WHOLE_PROBES = forgetting.probes


@cache
def cut_probes() -> list[Dataset]:
    found = []
    for probe in WHOLE_PROBES():
        queries = dict(list(probe.queries.items())[:ASKED])
        qrels = {query: probe.qrels[query] for query in queries}
        judged = {document for row in qrels.values() for document in row}
        corpus = {name: passage for name, passage in probe.corpus.items() if name in judged}
        found.append(replace(probe, corpus=corpus, queries=queries, qrels=qrels))
    return found


@pytest.fixture(scope="module", autouse=True)
def small_probes() -> Iterator[None]:
    """Forgetting is measured by four questions a language: a run scores each of its models on all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forgetting, "probes", lambda: [replace(probe, notes=[]) for probe in cut_probes()])
        yield


@pytest.fixture(scope="session")
def harbour_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all files that index the harbour's notes with MiniLM: the model runs over each text once."""
    return tmp_path_factory.mktemp("harbour-cache")


@pytest.fixture
def forbid_scoring(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and from then on measuring, indexing and loading a model fail: a finished run needs none of them."""

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("a finished run measured something, or loaded a model")

    def forbid() -> None:
        for module, name in MEASURING.items():
            monkeypatch.setattr(import_module(module), name, fail)

    return forbid
