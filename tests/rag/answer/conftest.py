"""Passages made of a few sentences, Chinese and English."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from indexes.nodes.record import SentenceRecord
from rag.retrieval.candidate import Passage

MakePassage = Callable[..., Passage]


@pytest.fixture
def make_passage() -> MakePassage:
    """``make_passage(number, *texts, source=, heading=, page=, hits=[indexes], kinds=[...])``."""

    def make(
        number: int, *texts: str, hits: list[int] | None = None, kinds: list[str] | None = None, **place: Any
    ) -> Passage:
        source = place.pop("source", f"doc{number}.md")
        metadata = {"source": source, **place}
        records = [
            SentenceRecord(
                doc_id=source,
                position=i,
                text=text,
                start=100 * i,
                end=100 * i + len(text),
                after=" " if text[-1:].isascii() else "",
                kind=kinds[i] if kinds else "text",
                metadata=metadata,
            )
            for i, text in enumerate(texts)
        ]
        return Passage(number, records, [records[i].id for i in (hits if hits is not None else [0])], 1.0 / number)

    return make


@pytest.fixture
def guide(make_passage: MakePassage) -> list[Passage]:
    """Three passages: an English one, a Chinese one, and one on another subject."""
    return [
        make_passage(
            1,
            "Qdrant Edge is the embedded engine and the default.",
            "It needs no server.",
            "A Qdrant server listens on port 6333.",
            source="store.md",
            heading="Store > Engines",
        ),
        make_passage(
            2,
            "默认的窗口是左右各三句话。",
            "窗口大小可以在查询时改变，不需要重新建立索引。",
            "孙悟空大闹天宫之后，被压在五行山下五百年。",
            source="窗口.md",
            heading="窗口",
            hits=[1],
        ),
        make_passage(
            3,
            "The bakery in Lyon opens at seven o'clock.",
            "Anna Berg bakes 1,200 loaves of bread every day.",
            source="bakery.pdf",
            page=4,
        ),
    ]
