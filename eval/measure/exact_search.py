"""Finders without an index: exact search over whole documents, and reranking of given lists."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from numpy.typing import NDArray

from eval.datasets.dataset import Dataset
from eval.measure.cache import cache_encoder, cache_folder
from eval.measure.finder import SHOWN, SHOWN_CHARS, Finder, QueryResult, name_of, notes_of_questions
from indexes.display import counted
from indexes.encoders.base import Encoder
from indexes.encoders.cache import CachedEncoder, CachedPaired
from indexes.encoders.from_embedding import EmbeddingModel
from indexes.encoders.paired import PairedEncoder
from indexes.errors import SourceError

DEPTH = 1000


class DenseFinder(Finder):
    """Ask an embedder: exact cosine search over whole documents (title, blank line, text).

    >>> from llama_index.core import MockEmbedding
    >>> from eval.datasets.dataset import CorpusPassage
    >>> dataset = Dataset("mine", {"d1": CorpusPassage("d1", text="It opens.")}, {"q1": "When?"}, {"q1": {"d1": 1}})
    >>> find = DenseFinder(MockEmbedding(embed_dim=8), dataset, cache=folder)
    >>> [name for name, score in find("q1", "When?").ranked], find.notes[0]
    (['d1'], 'exact search over whole documents, one vector per document')
    """

    def __init__(self, model: Any, dataset: Dataset, *, cache: str | Path | None = None) -> None:
        super().__init__(dataset)
        if not dataset.corpus:
            raise SourceError(
                f"the dataset {dataset.name!r} has no documents for an embedder to search",
                remedy="measure a retriever over the index that the judgements refer to",
            )
        encoder: Encoder = model if isinstance(model, Encoder) else PairedEncoder(_with_instructions(model), None)
        self._encoder = cache_encoder(encoder, cache_folder(cache))
        self.parallel = self._encoder.parallel
        self.fingerprint = {"encoder": self._encoder.fingerprint.as_dict()}
        self._ids = [p.id for p in dataset.corpus.values() if p.content.strip()]
        encoded = self._encoder.encode_documents([dataset.corpus[i].content for i in self._ids])
        self._vectors = encoded.dense
        self.notes = ["exact search over whole documents, one vector per document"]
        if encoded.truncated:
            self.notes.append(
                f"{counted(len(encoded.truncated), 'document', of=len(self._ids), verb='exceed')} "
                "the embedder's input and are cut"
            )
        self.notes += notes_of_questions(self._encoder)
        self.notes.append("encode times are from each question's first encoding, not from the cache")

    def __call__(self, query: str, text: str) -> QueryResult:
        vector = self._encoder.encode_queries([text]).dense[0]
        started = time.perf_counter()
        scores = self._vectors @ vector
        ranked = best(self._ids, scores, DEPTH)
        spent = round((time.perf_counter() - started) * 1000, 3)
        return QueryResult(ranked, {"encode": round(self._encoder.last_query_ms, 3), "search": spent})


class RerankFinder(Finder):
    """Ask a reranker to order the dataset's lists, as MTEB does. Positives missing from a list are not added.

    Without lists, all judged documents of a query are reranked, including those judged 0.

    >>> from types import SimpleNamespace
    >>> from eval.datasets.dataset import CorpusPassage
    >>> corpus = {name: CorpusPassage(name, text=text) for name, text in (("d1", "Fees."), ("d2", "It opens at 6."))}
    >>> dataset = Dataset("mine", corpus, {"q1": "When?"}, {"q1": {"d1": 0, "d2": 1}})
    >>> longest = SimpleNamespace(score=lambda question, texts: SimpleNamespace(raw=[len(text) for text in texts]))
    >>> RerankFinder(longest, dataset)("q1", "When?").ranked
    [('d2', 14.0), ('d1', 5.0)]
    """

    def __init__(self, reranker: Any, dataset: Dataset) -> None:
        super().__init__(dataset)
        self._reranker = reranker
        self.parallel = getattr(reranker, "parallel", 1)
        self.fingerprint = {"reranker": name_of(reranker)}
        self._lists = dataset.lists()
        missing = sorted({d for listed in self._lists.values() for d in listed if d not in dataset.corpus})
        if missing:
            raise SourceError(
                f"{counted(len(missing), 'document')} to rerank have no text (the first: {missing[0]!r})",
                remedy="measure on a dataset that has its corpus",
            )
        absent = sum(d not in set(self._lists[q]) for q in self._lists for d in dataset.relevant(q))
        kind = "lists" if dataset.candidates else "judged documents of each query"
        self.notes = [
            f"the {kind} were reranked as they are; {counted(absent, 'relevant document')} "
            "missing from them count as missed"
        ]

    def __call__(self, query: str, text: str) -> QueryResult:
        ids = self._lists.get(query, [])
        texts = [self.dataset.corpus[i].content for i in ids]
        started = time.perf_counter()
        ranked = rerank(self._reranker, text, ids, texts)
        spent = round((time.perf_counter() - started) * 1000, 3)
        shown = [{"id": i, "text": self.dataset.corpus[i].content[:SHOWN_CHARS]} for i, _ in ranked[:SHOWN]]
        return QueryResult(ranked, {"rerank": spent}, {"found": shown})


def rerank(reranker: Any, question: str, ids: list[str], texts: list[str]) -> list[tuple[str, float]]:
    """Return (id, score) best first: our rerankers' raw scores, or the node scores of a LlamaIndex postprocessor.

    >>> from types import SimpleNamespace
    >>> longest = SimpleNamespace(score=lambda question, texts: SimpleNamespace(raw=[len(text) for text in texts]))
    >>> rerank(longest, "When?", ["d1", "d2"], ["Fees.", "It opens at 6."])
    [('d2', 14.0), ('d1', 5.0)]
    """
    if not ids:
        return []
    if hasattr(reranker, "score"):
        raw = reranker.score(question, texts).raw
        return sorted(zip(ids, (float(value) for value in raw), strict=True), key=lambda item: -item[1])
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

    nodes = [NodeWithScore(node=TextNode(id_=i, text=t), score=0.0) for i, t in zip(ids, texts, strict=True)]
    kept = reranker.postprocess_nodes(nodes, query_bundle=QueryBundle(question))
    return [(node.node.node_id, float(node.score or 0.0)) for node in kept]


def _with_instructions(embedding: BaseEmbedding) -> EmbeddingModel:
    """Return a LlamaIndex embedding model; its instructions are in its fingerprint, by which vectors are cached."""
    model = EmbeddingModel(embedding)
    names = ("query_instruction", "text_instruction")
    model.prompts = {name: str(text) for name in names if (text := getattr(embedding, name, None))}
    return model


def best(ids: Sequence[str], scores: NDArray[np.float32], depth: int) -> list[tuple[str, float]]:
    """Return (id, score) of the ``depth`` highest scores, best first.

    >>> best(["d1", "d2", "d3"], np.array([0.1, 0.9, 0.5], np.float32), 2)[0][0]
    'd2'
    """
    places = np.argpartition(-scores, depth)[:depth] if len(ids) > depth else np.arange(len(ids))
    order = places[np.argsort(-scores[places], kind="stable")]
    return [(ids[i], float(scores[i])) for i in order]


class EncoderReranker:
    """An encoder as a reranker, as MTEB measures embedders: the cosine of question and text.

    >>> from types import SimpleNamespace
    >>> from indexes.encoders.base import Encoded
    >>> rows = {"When?": [1, 0], "It opens at 6.": [1, 0], "Fees.": [0, 1]}
    >>> encode = lambda texts: Encoded(np.array([rows[text] for text in texts], np.float32))
    >>> model = {"encode_queries": encode, "encode_documents": encode, "parallel": 1}
    >>> encoder = SimpleNamespace(fingerprint=SimpleNamespace(digest="0" * 16), **model)
    >>> EncoderReranker(encoder).score("When?", ["It opens at 6.", "Fees."]).raw.tolist()
    [1.0, 0.0]
    """

    def __init__(self, encoder: CachedEncoder | CachedPaired) -> None:
        self._encoder = encoder
        self.fingerprint = encoder.fingerprint.digest
        self.parallel = encoder.parallel

    def score(self, query: str, texts: list[str]) -> Any:
        """Return ``RerankScores``: cosines in [-1, 1], and the same mapped to [0, 1]."""
        from rag.rerankers.base import RerankScores

        question = self._encoder.encode_queries([query]).dense[0]
        encoded = self._encoder.encode_documents(texts)
        raw = (encoded.dense @ question).astype(np.float32)
        return RerankScores(raw, np.clip((raw + 1) / 2, 0, 1), encoded.truncated)
