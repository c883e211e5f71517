"""Pipelines broken on purpose are caught by the gate: real encoder, real index, real files.

The reranker of these tests scores with the encoder's own cosine (FlagEmbedding checkpoints cannot be had here).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from pydantic import PrivateAttr

from eval.comparing.gate import gate
from eval.measure.evaluate import Evaluation, evaluate
from eval.measure.session import Session
from indexes.store.collection import Collection
from rag.retrieval.hybrid import HybridRetriever
from rag.settings import load_settings

MEASURES = ["nDCG@10", "RR@10"]


class CosineReranker(BaseNodePostprocessor):
    """A real scorer, small enough for a test: cosine of question and window, times ``sign``."""

    sign: float = 1.0
    _encoder: object = PrivateAttr()

    def __init__(self, encoder, sign: float = 1.0) -> None:
        super().__init__(sign=sign)
        self._encoder = encoder

    def _postprocess_nodes(self, nodes, query_bundle=None):
        question = self._encoder.encode_queries([query_bundle.query_str]).dense[0]
        texts = self._encoder.encode_documents([node.node.get_content() for node in nodes]).dense
        for node, value in zip(nodes, texts @ question, strict=True):
            node.score = float(self.sign * value)
        return sorted(nodes, key=lambda node: -node.score)


@pytest.fixture(scope="module")
def session(made_up_dataset, cache) -> Iterator[Session]:
    with Session(made_up_dataset, cache=cache) as opened:
        yield opened


def configured(**retrieval):
    return load_settings(
        profile="offline", encoder={"provider": "minilm"}, rerank={"provider": "none"}, retrieval=retrieval
    )


def measured(session, settings, name, *, reranker=None, measures=MEASURES) -> Evaluation:
    if reranker is None:
        retriever = session.retriever(settings)
    else:
        retriever = HybridRetriever(session.index(settings), settings=settings, reranker=reranker)
    return evaluate(retriever, session.dataset, measures, name=name, cache=session.cache)


def failed(baseline, run, dataset, measures=MEASURES) -> bool:
    return any(c.regressed for c in gate(baseline.run, run.run, dataset.qrels, measures, max_drop=0.01))


@pytest.fixture(scope="module")
def baseline(session) -> Evaluation:
    return measured(session, configured(), "baseline")


def test_the_same_pipeline_passes(session, baseline, made_up_dataset):
    assert baseline["nDCG@10"] > 0.8
    assert not failed(baseline, measured(session, configured(), "again"), made_up_dataset)


@pytest.mark.parametrize("left", ["dense", "sparse"])
def test_a_dropped_leg_is_caught(session, baseline, made_up_dataset, left):
    broken = measured(session, configured(fusion=left), f"{left} only")
    assert failed(baseline, broken, made_up_dataset), broken.scores.mean


def test_a_reranker_with_its_sign_flipped_is_caught(session, made_up_dataset):
    encoder, settings = session.encoder(configured()), configured()
    right = measured(session, settings, "reranked", reranker=CosineReranker(encoder))
    wrong = measured(session, settings, "flipped", reranker=CosineReranker(encoder, sign=-1.0))
    assert failed(right, wrong, made_up_dataset)


def test_windows_off_by_one_are_caught(session, made_up_dataset, monkeypatch):
    measures = ["Window@1"]
    right = measured(session, configured(window=0), "windows", measures=measures)
    fetch = Collection.windows

    def off_by_one(store, records, window):
        wide = fetch(store, records, window + 1)
        return {record.id: wide[record.id][-1:] for record in records}

    monkeypatch.setattr(Collection, "windows", off_by_one)
    wrong = measured(session, configured(window=0), "off by one", measures=measures)
    assert failed(right, wrong, made_up_dataset, measures), (right.scores.mean, wrong.scores.mean)
