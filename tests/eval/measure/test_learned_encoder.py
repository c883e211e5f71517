"""Models that make both sides in one pass, behind the evaluation's cache: a tiny checkpoint of BGE-M3's shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import Document

from eval import index_dataset
from eval.bench.checkpoints import bge_m3_checkpoint, made_up_sentences
from eval.datasets import Dataset, Passage
from eval.measure.embedding_cache import CachedEncoder, cache_encoder
from indexes.encoders import build_encoder
from indexes.encoders.base import CountsTokens
from indexes.nodes import build_splitter
from rag import Settings, load_settings

TITLE = "Harbour"
TEXT = "The ferry waited until the horn had sounded three times. Fog rolled in from the northern cliff."


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    texts = [TITLE, TEXT, *made_up_sentences(100)]
    folder = bge_m3_checkpoint(tmp_path_factory.mktemp("tiny-m3"), texts, positions=66)
    return load_settings(
        **{"encoder.provider": "bge_m3", "encoder.model": str(folder), "rerank.provider": "none", "sparse.window": 0}
    )


def test_the_cache_counts_tokens_and_cuts_where_the_model_would(settings: Settings, tmp_path: Path) -> None:
    plain = build_encoder(settings)
    cached = cache_encoder(plain, tmp_path)
    assert isinstance(cached, CachedEncoder)
    assert isinstance(cached, CountsTokens)
    long = " ".join([TEXT.replace(".", ",")] * 8)
    assert cached.count_tokens([long, ""]) == plain.count_tokens([long, ""])  # type: ignore[attr-defined]
    document = Document(id_="d", text=long)
    cut = [record.text for record in build_splitter(settings.split, cached)(document)]
    assert len(cut) > 1
    assert cut == [record.text for record in build_splitter(settings.split, plain)(document)]
    assert not cached.encode_documents(cut).truncated


@pytest.mark.parametrize(("sparse", "reads_it"), [("learned", True), ("bm25", False)])
def test_a_title_before_each_sentence_and_the_lexical_side(
    settings: Settings, tmp_path: Path, sparse: str, reads_it: bool
) -> None:
    """A learned sparse side comes from the pass that reads the title; BM25 counts the sentence alone."""
    dataset = Dataset("one", {"d": Passage("d", TITLE, TEXT)}, {"q": "?"}, {"q": {"d": 1}})

    def sentences_with_the_title(contextual: str) -> list[int]:
        tree: Any = settings.model_copy(
            update={
                "split": settings.split.model_copy(update={"contextual": contextual}),
                "sparse": settings.sparse.model_copy(update={"kind": sparse}),
            }
        )
        with index_dataset(dataset, tree, cache=tmp_path) as index:
            asked = index.encoder.encode_queries([TITLE]).sparse
            hits = index.store.hybrid_search(None, asked[0], limit=10)
            assert index.count == 3  # the title itself is the first sentence
            return sorted(hit.payload["position"] for hit in hits)

    assert sentences_with_the_title("none") == [0]
    assert sentences_with_the_title("title") == ([0, 1, 2] if reads_it else [0])
