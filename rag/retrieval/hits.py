"""Candidates as plain values, for JSON and for the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.retrieval.candidate import Candidate


def as_hit(rank: int, candidate: Candidate) -> dict[str, Any]:
    """Return one entry of "hits".

    >>> from indexes.nodes.record import SentenceRecord
    >>> from rag.retrieval.candidate import Candidate
    >>> hit = as_hit(1, Candidate(SentenceRecord("harbour.md", 0, "The harbour opens at 6."), score=0.9))
    >>> hit["rank"], hit["score"], hit["source"], hit["text"]
    (1, 0.9, 'harbour.md', 'The harbour opens at 6.')

    Args:
        rank: from 1.
    """
    record = candidate.record
    found = record.metadata.get("place")
    return {
        "rank": rank,
        "id": candidate.id,
        "score": candidate.score,
        "text": record.text,
        "window": candidate.window if candidate.window is not None else record.text,
        "source": record.source,
        "heading": record.heading,
        "page": record.page,
        **({"place": found} if found else {}),
        "dense_rank": candidate.dense_rank,
        "sparse_rank": candidate.sparse_rank,
        "rerank_score": candidate.rerank_score,
    }
