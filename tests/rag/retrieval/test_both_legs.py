"""Either leg alone can place a hit, and nothing that was scored is thrown away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core.schema import Document

from indexes import Index, build_index
from indexes.store.fusion import fuse
from rag import Settings, build_retriever
from rag.settings import RetrievalSettings
from tests.indexes.words_model import words_model


@pytest.fixture(scope="module")
def built() -> Iterator[tuple[Index, Settings]]:
    settings = Settings.model_validate({"store": {"url": ":memory:"}, "rerank": {"provider": "none"}})
    texts = [f"Barge {name} carries {load}. It sails at {hour}." for name, load, hour in zip(
        ("Ada", "Bo", "Cy", "Di", "Ed"), ("gravel", "timber", "grain", "coal", "salt"), range(5, 10), strict=True
    )]  # fmt: skip
    documents = [Document(text=text, id_=f"d{n}") for n, text in enumerate(texts)]
    with build_index(documents, settings=settings, encoder=words_model(1)) as index:
        yield index, settings


def test_either_leg_places_a_hit_with_rrf() -> None:
    legs = [(f"d{i}", 1 - i / 100) for i in range(50)], [(f"s{i}", 9.0 - i / 100) for i in range(50)]
    options: dict[str, Any] = RetrievalSettings(fusion="rrf").fusing
    assert options.pop("score_both")
    of_search = ("ef", "recall", "long_sparse", "long_near")
    options = {key: value for key, value in options.items() if key not in of_search}
    first = [key for key, _ in fuse(*legs, **options)[:10]]
    assert sorted(first) == sorted([f"d{i}" for i in range(5)] + [f"s{i}" for i in range(5)])
    assert RetrievalSettings().fusing["dense_weight"] == 0.7


@pytest.mark.parametrize("fusion", ["minmax", "rrf"])
def test_all_of_both_legs_are_candidates(built: tuple[Index, Settings], fusion: Any) -> None:
    index, settings = built

    def found(fusion: Any) -> set[str]:
        retriever = build_retriever(index, settings=settings, top_k=2, fusion=fusion, rerank=False)
        return {candidate.id for candidate in retriever.search("salt for Bo").candidates}

    assert found(fusion) == found("dense") | found("sparse")
    assert len(found("dense")) == 2 < len(found(fusion))


def test_reranked_are_at_most_so_many_of_a_document(built: tuple[Index, Settings]) -> None:
    index, settings = built

    class Reads:
        def postprocess_nodes(self, nodes: list[Any], **_: Any) -> list[Any]:
            self.read = [node.node.get_content() for node in nodes]
            return nodes

    limited = settings.model_copy(update={"retrieval": RetrievalSettings(per_document=1)})
    reranker = Reads()
    build_retriever(index, settings=limited, rerank=reranker).search("When does barge Ada sail?")
    assert len(reranker.read) == 5
    build_retriever(index, settings=settings, rerank=reranker).search("When does barge Ada sail?")
    assert len(reranker.read) == 10
