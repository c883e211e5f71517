"""Candidates, single sentences on their way from the two legs to the prompt, and the passages made of them."""

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
    """A sentence that a leg found, with its rank and score in each leg.

    >>> found = Candidate(SentenceRecord("harbour.md", 0, "The harbour opens at 6."), score=0.9, dense_rank=1)
    >>> found.window is None, found.to_node().text
    (True, 'The harbour opens at 6.')

    Args:
        score: score of the last stage that ran.
        dense_rank, sparse_rank: from 1; None if the sentence was not among the leg's best (it may have a score still).
        blended_score: mean of fused and reranker's score, if ``rerank.weight`` is below 1; relative to the other
            candidates of the question.
        windows: where ``window`` is fetched from at first access, together with those of the next candidates.
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
        """The text of the window, which the answer reads; None if windows were not fetched."""
        return None if self.windows is None else join_records(self.windows.get(self.id) or [self.record])

    @classmethod
    def of_hit(cls, hit: HybridHit) -> Candidate:
        """Make a candidate of a hit."""
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
        """The value that candidates are sorted by, highest first. It is the raw score if a reranker alone decides:
        its probability, a sigmoid in float32, has ties far from 0."""
        if self.blended_score is not None:
            return self.blended_score
        return self.score if self.rerank_raw is None else self.rerank_raw

    @property
    def confidence(self) -> float:
        """The value that thresholds compare: the reranker's probability, which does not depend on what else was found;
        without a reranker the score."""
        return self.score if self.rerank_score is None else self.rerank_score

    def to_node(self) -> NodeWithScore:
        """Return a LlamaIndex node: its text is the sentence, ``metadata["window"]`` the window if it was fetched."""
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
        """Return the candidate as the trace records it."""
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
    """Merged windows of one section, as the prompt and the citations use them.

    >>> harbour = Passage(1, [SentenceRecord("harbour.md", 0, "The harbour opens at 6.")], hits=[], score=0.9)
    >>> harbour.source, harbour.text
    ('harbour.md', 'The harbour opens at 6.')

    Args:
        number: citation number, from 1 for the best passage, whatever the prompt's order.
        sentences: consecutive sentences of one document.
        hits: ids of the candidates in it, best first.
        score: best score of its hits.
        repeats: first sentences of the passages with the same words elsewhere that were folded into this one.
    """

    number: int
    sentences: list[SentenceRecord]
    hits: list[str]
    score: float
    repeats: list[SentenceRecord] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The sentences joined as in the document: with its white space, and table rows under their header."""
        return join_records(self.sentences)

    @property
    def more_places(self) -> list[dict[str, Any]]:
        """Other places with the same words: doc_id, source, heading, page."""
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
