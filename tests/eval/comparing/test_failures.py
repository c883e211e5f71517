"""What a reranker loses is told from what fusion lost and from what the prompt had no room for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from eval import evaluate, index_dataset, load_dataset
from eval.measure.runs import save_run
from rag import Settings, build_retriever, load_settings
from rag.rerankers.base import RerankScores


class FakeReranker:
    """Likes what has no word of the question best."""

    fingerprint = "backwards"

    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        words = set(query.lower().rstrip("?").split())
        raw = np.array([-len(words & set(text.lower().split())) for text in texts], np.float32)
        return RerankScores(raw, (1 / (1 + np.exp(-raw))).astype(np.float32))


def settings_with(**changes: Any) -> Settings:
    plain = {"encoder.provider": "minilm", "encoder.model": "minilm", "llm.provider": "none"}
    return load_settings(**plain, **changes)


@pytest.mark.parametrize(
    ("changes", "rank"),
    [
        ({"retrieval.top_n": 1}, "last"),  # put behind others, so that the prompt has no room for it
        ({"retrieval.top_n": 1, "rerank.depth": 1}, "gone"),  # never read: the reranker stops before it
    ],
)
def test_lost_in_rerank(
    call: Callable[..., Result],
    lighthouse: Path,
    eval_cache: Path,
    tmp_path: Path,
    changes: dict[str, Any],
    rank: str,
) -> None:
    dataset = load_dataset(lighthouse)
    settings = settings_with(**changes)
    with index_dataset(dataset, settings, cache=eval_cache) as index:
        plain = evaluate(build_retriever(index, settings=settings, rerank=False), dataset, ["RR"])
        reranker: Any = FakeReranker()
        turned = evaluate(build_retriever(index, settings=settings, rerank=reranker), dataset, ["RR"])
    wanted = "water" if rank == "last" else "lamp"  # of question 2: the first and a later one of its documents
    before = [document for document, _ in plain.run.results["2"]]
    after = [document for document, _ in turned.run.results["2"]]
    assert before[0] == "water"
    assert (after.index("water") > 0) if rank == "last" else (after == ["water"])

    save_run(turned.run, tmp_path / "turned")
    result = call("failures", str(tmp_path / "turned"), "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    gold = {g["id"]: g for failure in found["failures"] if failure["query"] == "2" for g in failure["gold"]}
    assert gold[wanted]["stage"] == "lost in rerank"
    assert gold[wanted]["fused"] is not None
    assert found["stages"]["lost in rerank"] >= 1
    if rank == "last":
        assert gold[wanted]["rank"] > gold[wanted]["fused"] == 1
        # The run alone, without searching again, cannot know what fusion had: it does not guess.
        alone = json.loads(call("failures", str(tmp_path / "turned"), "--no-search", "--json").stdout)
        assert "lost in rerank" not in alone["stages"]
    else:
        assert gold[wanted]["rank"] is None
