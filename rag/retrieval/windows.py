"""Windows of ranked candidates, fetched only as far as they are read, and the numbered passages merged from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from indexes.nodes.record import SentenceRecord
from indexes.store.collection import Collection
from rag.retrieval.candidate import Candidate, Passage

BATCH = 10  # windows fetched by the first call: about as many as a prompt needs
GROWTH = 4  # growth of each further call: a caller who reads on reads them all


class Windows(Mapping[str, list[SentenceRecord]]):
    """Candidate id -> the sentences of its window, fetched at first access together with the next ones in rank.

    >>> from types import SimpleNamespace
    >>> records = [SentenceRecord("harbour.md", i, text) for i, text in enumerate(["It is old.", "It opens at 6."])]
    >>> store = SimpleNamespace(windows=lambda wanted, size: {record.id: records for record in wanted})
    >>> windows = Windows(store, [Candidate(records[1], 0.9)], size=3)
    >>> [record.text for record in windows[records[1].id]]
    ['It is old.', 'It opens at 6.']

    Args:
        ranked: the candidates, best first.
        size: sentences on each side.
    """

    def __init__(self, store: Collection, ranked: Sequence[Candidate], size: int) -> None:
        self._store, self._size = store, size
        self._ranked = {candidate.id: candidate.record for candidate in ranked}
        self._found: dict[str, list[SentenceRecord]] = {}
        self._batch = BATCH

    def fetch(self, ids: Sequence[str]) -> None:
        """Fetch the windows of several candidates in one call."""
        wanted = [self._ranked[identity] for identity in ids if identity not in self._found]
        if wanted:
            self._found.update(self._store.windows(wanted, self._size))

    def __getitem__(self, identity: str) -> list[SentenceRecord]:
        if identity not in self._found:
            if identity not in self._ranked:
                raise KeyError(identity)
            lacking = [other for other in self._ranked if other not in self._found]
            start = lacking.index(identity)
            self.fetch(lacking[start : start + self._batch])
            self._batch *= GROWTH
        return self._found[identity]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ranked)

    def __len__(self) -> int:
        return len(self._ranked)


def spread(candidates: Sequence[Candidate], per_document: int) -> list[Candidate]:
    """Keep at most ``per_document`` candidates of each document; 0 keeps all.

    >>> found = [Candidate(SentenceRecord(source, i, f"Sentence {i}.")) for i, source in enumerate(("a", "a", "b"))]
    >>> [candidate.record.text for candidate in spread(found, 1)]
    ['Sentence 0.', 'Sentence 2.']
    """
    if not per_document:
        return list(candidates)
    counts: Counter[str] = Counter()
    kept = []
    for candidate in candidates:
        counts[candidate.record.doc_id] += 1
        if counts[candidate.record.doc_id] <= per_document:
            kept.append(candidate)
    return kept


@dataclass(slots=True)
class _GrowingPassage:
    """A growing passage: its sentences by position, its hits best first, its best score and earliest rank."""

    rank: int
    score: float
    sentences: dict[int, SentenceRecord]
    hits: list[str]

    def touches(self, other: _GrowingPassage) -> bool:
        return min(self.sentences) <= max(other.sentences) + 1 and min(other.sentences) <= max(self.sentences) + 1

    def absorb(self, other: _GrowingPassage) -> None:
        self.sentences.update(other.sentences)
        self.hits = [*self.hits, *(hit for hit in other.hits if hit not in self.hits)]
        self.score = max(self.score, other.score)
        self.rank = min(self.rank, other.rank)


def merge_windows(
    candidates: Sequence[Candidate], windows: Mapping[str, Sequence[SentenceRecord]], *, limit: int
) -> list[Passage]:
    """Merge ranked candidates' windows into at most ``limit`` passages, numbered from 1 in the candidates' order.

    Windows of one section that overlap or touch become one passage. Candidates are taken in rank order until the next
    one would open a passage too many; later candidates whose sentence is already in a passage count as its hits, but
    do not lengthen it, so a long tail of weak candidates cannot swell the prompt.

    >>> first, second, other = (SentenceRecord("x.md", i, f"Sentence {i}.") for i in (0, 1, 7))
    >>> found = [Candidate(record, score) for record, score in ((first, 0.9), (other, 0.8), (second, 0.7))]
    >>> [(one.number, [record.position for record in one.sentences]) for one in merge_windows(found, {}, limit=2)]
    [(1, [0, 1]), (2, [7])]

    Args:
        candidates: best first; the order also decides between equal scores.
        windows: candidate id -> the sentences of its window (``Collection.windows``). A candidate without a window
            is its sentence alone.
        limit: maximum number of passages, at least 1.
    """
    if limit < 1:
        raise ValueError(f"limit, the number of passages, must be at least 1, not {limit}")
    sections: dict[tuple[str, int], list[_GrowingPassage]] = {}
    count = 0
    full = False
    for rank, candidate in enumerate(candidates):
        own = candidate.record
        runs = sections.setdefault((own.doc_id, own.section), [])
        if not full:
            new = _GrowingPassage(rank, candidate.score, _window(own, windows.get(candidate.id, ())), [candidate.id])
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
    """Return the consecutive sentences around ``own``: a sentence missing from the store ends the window."""
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
