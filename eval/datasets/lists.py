"""What the two formats of texts in lists (MTEB reranking, FlagEmbedding) share: ids beside the lists.

The formats themselves have no ids. We write them in fields of their own, which other readers leave alone, and read them
where they stand; a foreign row gets ids made from its texts (documents) and its line number (query).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.datasets.dataset import CorpusPassage, Dataset, text_id
from eval.datasets.rows import BadRows, text_field, whole_number
from indexes.errors import SourceError


class ListReader:
    """Builds a dataset row by row."""

    def __init__(self, path: Path, split: str) -> None:
        self.dataset = Dataset(path.stem, {}, {}, {}, split=split, path=str(path))
        self.bad = BadRows()
        self._path = path

    def complain(self, number: int, problem: str) -> None:
        self.bad.add(self._path, number, problem)

    def query(self, number: int, row: dict[str, Any], ours: tuple[str, ...]) -> str | None:
        """Register the row's question; None (and a complaint) where it cannot be used."""
        text = text_field(row, "query")
        identity = text_field(row, "_id", optional=True)
        identity = identity or f"q{number}"
        if not text or not text.strip():
            self.complain(number, 'needs a question in "query"')
            return None
        if identity in self.dataset.queries:
            self.complain(number, f"the id {identity!r} stands above already")
            return None
        self.dataset.queries[identity] = text
        self.dataset.qrels[identity] = {}
        if extra := {key: value for key, value in row.items() if key not in ours and key not in ("query", "_id")}:
            self.dataset.extra[identity] = extra
        return identity

    def judge(self, query: str, documents: list[str], values: Any, default: int) -> None:
        """Register judgements; where ``values`` do not fit the documents, or one is not a number, it is ``default``."""
        if not isinstance(values, list) or len(values) != len(documents):
            values = [default] * len(documents)
        for document, raw in zip(documents, values, strict=True):
            if raw is not None:  # None: drawn at random when the file was written
                value = whole_number(raw)
                self.dataset.qrels[query].setdefault(document, default if value is None else value)

    def documents(self, number: int, texts: list[str], row: dict[str, Any], key: str) -> list[str] | None:
        """Ids of the texts, in their order; each is put into the corpus."""
        ids = row.get(key)
        if ids is None:
            ids = [text_id(text) for text in texts]
        elif not isinstance(ids, list) or len(ids) != len(texts) or not all(isinstance(i, str) for i in ids):
            self.complain(number, f'"{key}" does not fit its texts')
            return None
        for identity, text in zip(ids, texts, strict=True):
            known = self.dataset.corpus.setdefault(identity, CorpusPassage(identity, "", text))
            if known.text != text:
                self.complain(number, f"the id {identity!r} stands for another text above")
                return None
        return ids


def lost(dataset: Dataset, used: set[str]) -> list[str]:
    """Notes on what lists cannot hold."""
    notes = []
    left = len(dataset.corpus) - len(used & dataset.corpus.keys())
    if left:
        notes.append(f"{left} of {len(dataset.corpus)} documents are judged for no query and were left out")
    if any(dataset.corpus[i].title for i in used if i in dataset.corpus):
        notes.append("titles stand before their texts: the format has no field for them")
    return notes


def missing_text(dataset: Dataset) -> list[str]:
    """Judged documents without a text."""
    return sorted({d for judged in dataset.qrels.values() for d in judged if d not in dataset.corpus})


def require_texts(dataset: Dataset) -> None:
    """Raises:
    SourceError: a judged document has no text, without which a format of texts cannot hold it.
    """
    if unknown := missing_text(dataset):
        raise SourceError(
            f"{len(unknown)} judged documents have no text (the first: {unknown[0]!r})",
            remedy="the format needs texts: convert a dataset that has its corpus",
        )
