"""The reranker seam: a LlamaIndex node postprocessor that also scores plain texts.

A reranker reads the question together with each candidate that retrieval found. Every kind returns a raw score, by
which nodes are sorted, and a probability, which users see and thresholds compare.
"""

from __future__ import annotations

import hashlib
import threading
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, QueryBundle
from numpy.typing import NDArray

from indexes.display import counted
from indexes.errors import RerankerError
from rag.instrumentation import reranking

RAW_KEY = "rerank_raw"
WINDOW_KEY = "window"


@dataclass(frozen=True, slots=True)
class RerankScores:
    """Scores of n texts, in the texts' order.

    >>> raw = np.array([2, -1], np.float32)
    >>> scores = RerankScores(raw, sigmoid(raw))
    >>> (scores.probability > 0.5).tolist(), len(scores)
    ([True, False], 2)

    Args:
        raw: float32 (n,), the model's output (a logit for cross-encoders), by which texts are sorted.
        probability: float32 (n,) in [0, 1]; a sigmoid per text, never a softmax over the candidates, so that a score
            means the same whatever else was retrieved.
        truncated: positions of the texts that were cut because the model could not read them in full.
    """

    raw: NDArray[np.float32]
    probability: NDArray[np.float32]
    truncated: tuple[int, ...] = ()

    def __len__(self) -> int:
        return int(self.raw.shape[0])


def fingerprint_of(*parts: object) -> str:
    """Return 16 hex digits that identify what a reranker's scores depend on.

    >>> fingerprint_of("bge-reranker", "float32", 512)
    '8510ce75654ce389'
    """
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16]


def empty_scores() -> RerankScores:
    """Return the scores of an empty list of texts.

    >>> len(empty_scores())
    0
    """
    return RerankScores(np.empty(0, np.float32), np.empty(0, np.float32))


def sigmoid(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1 / (1 + exp(-raw)), without overflow at either end.

    >>> sigmoid(np.array([-1000, 0, 2], np.float32)).round(3).tolist()
    [0.0, 0.5, 0.8809999823570251]
    """
    scores = raw.astype(np.float64)
    tail = np.exp(-np.abs(scores))
    return np.where(scores >= 0, 1.0 / (1.0 + tail), tail / (1.0 + tail)).astype(np.float32)


class Reranker(BaseNodePostprocessor):
    """Base of all rerankers; put it in any LlamaIndex query engine's ``node_postprocessors``.

    >>> class Shortest(Reranker):
    ...     fingerprint = property(lambda self: "0" * 16)
    ...     def score(self, query, texts):
    ...         raw = np.array([-len(text) for text in texts], np.float32)
    ...         return RerankScores(raw, sigmoid(raw))
    >>> from llama_index.core.schema import TextNode
    >>> nodes = [NodeWithScore(node=TextNode(text=text)) for text in ("a long text", "short")]
    >>> [node.text for node in Shortest(top_n=1).postprocess_nodes(nodes, query_str="?")]
    ['short']

    Args:
        model: name as configured.
        top_n: number of nodes to keep; None keeps all.
        parallel: number of questions scored at once, each in a thread; above 1 only for servers.
        read: "window" reads ``node.metadata["window"]`` if a node has one, "sentence" always the node's own text.
    """

    model: str = ""
    top_n: int | None = Field(default=None, ge=1)
    parallel: int = Field(default=1, ge=1)
    read: Literal["window", "sentence"] = "window"

    _turn: Any = PrivateAttr(default_factory=threading.Lock)  # tokenizer and network are not thread-safe

    @classmethod
    def class_name(cls) -> str:
        """Return the class's name, under which LlamaIndex stores it."""
        return cls.__name__

    @property
    def name(self) -> str:
        """The model's name, for reports and errors."""
        return self.model

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """16 hex digits that change if scores may change: weights, number format, length limit."""

    @abstractmethod
    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        """Score how well each text answers the query; no texts give empty scores.

        Raises:
            RerankerError: the model or its server failed.
        """

    def read_text(self, node: BaseNode) -> str:
        """Return the text of a node that the model reads."""
        window = node.metadata.get(WINDOW_KEY) if self.read == "window" else None
        return window if isinstance(window, str) and window else node.get_content(MetadataMode.NONE)

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        """Return the nodes sorted by raw score, ties by id; their ``score`` is the probability.

        The nodes given are not changed: a cache or another retriever's result may hold them too.
        """
        if query_bundle is None:
            raise RerankerError("the reranker was called without a question", remedy="pass query_bundle or query_str")
        if not nodes:
            return []
        top_n = self.top_n or len(nodes)
        with reranking(self.callback_manager, query_bundle.query_str, self.name, top_n, lambda: nodes) as ended:
            scores = self.score(query_bundle.query_str, [self.read_text(node.node) for node in nodes])
            check_scores(scores, len(nodes), self.name)
            order = sorted(range(len(nodes)), key=lambda i: (-float(scores.raw[i]), nodes[i].node.node_id))
            kept = [
                NodeWithScore(node=_with_raw(nodes[i].node, float(scores.raw[i])), score=float(scores.probability[i]))
                for i in order[:top_n]
            ]
            ended(lambda: kept)
        return kept


def refuse_t5(architectures: Sequence[str] | None, model: str) -> None:
    """Refuse a T5 reranker, which answers in generated words.

    >>> refuse_t5(["XLMRobertaForSequenceClassification"], "BAAI/bge-reranker-v2-m3")
    >>> refuse_t5(["T5ForConditionalGeneration"], "castorini/monot5-base-msmarco")
    Traceback (most recent call last):
        ...
    indexes.errors.RerankerError: 'castorini/monot5-base-msmarco' is a T5 reranker (such as monoT5), which is not
     supported; use BAAI/bge-reranker-v2-m3, or serve the model and set rerank.provider = 'api'

    Raises:
        RerankerError: the model is one.
    """
    if any(name.endswith("ForConditionalGeneration") for name in architectures or ()):
        raise RerankerError(
            f"'{model}' is a T5 reranker (such as monoT5), which is not supported",
            remedy="use BAAI/bge-reranker-v2-m3, or serve the model and set rerank.provider = 'api'",
        )


def check_scores(scores: RerankScores, expected: int, name: str) -> RerankScores:
    """Return the scores if there is one finite number per text.

    >>> check_scores(empty_scores(), 2, "bge-reranker")
    Traceback (most recent call last):
        ...
    indexes.errors.RerankerError: the reranker 'bge-reranker' returned 0 scores for 2 texts; check that the model is a
     reranker

    Raises:
        RerankerError: the number of scores is wrong, or one of them is NaN or infinite.
    """
    if len(scores) != expected:
        raise RerankerError(
            f"the reranker '{name}' returned {counted(len(scores), 'score')} for {counted(expected, 'text')}",
            remedy="check that the model is a reranker",
        )
    if not np.isfinite(scores.raw).all():
        bad = int(np.flatnonzero(~np.isfinite(scores.raw))[0])
        raise RerankerError(
            f"the reranker '{name}' returned {scores.raw[bad]} for text {bad}",
            remedy="set rerank.dtype = 'float32', or check that the model's files are complete",
        )
    return scores


def _with_raw(node: BaseNode, raw: float) -> BaseNode:
    """Return a copy of the node with the raw score in its metadata, hidden from embedders and LLMs."""

    def hide(keys: list[str]) -> list[str]:
        return keys if RAW_KEY in keys else [*keys, RAW_KEY]

    return node.model_copy(
        update={
            "metadata": {**node.metadata, RAW_KEY: raw},
            "excluded_embed_metadata_keys": hide(node.excluded_embed_metadata_keys),
            "excluded_llm_metadata_keys": hide(node.excluded_llm_metadata_keys),
        }
    )
