"""Models that make both sides in one pass, behind the evaluation's cache: a tiny checkpoint of BGE-M3's shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eval import index_dataset
from eval.bench.checkpoints import bge_m3_checkpoint, made_up_sentences
from eval.datasets import CorpusPassage, Dataset
from rag import Settings, load_settings

TITLE = "Harbour"
TEXT = "The ferry waited until the horn had sounded three times. Fog rolled in from the northern cliff."


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    texts = [TITLE, TEXT, *made_up_sentences(100)]
    folder = bge_m3_checkpoint(tmp_path_factory.mktemp("tiny-m3"), texts, positions=66)
    return load_settings(
        **{"encoder.provider": "bge_m3", "encoder.model": str(folder), "rerank.provider": "none"},
        **{"sparse.window": 0, "sparse.place": 0.0},  # else the title's words count in every sentence
    )


@pytest.mark.parametrize(("sparse", "reads_it"), [("learned", True), ("bm25", False)])
def test_a_title_before_each_sentence_and_the_lexical_side(
    settings: Settings, tmp_path: Path, sparse: str, reads_it: bool
) -> None:
    """A learned sparse side comes from the pass that reads the title; BM25 counts the sentence alone."""
    dataset = Dataset("one", {"d": CorpusPassage("d", TITLE, TEXT)}, {"q": "?"}, {"q": {"d": 1}})

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
