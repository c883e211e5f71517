"""The reranker seam: a LlamaIndex node postprocessor that also scores plain texts.

Retrieval and fusion only bring candidates; a reranker reads the question and each candidate together and orders
them. Every kind behind this class returns a raw score, by which nodes are sorted, and a probability, which users see
and thresholds compare.
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

from indexes.errors import RerankerError
from rag.instrumentation import reranking

RAW_KEY = "rerank_raw"
WINDOW_KEY = "window"


@dataclass(frozen=True, slots=True)
class RerankScores:
    """Scores of n texts, in their order.

    Args:
        raw: float32 (n,), what the model gave (a logit for cross-encoders); it orders.
        probability: float32 (n,) in [0, 1], one item at a time (a sigmoid, never a softmax over the candidates), so
            that a score means the same whatever else was retrieved.
        truncated: positions of the texts that the model could not read to their end.
    """

    raw: NDArray[np.float32]
    probability: NDArray[np.float32]
    truncated: tuple[int, ...] = ()

    def __len__(self) -> int:
        return int(self.raw.shape[0])


def fingerprint_of(*parts: object) -> str:
    """Return 16 hex digits over what decides a reranker's scores.

    >>> fingerprint_of("bge-reranker", "float32", 512)
    '8510ce75654ce389'
    """
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16]


def empty_scores() -> RerankScores:
    """Return the scores of no texts."""
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
        top_n: how many nodes are kept; None keeps all.
        parallel: questions that may be scored at once, by as many threads; more than one where a server scores.
        read: "window" reads ``node.metadata["window"]`` where a node has one, "sentence" the node's own text.
    """

    model: str = ""
    top_n: int | None = Field(default=None, ge=1)
    parallel: int = Field(default=1, ge=1)
    read: Literal["window", "sentence"] = "window"

    _turn: Any = PrivateAttr(default_factory=threading.Lock)  # a tokenizer and its network serve one thread at a time

    @classmethod
    def class_name(cls) -> str:
        """Return the class's name, by which LlamaIndex stores it."""
        return cls.__name__

    @property
    def name(self) -> str:
        """The model's name, for reports and errors."""
        return self.model

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """16 hex digits that change when scores may change: weights, number format, length limit."""

    @abstractmethod
    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        """How well each text answers the query. ``[]`` gives empty scores.

        Raises:
            RerankerError: the model or its server failed.
        """

    def read_text(self, node: BaseNode) -> str:
        """What the model reads of a node."""
        window = node.metadata.get(WINDOW_KEY) if self.read == "window" else None
        return window if isinstance(window, str) and window else node.get_content(MetadataMode.NONE)

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        """Nodes by raw score, best first, ties by id; ``score`` is the probability.

        The nodes given are left as they are: the same node may stand in a cache or in another retriever's result.
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
    """Refuse a reranker that answers in generated words, as monoT5 does: neither kind of ours reads it.

    Raises:
        RerankerError: it is one.
    """
    if any(name.endswith("ForConditionalGeneration") for name in architectures or ()):
        raise RerankerError(
            f"'{model}' is a T5 reranker (monoT5 and its kind), which is not supported",
            remedy="take BAAI/bge-reranker-v2-m3, or serve it and set rerank.provider = 'api'",
        )


def check_scores(scores: RerankScores, expected: int, name: str) -> RerankScores:
    """Give the scores back; refuse a wrong number of them and any that is not a number, which would sort anywhere."""
    if len(scores) != expected:
        raise RerankerError(
            f"the reranker '{name}' gave {len(scores)} scores for {expected} texts",
            remedy="check that the model is a reranker",
        )
    if not np.isfinite(scores.raw).all():
        bad = int(np.flatnonzero(~np.isfinite(scores.raw))[0])
        raise RerankerError(
            f"the reranker '{name}' gave {scores.raw[bad]} for text {bad}",
            remedy="set rerank.dtype = 'float32', or check that the model's files are whole",
        )
    return scores


def _with_raw(node: BaseNode, raw: float) -> BaseNode:
    """A copy of the node that holds the raw score, hidden from embedders and LLMs."""

    def hide(keys: list[str]) -> list[str]:
        return keys if RAW_KEY in keys else [*keys, RAW_KEY]

    return node.model_copy(
        update={
            "metadata": {**node.metadata, RAW_KEY: raw},
            "excluded_embed_metadata_keys": hide(node.excluded_embed_metadata_keys),
            "excluded_llm_metadata_keys": hide(node.excluded_llm_metadata_keys),
        }
    )
