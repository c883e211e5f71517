"""TREC qrels (``qid iter docid rel``), with queries and documents beside them.

The path is the qrels file, or a folder with one ``*qrels*`` file per split. ``queries`` lies beside it, and ``corpus``
unless the documents are in an existing index: each as .jsonl, or as .tsv with id and text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.datasets import beir
from eval.datasets.dataset import CorpusPassage, Dataset
from eval.datasets.rows import BadRows, lines, whole_number
from indexes.display import counted
from indexes.errors import SourceError


def recognise(path: Path) -> bool:
    r"""Return whether ``path`` is a TREC qrels file, or a folder with one.

    >>> _ = (folder / "qrels.txt").write_text("q1 0 d1 1\n")
    >>> recognise(folder / "qrels.txt")
    True
    """
    if path.is_dir():
        return bool(_qrels_files(path))
    if ".json" in path.name or not path.is_file():
        return False
    first = next((line.split() for _, line in lines(path)), [])
    return len(first) == 4 and whole_number(first[3]) is not None


def read(path: Path, split: str = "test") -> Dataset:
    r"""Read a qrels file with the queries and documents beside it.

    >>> _ = (folder / "qrels.txt").write_text("q1 0 d1 1\n")
    >>> _ = (folder / "queries.tsv").write_text("q1\tHow long is the notice?\n")
    >>> dataset = read(folder / "qrels.txt")
    >>> dataset.queries, dataset.qrels
    ({'q1': 'How long is the notice?'}, {'q1': {'d1': 1}})
    """
    bad = BadRows()
    file = _choose(path, split) if path.is_dir() else path
    folder = file.parent
    qrels: dict[str, dict[str, int]] = {}
    texts, extras = _queries(folder, bad)
    corpus = _corpus(folder, bad)
    for number, line in lines(file):
        parts = line.split()
        value = whole_number(parts[3]) if len(parts) == 4 else None
        if len(parts) != 4:
            bad.add(file, number, f"{len(parts)} columns instead of 4")
        elif value is None:
            bad.add(file, number, f"judgement {parts[3]!r} is not a whole number")
        elif parts[0] not in texts:
            bad.add(file, number, f"query {parts[0]!r} has no text in queries.jsonl or queries.tsv")
        elif parts[2] in qrels.get(parts[0], {}):
            bad.add(file, number, f"document {parts[2]!r} is judged twice for query {parts[0]!r}")
        else:
            qrels.setdefault(parts[0], {})[parts[2]] = value
    bad.raise_if_any()
    return beir.join(path.stem, corpus, texts, extras, qrels, path=path, split=split)


def write(dataset: Dataset, path: Path, *, overwrite: bool = False) -> list[str]:
    r"""Write a folder with qrels.{split}.trec, queries.jsonl and corpus.jsonl, and return notes.

    >>> notice = CorpusPassage("d1", text="Notice is three months.")
    >>> write(Dataset("mine", {"d1": notice}, {"q1": "How long?"}, {"q1": {"d1": 1}}), folder)
    []
    >>> (folder / "qrels.test.trec").read_text()
    'q1 0 d1 1\n'

    Raises:
        SourceError: an id contains white space, which separates TREC's columns; otherwise as ``beir.write``.
    """
    ids = {i for query, judged in dataset.qrels.items() for i in (query, *judged)}
    bad = sorted(i for i in ids if not i or len(i.split()) != 1 or i.split()[0] != i)
    if bad:
        raise SourceError(
            f"{counted(len(bad), 'id', verb='contain')} white space, which TREC does not allow (the first: {bad[0]!r})",
            remedy="rename them, or write another format",
        )
    judgements = (f"{q} 0 {d} {value}\n" for q, judged in dataset.qrels.items() for d, value in judged.items())
    target = path / f"qrels.{dataset.split}.trec"
    beir.write_together(dataset, path, target, "".join(judgements), overwrite=overwrite)
    return ["the lists of candidates are left out: TREC qrels have none"] if dataset.candidates else []


def splits(folder: Path) -> list[str]:
    r"""Return those of train, dev and test that occur in the name of exactly one qrels file.

    >>> for name in ("qrels.dev.trec", "qrels.test.trec"):
    ...     _ = (folder / name).write_text("q1 0 d1 1\n")
    >>> splits(folder)
    ['dev', 'test']
    """
    names = [file.name.lower() for file in _qrels_files(folder)]
    return [split for split in ("dev", "test", "train") if sum(split in name for name in names) == 1]


def _qrels_files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.is_file() and "qrels" in f.name.lower() and ".json" not in f.name)


def _choose(folder: Path, split: str) -> Path:
    files = _qrels_files(folder)
    named = [file for file in files if split in file.name.lower()]
    chosen = named or (files if len(files) == 1 else [])
    if len(chosen) != 1:
        raise SourceError(
            f"{folder} has {len(named) or len(files)} qrels files for the split {split!r}",
            remedy=f"name one of them: {', '.join(file.name for file in files)}",
        )
    return chosen[0]


def _queries(folder: Path, bad: BadRows) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    for stem in ("queries", "topics"):
        if (file := beir.jsonl_file(folder, stem)) is not None:
            return beir.read_queries(file, bad)
        if (folder / f"{stem}.tsv").is_file():
            return _two_columns(folder / f"{stem}.tsv", bad), {}
    raise SourceError(f"{folder} has qrels but no queries", remedy="put queries.jsonl or queries.tsv there")


def _corpus(folder: Path, bad: BadRows) -> dict[str, CorpusPassage]:
    for stem in ("corpus", "collection"):
        if (file := beir.jsonl_file(folder, stem)) is not None:
            return beir.read_corpus(file, bad)
        if (folder / f"{stem}.tsv").is_file():
            return {i: CorpusPassage(i, "", text) for i, text in _two_columns(folder / f"{stem}.tsv", bad).items()}
    return {}


def _two_columns(path: Path, bad: BadRows) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in lines(path):
        identity, tab, text = line.partition("\t")
        if not tab or not identity.strip() or not text.strip():
            bad.add(path, number, "needs an id, a tab and a text")
        elif identity.strip() in found:
            bad.add(path, number, f"the id {identity.strip()!r} is used twice")
        else:
            found[identity.strip()] = text
    return found
