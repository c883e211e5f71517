"""Dataset: the common form of all dataset formats."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class CorpusPassage:
    """One document of a dataset's corpus. ``extra`` keeps further fields of its row.

    >>> CorpusPassage("d1", text="Notice is three months.").content
    'Notice is three months.'
    """

    id: str
    title: str = ""
    text: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def content(self) -> str:
        """The indexed text: title, blank line, text. Formats without a title field store this."""
        if not self.title.strip():
            return self.text
        return f"{self.title}\n\n{self.text}" if self.text else self.title


@dataclass
class Dataset:
    """Questions with judged documents.

    Args:
        name: name for tables and runs.
        corpus: document id -> passage; empty if the judgements name documents of an existing index.
        queries: query id -> question, of this split only.
        qrels: query id -> document id -> judgement; 0 or less means judged not relevant.
        extra: query id -> further fields of its row (``answers``, possibly nested; ``fakeanswer``; ...), unchanged.
        candidates: query id -> document ids in first-stage order, for reranking; {} if the format has no lists.
        split: "test", "train", ...
        path: folder or file it was read from.
        notes: what was left out or made up when it was read, one sentence each.

    >>> notice = CorpusPassage("d1", text="Notice is three months.")
    >>> dataset = Dataset("mine", {"d1": notice}, {"q1": "How long is the notice?"}, {"q1": {"d1": 2, "d2": 0}})
    >>> dataset.relevant("q1")
    ['d1']
    >>> dataset.lists()
    {'q1': ['d1', 'd2']}
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
        """16 hex digits over documents, questions, judgements and lists: equal content has the same hash."""
        return _digest(self.corpus_hash, self.queries, self.qrels, self.candidates)

    @cached_property
    def corpus_hash(self) -> str:
        """16 hex digits over the documents alone: the splits of a dataset share one index."""
        return _digest({p.id: [p.title, p.text] for p in self.corpus.values()})

    def relevant(self, query: str) -> list[str]:
        """Return the ids of the query's relevant documents, highest judgement first."""
        judged = self.qrels.get(query, {})
        return sorted((d for d, gain in judged.items() if gain > 0), key=lambda d: (-judged[d], d))

    def lists(self) -> dict[str, list[str]]:
        """Return query id -> ids to rerank: its candidates, or all its judged documents if there are no lists."""
        return self.candidates or {query: sorted(judged) for query, judged in self.qrels.items()}

    def answers(self, query: str) -> list[list[str]]:
        """Return the gold answers as groups of alternatives: [["a", "b"]] is a or b, [["a"], ["b"]] is a and b.

        A flat list in ``extra`` is one group; in a nested list each item is a group (as in RGB). [] if there are none.

        >>> Dataset("mine", {}, {}, {}, extra={"q1": {"answers": ["3 months", "three months"]}}).answers("q1")
        [['3 months', 'three months']]
        """
        raw = self.extra.get(query, {}).get("answers") or self.extra.get(query, {}).get("answer") or []
        if isinstance(raw, str):
            return [[raw]]
        if any(isinstance(item, list) for item in raw):
            return [[str(x) for x in item] if isinstance(item, list) else [str(item)] for item in raw]
        return [[str(item) for item in raw]] if raw else []


def passage_id(doc_id: str, first: int, last: int) -> str:
    """Return the id of a document's sentences ``first`` to ``last`` (0-based, both included).

    >>> passage_id("rules.md", 3, 5)
    'rules.md#3-5'
    """
    return f"{doc_id}#{first}-{last}"


def text_id(text: str) -> str:
    """Return an id for a document whose format has none: a hash of its text, so that equal texts are one document.

    >>> text_id("Notice is three months.") == text_id("Notice is three months.")
    True
    """
    return "p" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
