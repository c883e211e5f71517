"""Rerank candidates with any LlamaIndex node postprocessor, and blend its scores with the fused ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from indexes.display import Bilingual, agreed, counted
from indexes.store.fusion import fuse
from rag.instrumentation import reranking
from rag.retrieval.candidate import Candidate
from rag.settings import RerankSettings
from rag.trace import Trace

if TYPE_CHECKING:
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.schema import NodeWithScore


def rerank(
    reranker: Any,
    question: str,
    candidates: list[Candidate],
    settings: RerankSettings,
    trace: Trace,
    manager: CallbackManager | None = None,
) -> list[Candidate]:
    """Return the candidates in the reranker's order; rerankers of ours (with ``score``) also set raw scores.

    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from indexes.nodes.record import SentenceRecord
    >>> scores = SimpleNamespace(raw=np.array([-1, 2]), probability=np.array([0.25, 0.875]), truncated=())
    >>> found = [Candidate(SentenceRecord("a.md", i, text), 0.5) for i, text in enumerate(["Fees.", "It opens at 6."])]
    >>> model = SimpleNamespace(score=lambda question, texts: scores)
    >>> [(one.record.text, one.score) for one in rerank(model, "When?", found, RerankSettings(), Trace("When?"))]
    [('It opens at 6.', 0.875), ('Fees.', 0.25)]
    """
    read_window = settings.read == "window"
    if hasattr(reranker, "score"):
        top_n = getattr(reranker, "top_n", None)
        name = str(getattr(reranker, "name", type(reranker).__name__))
        with reranking(manager, question, name, top_n or len(candidates), lambda: _nodes(candidates)) as ended:
            texts = [(c.window if read_window else None) or c.record.text for c in candidates]
            scores = reranker.score(question, texts)
            if scores.truncated:
                trace.note(
                    Bilingual(
                        f"{counted(len(scores.truncated), 'window', of=len(texts), verb='were')} "
                        "longer than the reranker reads",
                        f"{len(texts)} 个窗口中有 {len(scores.truncated)} 个超过重排模型能读的长度",
                    ),
                    "passage_cut",
                )
            for candidate, raw, probability in zip(candidates, scores.raw, scores.probability, strict=True):
                candidate.rerank_raw, candidate.rerank_score = float(raw), float(probability)
                candidate.score = candidate.rerank_score
            _blend(candidates, settings, trace)
            ordered = sorted(candidates, key=lambda c: (-c.order, c.id))[:top_n]
            ended(lambda: _nodes(ordered))
        return ordered
    from llama_index.core.schema import QueryBundle

    by_id = {candidate.id: candidate for candidate in candidates}
    nodes = [_as_node(candidate, read_window) for candidate in candidates]
    kept = []
    for node in reranker.postprocess_nodes(nodes, query_bundle=QueryBundle(question)):
        candidate = by_id[node.node.node_id]
        candidate.rerank_score = candidate.score = float(node.score or 0.0)
        kept.append(candidate)
    if _blend(kept, settings, trace):
        kept.sort(key=lambda c: (-c.order, c.id))
    return kept


def postprocess(postprocessor: Any, question: str, candidates: list[Candidate], trace: Trace) -> list[Candidate]:
    """Return what a LlamaIndex node postprocessor keeps, in its order and with its scores.

    Nodes that it adds are not candidates: they are left out, with a note.

    >>> from llama_index.core.postprocessor import SimilarityPostprocessor
    >>> from indexes.nodes.record import SentenceRecord
    >>> from rag.trace import Trace
    >>> found = [Candidate(SentenceRecord("x.md", i, f"Sentence {i}."), score) for i, score in enumerate((0.9, 0.2))]
    >>> kept = postprocess(SimilarityPostprocessor(similarity_cutoff=0.5), "?", found, Trace("?"))
    >>> [candidate.score for candidate in kept]
    [0.9]
    """
    from llama_index.core.schema import QueryBundle

    by_id = {candidate.id: candidate for candidate in candidates}
    nodes = [candidate.to_node() for candidate in candidates]
    kept, added = [], 0
    for node in postprocessor.postprocess_nodes(nodes, query_bundle=QueryBundle(question)):
        candidate = by_id.pop(node.node.node_id, None)
        if candidate is None:
            added += 1
            continue
        if node.score is not None:
            candidate.score = float(node.score)
        kept.append(candidate)
    if added:
        name = type(postprocessor).__name__
        trace.note(
            Bilingual(
                f"{name} added {counted(added, 'node')}, which {agreed(added, 'were')} left out",
                f"{name} 加入了 {added} 个节点，没有采用",
            )
        )
    return kept


def _blend(candidates: list[Candidate], settings: RerankSettings, trace: Trace) -> bool:
    """Set each score to the weighted mean of both (``blend``) if ``rerank.weight`` is below 1.

    ``rerank_score`` is not changed, so that thresholds keep their meaning.
    """
    weight = settings.weight
    if weight >= 1 or not candidates:
        return False
    model = [(c.id, float(c.rerank_score or 0.0) if c.rerank_raw is None else c.rerank_raw) for c in candidates]
    first = [(c.id, float(c.fused_score or 0.0)) for c in candidates]
    blended = blend(model, first, weight=weight, scale=settings.scale)
    for candidate in candidates:
        candidate.blended_score = candidate.score = blended[candidate.id]
    trace.note(
        Bilingual(
            f"the order is {weight:g} of the reranker's score and {1 - weight:g} of the fused one",
            f"次序由 {weight:g} 份重排得分和 {1 - weight:g} 份融合得分决定",
        ),
        "rerank_blended",
    )
    return True


def _nodes(candidates: list[Candidate]) -> list[NodeWithScore]:
    return [candidate.to_node() for candidate in candidates]


def _as_node(candidate: Candidate, read_window: bool) -> NodeWithScore:
    """Return a node for a foreign reranker, which reads the node's text: the window instead of the sentence."""
    from llama_index.core.schema import TextNode

    node = candidate.to_node()
    if read_window and candidate.window and isinstance(node.node, TextNode):
        node.node.set_content(candidate.window)
    return node


def blend(
    model: Sequence[tuple[str, float]], first: Sequence[tuple[str, float]], *, weight: float, scale: float | None
) -> dict[str, float]:
    """Return id -> weighted mean of the reranker's and the fused score.

    >>> blend([("a", 4.0), ("b", 1.0)], [("a", 0.2), ("b", 0.6)], weight=0.5, scale=10)
    {'a': 0.2, 'b': 0.55}

    Args:
        model, first: (id, score) of the same candidates: the reranker's raw scores, and the fused scores, which are
            stretched to [0, 1].
        weight: the reranker's share, 0 to 1.
        scale: divisor of the raw scores; None stretches them to [0, 1] as well, however little they differ.
    """
    if scale is None:
        return dict(fuse(model, first, method="minmax", dense_weight=weight, sparse_weight=1 - weight))
    stretched = dict(fuse([], first, method="minmax", dense_weight=0, sparse_weight=1))
    return {name: weight * raw / scale + (1 - weight) * stretched[name] for name, raw in model}
