"""Ids for the two formats that list texts (MTEB reranking, FlagEmbedding).

The formats have no ids. They are written to extra fields, which other readers ignore, and read back from them; rows of
other programs get ids made from the texts (documents) and the line number (query).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.datasets.dataset import CorpusPassage, Dataset, text_id
from eval.datasets.rows import BadRows, text_field, whole_number
from indexes.display import agreed, counted
from indexes.errors import SourceError


class ListReader:
    """Build a dataset row by row.

    >>> reader = ListReader(Path("lists.jsonl"), "test")
    >>> query = reader.query(1, {"query": "When does it open?"}, ours=())
    >>> reader.judge(query, reader.documents(1, ["It opens at 6."], {}, "pos_ids"), None, default=1)
    >>> reader.dataset.queries, reader.dataset.relevant(query) == [text_id("It opens at 6.")]
    ({'q1': 'When does it open?'}, True)
    """

    def __init__(self, path: Path, split: str) -> None:
        self.dataset = Dataset(path.stem, {}, {}, {}, split=split, path=str(path))
        self.bad = BadRows()
        self._path = path

    def complain(self, number: int, problem: str) -> None:
        """Record a fault in the row of line ``number``."""
        self.bad.add(self._path, number, problem)

    def query(self, number: int, row: dict[str, Any], ours: tuple[str, ...]) -> str | None:
        """Register the row's question and return its id; None (and a recorded fault) if it cannot be used."""
        text = text_field(row, "query")
        identity = text_field(row, "_id", optional=True)
        identity = identity or f"q{number}"
        if not text or not text.strip():
            self.complain(number, 'needs a question in "query"')
            return None
        if identity in self.dataset.queries:
            self.complain(number, f"the id {identity!r} is used twice")
            return None
        self.dataset.queries[identity] = text
        self.dataset.qrels[identity] = {}
        if extra := {key: value for key, value in row.items() if key not in ours and key not in ("query", "_id")}:
            self.dataset.extra[identity] = extra
        return identity

    def judge(self, query: str, documents: list[str], values: Any, default: int) -> None:
        """Register judgements; ``default`` replaces values that are not integers, or a list of another length."""
        if not isinstance(values, list) or len(values) != len(documents):
            values = [default] * len(documents)
        for document, raw in zip(documents, values, strict=True):
            if raw is not None:  # None: the document was drawn at random when the file was written
                value = whole_number(raw)
                self.dataset.qrels[query].setdefault(document, default if value is None else value)

    def documents(self, number: int, texts: list[str], row: dict[str, Any], key: str) -> list[str] | None:
        """Put the texts into the corpus and return their ids, in order; None (and a recorded fault) if ids are bad."""
        ids = row.get(key)
        if ids is None:
            ids = [text_id(text) for text in texts]
        elif not isinstance(ids, list) or len(ids) != len(texts) or not all(isinstance(i, str) for i in ids):
            self.complain(number, f'"{key}" is not a list of one id per text')
            return None
        for identity, text in zip(ids, texts, strict=True):
            known = self.dataset.corpus.setdefault(identity, CorpusPassage(identity, "", text))
            if known.text != text:
                self.complain(number, f"the id {identity!r} has another text in an earlier row")
                return None
        return ids


def lost(dataset: Dataset, used: set[str]) -> list[str]:
    """Return notes on what a format of lists cannot hold: unused documents, separate titles.

    >>> corpus = {name: CorpusPassage(name, text=name) for name in ("d1", "d2")}
    >>> lost(Dataset("mine", corpus, {"q1": "When?"}, {"q1": {"d1": 1}}), used={"d1"})
    ['1 of 2 documents is judged for no query and is left out']
    """
    notes = []
    left = len(dataset.corpus) - len(used & dataset.corpus.keys())
    if left:
        notes.append(
            f"{counted(left, 'document', of=len(dataset.corpus), verb='are')} judged "
            f"for no query and {agreed(left, 'are')} left out"
        )
    if any(dataset.corpus[i].title for i in used if i in dataset.corpus):
        notes.append("titles are written before their texts: the format has no field for them")
    return notes


def missing_text(dataset: Dataset) -> list[str]:
    """Return the sorted ids of judged documents without a text.

    >>> missing_text(Dataset("mine", {"d1": CorpusPassage("d1")}, {"q1": "When?"}, {"q1": {"d1": 1, "d2": 0}}))
    ['d2']
    """
    return sorted({d for judged in dataset.qrels.values() for d in judged if d not in dataset.corpus})


def require_texts(dataset: Dataset) -> None:
    """Require a text for each judged document.

    >>> require_texts(Dataset("mine", {}, {"q1": "When?"}, {"q1": {"d2": 1}}))
    Traceback (most recent call last):
        ...
    indexes.errors.SourceError: 1 judged document has no text (the first: 'd2'); convert a dataset that has its corpus:
     this format consists of texts

    Raises:
        SourceError: a judged document has no text.
    """
    if unknown := missing_text(dataset):
        raise SourceError(
            f"{counted(len(unknown), 'judged document', verb='have')} no text (the first: {unknown[0]!r})",
            remedy="convert a dataset that has its corpus: this format consists of texts",
        )
