"""Candidate: one sentence on its way from the two legs to the prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from indexes.nodes.record import WINDOW_KEYS, SentenceRecord, join_records, link
from indexes.store.search import HybridHit
from rag.trace import CandidateTrace

if TYPE_CHECKING:
    from llama_index.core.schema import NodeWithScore


@dataclass(slots=True)
class Candidate:
    """Ranks are 1-based; None where it was not among the leg's best, and it may have a score there even so.

    ``score`` is that of the last stage that ran. ``window`` is what the answer reads: fetched when it is first asked
    for (``windows``), together with those of the candidates behind this one.

    ``blended_score`` is set where ``rerank.weight`` is below 1; it is relative to the question's own candidates.
    """

    record: SentenceRecord
    score: float = 0.0
    dense_rank: int | None = None
    dense_score: float | None = None
    sparse_rank: int | None = None
    sparse_score: float | None = None
    fused_score: float | None = None
    rerank_score: float | None = None
    rerank_raw: float | None = None
    blended_score: float | None = None
    windows: Mapping[str, Sequence[SentenceRecord]] | None = None

    @property
    def window(self) -> str | None:
        """The text of the window; None where nothing says what that is."""
        return None if self.windows is None else join_records(self.windows.get(self.id) or [self.record])

    @classmethod
    def of_hit(cls, hit: HybridHit) -> Candidate:
        """Return the candidate that a search found."""
        return cls(
            SentenceRecord.from_payload(hit.payload),
            score=hit.score,
            fused_score=hit.score,
            dense_rank=hit.dense_rank,
            dense_score=hit.dense_score,
            sparse_rank=hit.sparse_rank,
            sparse_score=hit.sparse_score,
        )

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def order(self) -> float:
        """What candidates are sorted by, highest first. The raw score orders what a reranker alone decided: its
        probability, a sigmoid in float32, makes ties of all that is far from 0."""
        if self.blended_score is not None:
            return self.blended_score
        return self.score if self.rerank_raw is None else self.rerank_raw

    @property
    def confidence(self) -> float:
        """What thresholds compare: the reranker's probability, which means the same whatever else was found; without
        a reranker the score."""
        return self.score if self.rerank_score is None else self.rerank_score

    def to_node(self) -> NodeWithScore:
        """The LlamaIndex view: text is the sentence; ``metadata["window"]`` the window where it was fetched."""
        from llama_index.core.schema import NodeWithScore

        node = self.record.to_node()
        window = self.window
        if window is not None:
            node.metadata.update(window=window, original_text=self.record.text)
            link(node, self.record, (self.windows or {}).get(self.id) or ())
            node.excluded_embed_metadata_keys += WINDOW_KEYS
            node.excluded_llm_metadata_keys += WINDOW_KEYS
        return NodeWithScore(node=node, score=self.score)

    def to_trace(self) -> CandidateTrace:
        return CandidateTrace(
            id=self.id,
            text=self.record.text,
            source=self.record.source,
            heading=self.record.heading,
            page=self.record.page,
            dense_rank=self.dense_rank,
            dense_score=self.dense_score,
            sparse_rank=self.sparse_rank,
            sparse_score=self.sparse_score,
            fused_score=self.fused_score,
            rerank_score=self.rerank_score,
            rerank_raw=self.rerank_raw,
            blended_score=self.blended_score,
        )


@dataclass(slots=True)
class Passage:
    """A merged window as the prompt and the citations see it.

    Args:
        number: 1-based citation number; 1 is the best passage whatever the prompt's order.
        sentences: the consecutive sentences of one document, in order.
        hits: ids of the candidates that brought the passage here.
        score: best score among its hits.
        repeats: first sentences of the passages that say the same elsewhere and were folded into this one.
    """

    number: int
    sentences: list[SentenceRecord]
    hits: list[str]
    score: float
    repeats: list[SentenceRecord] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The sentences as the document has them: its white space between them, rows of a table under its head."""
        return join_records(self.sentences)

    @property
    def more_places(self) -> list[dict[str, Any]]:
        """Where else the same is said: doc_id, source, heading, page."""
        fields = ("doc_id", "source", "heading", "page")
        return [{name: getattr(record, name) for name in fields} for record in self.repeats]

    @property
    def source(self) -> str:
        return self.sentences[0].source

    @property
    def heading(self) -> str | None:
        return self.sentences[0].heading

    @property
    def page(self) -> int | None:
        return self.sentences[0].page
