"""The default profile's own code path on tiny checkpoints: BGE-M3 with both heads, a cross-encoder, a cited answer.

The weights are random, so nothing is said about ranking; what is tested is that every stage runs on real model files
through the real loading code, and that the learned sparse leg, the windows and the raw rerank scores arrive.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import Document

from eval.bench.checkpoints import bge_m3_checkpoint, made_up_sentences
from indexes import build_index, open_index
from indexes.errors import FingerprintMismatchError
from rag import Settings, build_query_engine, build_retriever, load_settings
from tests.tiny_models import tiny_xlmr_beside

TEXT = (
    "The ferry to the island leaves twice a day. The bakery sells warm bread before sunrise. "
    "Batteries lose a third of their charge below freezing. 灯塔的看守人每天傍晚六点登上楼梯。冬天的渡轮每天只有两班。"
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("tiny")
    model = bge_m3_checkpoint(root / "m3", [*made_up_sentences(200), TEXT])
    return load_settings(
        **{
            "encoder.provider": "bge_m3",
            "encoder.model": str(model or root / "m3"),
            "store.path": str(root / "store"),
            "rerank.provider": "none",
            "llm.provider": "none",
        }
    )


@pytest.fixture(scope="module")
def built(tiny: Settings) -> Any:
    with build_index([Document(id_="d", text=TEXT)], settings=tiny) as index:
        yield index


def test_both_legs_come_from_one_model(built: Any, tiny: Settings) -> None:
    assert built.encoder.fingerprint.sparse == "learned"
    result = build_retriever(built, settings=tiny).search("The ferry to the island leaves twice a day.")
    assert {candidate.record.text for candidate in result.candidates} >= {"冬天的渡轮每天只有两班。"}
    assert any(candidate.dense_rank for candidate in result.candidates)
    assert any(candidate.sparse_rank for candidate in result.candidates)


def test_the_sparse_side_sees_the_window(built: Any, tiny: Settings) -> None:
    """Every term of a sentence's neighbours is in its stored vector, with the largest weight of the window."""
    found = built.client.retrieve(built.collection, [c.id for c in _all(built, tiny)], with_vectors=["sparse"])
    stored = {point.id: set(point.vector["sparse"].indices) for point in found}
    own = built.encoder.encode_documents([c.record.text for c in _all(built, tiny)]).sparse
    for candidate, sparse in zip(_all(built, tiny), own, strict=True):
        assert set(sparse.indices.tolist()) < stored[candidate.id]


def test_a_local_cross_encoder_reranks(built: Any, tiny: Settings, tmp_path: Path) -> None:
    reranked = tiny.model_copy(
        update={
            "rerank": tiny.rerank.model_copy(
                update={"provider": "cross_encoder", "model": str(tiny_xlmr_beside(tmp_path, Path(tiny.encoder.model)))}
            )
        }
    )
    response = build_query_engine(built, settings=reranked).query("When does the ferry leave?")
    candidates = response.metadata["trace"]["candidates"]
    raw = [candidate["rerank_raw"] for candidate in candidates]
    assert raw == sorted(raw, reverse=True)
    assert all(0 <= candidate["rerank_score"] <= 1 for candidate in candidates)
    assert "rerank" in response.metadata["trace"]["timings_ms"]


def test_bm25_beside_the_same_weights_is_another_collection(built: Any, tiny: Settings) -> None:
    other = tiny.model_copy(update={"sparse": tiny.sparse.model_copy(update={"kind": "bm25"})})
    with pytest.raises(FingerprintMismatchError):
        open_index(settings=other, client=built.client)


def _all(index: Any, settings: Settings) -> Any:
    return build_retriever(index, settings=settings).search("渡轮").candidates
