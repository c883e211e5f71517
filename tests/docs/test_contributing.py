"""The examples of CONTRIBUTING.md work as they stand there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from llama_index.core import Document

from eval.measure import metrics
from indexes import build_index, readers
from indexes.encoders.bm25 import Bm25
from indexes.encoders.paired import PairedEncoder
from indexes.settings.sections import SparseSettings
from rag import build_query_engine, load_settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LONGEST = 20  # lines of an example


def example(heading: str) -> str:
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)[0]


def run(heading: str) -> ModuleType:
    module = ModuleType(f"example_{heading.rsplit(' ', 1)[1]}")
    sys.modules[module.__name__] = module  # pydantic looks a class's module up
    exec(compile(example(heading), heading, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("kind", ["a reader", "an encoder", "a reranker", "a measure"])
def test_an_example_is_short(kind: str) -> None:
    assert len(example(f"Add {kind}").strip().splitlines()) < LONGEST


def test_the_reader_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = run("Add a reader")
    monkeypatch.setitem(sys.modules, "indexes.readers.plain.subtitles", module)
    monkeypatch.setitem(readers._BY_SUFFIX, ".srt", ("plain.subtitles", "subtitles"))
    monkeypatch.setattr(readers, "SUFFIXES", readers.SUFFIXES | {".srt"})
    film = tmp_path / "film.srt"
    film.write_text("1\n00:00:01,000 --> 00:00:02,000\nThe boat\nis late.\n\n2\n00:00:03 --> 00:00:04\nWhy?\n", "utf-8")
    (document,) = readers.read_file(film)
    assert document.text == "The boat is late.\n\nWhy?"


def test_encoder_and_reranker_answer(tmp_path: Path) -> None:
    settings = load_settings(
        profile="offline", llm={"provider": "none"}, store={"path": str(tmp_path), "engine": "local"}
    )
    encoder = PairedEncoder(run("Add an encoder").Letters(), Bm25(SparseSettings()))
    reranker: Any = run("Add a reranker").Shortest()
    texts = ["The boat comes on Tuesday, if the sea is calm and the captain is well.", "The boat comes late."]
    with build_index([Document(text=text) for text in texts], settings=settings, encoder=encoder) as index:
        engine = build_query_engine(index, settings=settings, rerank=reranker)
        response = engine.query("When does the boat come?")
    assert response.source_nodes[0].node.get_content() == texts[1]
    assert response.metadata["trace"]["candidates"][0]["rerank_raw"] == pytest.approx(-len(texts[1]) / 100)


def test_the_measure_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "KINDS", dict(metrics.KINDS))
    monkeypatch.setattr(metrics, "VALUES", dict(metrics.VALUES))
    run("Add a measure")
    found = {"q": [("a", 3.0), ("x", 2.0), ("b", 1.0)], "p": [("a", 1.0)]}
    scores = metrics.score(found, {"q": {"a": 1, "b": 1}, "p": {"a": 1, "b": 1}}, ["LastRank"])
    assert scores.per_query["LastRank"] == {"q": pytest.approx(1 / 3), "p": 0.0}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_glossary_gives_each_word_once(language: str) -> None:
    rows = re.findall(r"^\| (?!Word|词|---)(.+?) \|", (ROOT / "docs" / language / "words.md").read_text("utf-8"), re.M)
    assert len(rows) == len(set(rows)) > 40
