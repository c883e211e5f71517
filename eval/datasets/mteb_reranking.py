"""MTEB reranking jsonl: {"query", "positive": [...], "negative": [...]}, or "documents" in first-stage order.

Positives that the first stage did not find are **not** added to its list: they count as missed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.datasets.dataset import Dataset
from eval.datasets.lists import ListReader, lost, require_texts
from eval.datasets.rows import json_rows, text_list, write_jsonl
from indexes.display import agreed, counted

OURS = (
    "positive",
    "negative",
    "documents",
    "positive_ids",
    "negative_ids",
    "document_ids",
    "positive_scores",
    "negative_scores",
)


def recognise(row: dict[str, Any]) -> bool:
    """Return whether a file's first row is in this format.

    >>> recognise({"query": "When?", "positive": [], "negative": []}), recognise({"query": "When?", "pos": []})
    (True, False)
    """
    return "query" in row and "positive" in row and ("negative" in row or "documents" in row)


def read(path: Path, split: str = "test") -> Dataset:
    """Read one file. Without "documents", a query's list is its positives followed by its negatives.

    >>> row = {"query": "When?", "positive": ["It opens at 6."], "negative": ["Fees are due."]}
    >>> write_jsonl(folder / "lists.jsonl", [row])
    >>> dataset = read(folder / "lists.jsonl")
    >>> [[dataset.corpus[name].text for name in listed] for listed in dataset.candidates.values()]
    [['It opens at 6.', 'Fees are due.']]
    """
    reader = ListReader(path, split)
    repeated = 0
    for number, row in json_rows(path, reader.bad):
        lists = [text_list(row, key) for key in ("positive", "negative", "documents")]
        if any(texts is None for texts in lists):
            reader.complain(number, 'needs lists of texts in "positive" and "negative" (or "documents")')
            continue
        positive, negative, documents = (texts or [] for texts in lists)
        if "_id" not in row and (both := set(positive) & set(negative)):  # ours may have equal texts under two ids
            reader.complain(number, f"a text is both positive and negative: {min(both)[:60]!r}")
            continue
        ids = [
            reader.documents(number, texts, row, f"{key}_ids")
            for key, texts in (("positive", positive), ("negative", negative), ("document", documents))
        ]
        if any(part is None for part in ids) or (query := reader.query(number, row, OURS)) is None:
            continue
        good, wrong, shown = (part or [] for part in ids)
        reader.judge(query, good, row.get("positive_scores"), 1)
        reader.judge(query, wrong, row.get("negative_scores"), 0)
        reader.judge(query, shown, None, 0)
        listed = shown if "documents" in row else [*good, *wrong]
        reader.dataset.candidates[query] = list(dict.fromkeys(listed))
        repeated += len(listed) - len(reader.dataset.candidates[query])
    reader.bad.raise_if_any()
    if repeated:
        reader.dataset.notes.append(
            f"{counted(repeated, 'text', verb='occur')} twice in a list and {agreed(repeated, 'count')} once"
        )
    return reader.dataset


def write(dataset: Dataset, path: Path) -> list[str]:
    """Write one jsonl file with ids beside the texts, and return notes on what the format cannot hold.

    >>> from eval.datasets.dataset import CorpusPassage
    >>> corpus = {name: CorpusPassage(name, text=name) for name in ("d1", "d2", "d3")}
    >>> write(Dataset("mine", corpus, {"q1": "When?"}, {"q1": {"d1": 1, "d2": 0}}), folder / "lists.jsonl")
    ['1 of 3 documents is judged for no query and is left out']
    """
    require_texts(dataset)
    used: set[str] = set()
    rows = []
    for query, text in dataset.queries.items():
        judged = dataset.qrels[query]
        good = [d for d, value in judged.items() if value > 0]
        wrong = [d for d, value in judged.items() if value <= 0]
        row: dict[str, Any] = {"query": text, "positive": _texts(dataset, good)}
        listed = dataset.candidates.get(query)
        used.update(judged)
        if listed is not None and listed != [*good, *wrong]:
            used.update(listed)
            row["documents"], row["document_ids"] = _texts(dataset, listed), listed
            shown = set(listed)
            wrong = [d for d in wrong if d not in shown or judged[d] != 0]
        if wrong or "documents" not in row:
            row["negative"], row["negative_ids"] = _texts(dataset, wrong), wrong
        row |= {"_id": query, "positive_ids": good}
        if any(judged[d] != 1 for d in good):
            row["positive_scores"] = [judged[d] for d in good]
        if any(judged[d] for d in wrong):
            row["negative_scores"] = [judged[d] for d in wrong]
        rows.append(row | {key: value for key, value in dataset.extra.get(query, {}).items() if key not in row})
    write_jsonl(path, rows)
    return lost(dataset, used)


def _texts(dataset: Dataset, ids: list[str]) -> list[str]:
    return [dataset.corpus[identity].content for identity in ids]
