"""Build a dataset from users' feedback on answers (``rag serve`` with ``serve.feedback``).

If an answer was marked right, the documents of its cited sentences are relevant to its question. An answer marked
"wrong_source" or "wrong" names no relevant document: its question is listed as unjudged, and left out of the qrels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.datasets.dataset import CorpusPassage, Dataset
from indexes.errors import SourceError
from indexes.index import Index
from indexes.nodes.record import SentenceRecord, join_records


@dataclass(slots=True)
class Feedback:
    """The content of a feedback file.

    Args:
        dataset: questions with relevant documents, from answers marked right.
        unjudged: questions of answers marked wrong, once each.
        gone: number of cited sentences that the collection no longer holds.
    """

    dataset: Dataset
    unjudged: list[str] = field(default_factory=list)
    gone: int = 0


def from_feedback(path: Path, index: Index, *, name: str = "feedback") -> Feedback:
    """Read a feedback file against the collection that the answers came from.

    >>> from types import SimpleNamespace
    >>> row = {"question": "When does it open?", "verdict": "right", "citations": [{"sentence_id": "s1"}]}
    >>> file = folder / "feedback.jsonl"
    >>> characters = file.write_text(json.dumps(row | {"collection": "docs"}))
    >>> payloads = {"s1": SentenceRecord("opening.md", 0, "It opens at 6.").to_payload()}
    >>> store = SimpleNamespace(payloads=lambda ids: payloads, pages=lambda size: [payloads.items()])
    >>> found = from_feedback(file, SimpleNamespace(name="docs", store=store))
    >>> found.dataset.queries, found.dataset.qrels
    ({'f1': 'When does it open?'}, {'f1': {'opening.md': 1}})

    Args:
        path: ``feedback.jsonl`` beside the store.
        index: the open collection; its documents become the corpus.

    Raises:
        SourceError: there is no such file, a line is bad, or no answer from this collection was marked right.
    """
    relevant: dict[str, dict[str, int]] = {}
    unjudged: list[str] = []
    gone = 0
    for number, row in _rows(path):
        if row.get("collection") not in ("", index.name):
            continue
        question = " ".join(str(row.get("question") or "").split())
        if not question:
            raise SourceError(f"{path}, line {number} has no question", remedy="remove the line")
        if row.get("verdict") != "right":
            if question not in unjudged:
                unjudged.append(question)
            continue
        ids = [str(one["sentence_id"]) for one in row.get("citations") or [] if one.get("sentence_id")]
        found = index.store.payloads(ids) if ids else {}
        gone += len(set(ids)) - len(found)
        judged = relevant.setdefault(question, {})
        for payload in found.values():
            judged[str(payload["doc_id"])] = 1
    relevant = {question: judged for question, judged in relevant.items() if judged}
    if not relevant:
        raise SourceError(
            f"no answer from collection {index.name!r} was marked right in {path}",
            remedy="set serve.feedback = true, and mark some answers on the page",
        )
    queries = {f"f{place}": question for place, question in enumerate(relevant, 1)}
    qrels = {identity: relevant[question] for identity, question in queries.items()}
    dataset = Dataset(name=name, queries=queries, corpus=dict(_corpus(index)), qrels=qrels)
    return Feedback(dataset, [question for question in unjudged if question not in relevant], gone)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise SourceError(f"there is no feedback at {path}", remedy="set serve.feedback = true") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise SourceError(f"{path}, line {number} is not JSON: {error}", remedy="remove the line") from None
        if isinstance(row, dict):
            yield number, row


def _corpus(index: Index) -> Iterator[tuple[str, CorpusPassage]]:
    records: dict[str, list[SentenceRecord]] = {}
    for page in index.store.pages(512):
        for _, payload in page:
            if payload.get("doc_id"):
                record = SentenceRecord.from_payload(payload)
                records.setdefault(record.doc_id, []).append(record)
    for doc_id, own in sorted(records.items()):
        own.sort(key=lambda record: record.position)
        title = str(own[0].metadata.get("title") or "")
        yield doc_id, CorpusPassage(id=doc_id, title=title, text=join_records(own))
