"""LlamaIndex EmbeddingQAFinetuneDataset: one JSON file {"queries", "corpus", "relevant_docs", "mode"}.

The library's class has no titles, grades or rows of score 0; they are written to extra fields, which it ignores.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eval.datasets.dataset import CorpusPassage, Dataset
from eval.datasets.lists import missing_text, require_texts
from eval.datasets.rows import bad_rows, read_text
from indexes.display import agreed, counted
from indexes.errors import SourceError

KEYS = ("queries", "corpus", "relevant_docs")


def recognise(content: Any) -> bool:
    """Return whether a JSON file's content is in this format.

    >>> recognise({"queries": {}, "corpus": {}, "relevant_docs": {}}), recognise([])
    (True, False)
    """
    return isinstance(content, dict) and all(isinstance(content.get(key), dict) for key in KEYS)


def read(path: Path, split: str = "test") -> Dataset:
    """Read one file, in UTF-8 or in the locale's encoding.

    >>> content = {"queries": {"q1": "When?"}, "corpus": {"d1": "It opens at 6."}, "relevant_docs": {"q1": ["d1"]}}
    >>> _ = (folder / "qa.json").write_text(json.dumps(content))
    >>> dataset = read(folder / "qa.json")
    >>> dataset.queries, dataset.qrels
    ({'q1': 'When?'}, {'q1': {'d1': 1}})
    """
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise SourceError(f"{path} is not JSON: {error}", remedy="check that the file is complete") from error
    if not recognise(content):
        raise SourceError(f"{path} lacks {', '.join(KEYS)}", remedy="see EmbeddingQAFinetuneDataset of LlamaIndex")
    titles, grades = content.get("titles") or {}, content.get("judgements") or {}
    bad: list[str] = []
    corpus: dict[str, CorpusPassage] = {}
    for identity, text in content["corpus"].items():
        if not isinstance(text, str):
            bad.append(f"corpus {identity!r}: not a text")
            continue
        title = str(titles.get(identity, ""))
        corpus[identity] = CorpusPassage(identity, title, _without_title(text, title))
    queries, qrels, unjudged = {}, {}, 0
    for identity, text in content["queries"].items():
        named = content["relevant_docs"].get(identity, [])
        if not isinstance(text, str) or not text.strip():
            bad.append(f"query {identity!r}: not a question")
        elif not isinstance(named, list) or not all(isinstance(d, str) for d in named):
            bad.append(f"relevant_docs {identity!r}: not a list of ids")
        else:
            judged = {d: int(value) for d, value in grades.get(identity, {}).items()} or dict.fromkeys(named, 1)
            if not judged:
                unjudged += 1
                continue
            queries[identity], qrels[identity] = text, judged
    bad.extend(f"relevant_docs {q!r}: no such query" for q in content["relevant_docs"] if q not in content["queries"])
    found = Dataset(path.stem, corpus, queries, qrels, split=split, path=str(path))
    bad.extend(f"relevant_docs: document {d!r} is not in the corpus" for d in missing_text(found))
    if bad:
        raise SourceError(f"{path} has {bad_rows(bad)}", remedy="correct or remove these entries")
    if unjudged:
        found.notes.append(
            f"{counted(unjudged, 'query', verb='have')} no relevant_docs and {agreed(unjudged, 'are')} left out"
        )
    found.extra = {q: fields for q, fields in (content.get("query_fields") or {}).items() if q in queries}
    return found


def write(dataset: Dataset, path: Path) -> list[str]:
    """Write one file that LlamaIndex's ``EmbeddingQAFinetuneDataset.from_json`` reads, and return notes.

    >>> dataset = Dataset("mine", {"d1": CorpusPassage("d1", text="It opens.")}, {"q1": "When?"}, {"q1": {"d1": 1}})
    >>> write(dataset, folder / "qa.json")
    []
    >>> json.loads((folder / "qa.json").read_text())["relevant_docs"]
    {'q1': ['d1']}
    """
    require_texts(dataset)
    content: dict[str, Any] = {
        "queries": dataset.queries,
        "corpus": {p.id: p.content for p in dataset.corpus.values()},
        "relevant_docs": {q: [d for d, value in judged.items() if value > 0] for q, judged in dataset.qrels.items()},
        "mode": "text",
    }
    if titles := {p.id: p.title for p in dataset.corpus.values() if p.title}:
        content["titles"] = titles
    if any(value != 1 for judged in dataset.qrels.values() for value in judged.values()):
        content["judgements"] = dataset.qrels
    if dataset.extra:
        content["query_fields"] = dataset.extra
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, ensure_ascii=False, indent=1)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except UnicodeEncodeError:  # JSON escapes preserve a lone surrogate
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return ["the lists of candidates are left out: the format has none"] if dataset.candidates else []


def _without_title(text: str, title: str) -> str:
    if not title:
        return text
    return "" if text == title else text.removeprefix(f"{title}\n\n")
