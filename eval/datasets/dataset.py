"""Dataset: the one shape that every format is read into."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class CorpusPassage:
    """One document of a collection. ``extra`` keeps fields of its row that are none of ours."""

    id: str
    title: str = ""
    text: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """Title, blank line, text: what is indexed, and what formats without titles hold."""
        if not self.title.strip():
            return self.text
        return f"{self.title}\n\n{self.text}" if self.text else self.title


@dataclass
class Dataset:
    """Questions with judged documents.

    Args:
        name: for tables and run names.
        corpus: document id -> Passage; empty for a dataset over an index of the user's own.
        queries: query id -> question; only those of the split.
        qrels: query id -> document id -> judgement; 0 and below means judged and not relevant.
        extra: query id -> further fields of its row (``answers``, possibly nested; ``fakeanswer``; ...), untouched.
        candidates: query id -> document ids in first-stage order, for reranking; {} where the format has no lists.
        split: "test", "train", ...
        path: where it was read from.
        notes: what reading left out or made up, one sentence each.
    """

    name: str
    corpus: dict[str, CorpusPassage]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]
    extra: dict[str, dict[str, Any]] = field(default_factory=dict)
    candidates: dict[str, list[str]] = field(default_factory=dict)
    split: str = "test"
    path: str = ""
    notes: list[str] = field(default_factory=list)

    @cached_property
    def hash(self) -> str:
        """16 hex digits over documents, questions, judgements and lists: equal content is the same dataset."""
        return _digest(self.corpus_hash, self.queries, self.qrels, self.candidates)

    @cached_property
    def corpus_hash(self) -> str:
        """16 hex digits over the documents alone: splits of one collection share an index."""
        return _digest({p.id: [p.title, p.text] for p in self.corpus.values()})

    def relevant(self, query: str) -> list[str]:
        """Ids of the relevant documents, best judged first."""
        judged = self.qrels.get(query, {})
        return sorted((d for d, gain in judged.items() if gain > 0), key=lambda d: (-judged[d], d))

    def lists(self) -> dict[str, list[str]]:
        """Query -> what a reranker is given: its candidates; in a dataset without any, all that is judged for it."""
        return self.candidates or {query: sorted(judged) for query, judged in self.qrels.items()}

    def answers(self, query: str) -> list[list[str]]:
        """Gold answers as alternatives that are all needed: [["a", "b"]] is a or b; [["a"], ["b"]] is a and b.

        A flat list of a row is one set of alternatives; in a nested one every item is needed, and an inner list holds
        alternatives (RGB). [] where the query has none.
        """
        raw = self.extra.get(query, {}).get("answers") or self.extra.get(query, {}).get("answer") or []
        if isinstance(raw, str):
            return [[raw]]
        if any(isinstance(item, list) for item in raw):
            return [[str(x) for x in item] if isinstance(item, list) else [str(item)] for item in raw]
        return [[str(item) for item in raw]] if raw else []


def passage_id(doc_id: str, first: int, last: int) -> str:
    """The id of the sentences ``first`` to ``last`` of a document."""
    return f"{doc_id}#{first}-{last}"


def text_id(text: str) -> str:
    """The id of a document whose format gives none: a hash of its text, so that equal texts are one document."""
    return "p" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
