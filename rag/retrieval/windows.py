"""From ranked candidates and their windows to numbered passages: overlapping windows become one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexes.nodes.record import SentenceRecord
from rag.retrieval.candidate import Candidate, Passage


@dataclass(slots=True)
class _Run:
    """A growing passage: its sentences by position, its hits best first, its best score and earliest rank."""

    rank: int
    score: float
    sentences: dict[int, SentenceRecord]
    hits: list[str]

    def touches(self, other: _Run) -> bool:
        return min(self.sentences) <= max(other.sentences) + 1 and min(other.sentences) <= max(self.sentences) + 1

    def absorb(self, other: _Run) -> None:
        self.sentences.update(other.sentences)
        self.hits = [*self.hits, *(hit for hit in other.hits if hit not in self.hits)]
        self.score = max(self.score, other.score)
        self.rank = min(self.rank, other.rank)


def merge_windows(
    candidates: Sequence[Candidate], windows: Mapping[str, Sequence[SentenceRecord]], *, limit: int
) -> list[Passage]:
    """Merge ranked candidates' windows into at most ``limit`` passages, numbered from 1 in the candidates' order.

    Windows of one document and section that overlap or touch become one passage: its score is the best of its hits,
    its hits are the ids of all candidates in it, best first. Candidates are taken in rank order until the next one
    would open a passage too many; of those after it, the ones whose sentence already stands in a passage still
    count as its hits, but lengthen nothing, so a long tail of weak candidates cannot swell the prompt.

    Args:
        candidates: ranked, best first; the order also decides between equal scores.
        windows: candidate id -> the sentences of its window (``Collection.windows``). A
            candidate without one stands alone.
        limit: passages wanted, at least 1.
    """
    if limit < 1:
        raise ValueError(f"limit is the number of passages wanted, at least 1, not {limit}")
    sections: dict[tuple[str, int], list[_Run]] = {}
    count = 0
    full = False
    for rank, candidate in enumerate(candidates):
        own = candidate.record
        runs = sections.setdefault((own.doc_id, own.section), [])
        if not full:
            new = _Run(rank, candidate.score, _window(own, windows.get(candidate.id, ())), [candidate.id])
            touched = [run for run in runs if run.touches(new)]
            if touched or count < limit:
                for run in touched:
                    run.absorb(new)
                for run in touched[1:]:
                    touched[0].absorb(run)
                runs[:] = [run for run in runs if run not in touched[1:]] + ([] if touched else [new])
                count += 1 - len(touched)
                continue
            full = True
        for run in runs:
            if own.position in run.sentences and candidate.id not in run.hits:
                run.hits.append(candidate.id)
                run.score = max(run.score, candidate.score)

    order = {candidate.id: rank for rank, candidate in reversed(list(enumerate(candidates)))}
    merged = sorted((run for runs in sections.values() for run in runs), key=lambda run: run.rank)
    return [
        Passage(
            number=number,
            sentences=[run.sentences[position] for position in sorted(run.sentences)],
            hits=sorted(run.hits, key=order.__getitem__),
            score=run.score,
        )
        for number, run in enumerate(merged, start=1)
    ]


def _window(own: SentenceRecord, fetched: Sequence[SentenceRecord]) -> dict[int, SentenceRecord]:
    """The consecutive sentences around ``own``: a gap (a sentence missing from the store) ends the window there."""
    near = {
        sentence.position: sentence
        for sentence in fetched
        if sentence.doc_id == own.doc_id and sentence.section == own.section
    }
    near[own.position] = own
    low = high = own.position
    while low - 1 in near:
        low -= 1
    while high + 1 in near:
        high += 1
    return {position: near[position] for position in range(low, high + 1)}
