"""BEIR: corpus.jsonl, queries.jsonl and qrels/{split}.tsv in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.datasets.dataset import CorpusPassage, Dataset
from eval.datasets.rows import BadRows, json_rows, lines, text_field, whole_number, write_jsonl
from indexes.display import counted
from indexes.errors import SourceError

SUFFIXES = (".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz")


def recognise(path: Path) -> bool:
    """Return whether ``path`` is a BEIR folder.

    >>> recognise(folder)
    False
    >>> (folder / "qrels").mkdir()
    >>> write_jsonl(folder / "queries.jsonl", [])
    >>> recognise(folder)
    True
    """
    return path.is_dir() and (path / "qrels").is_dir() and jsonl_file(path, "queries") is not None


def read(path: Path, split: str = "test") -> Dataset:
    """Read a BEIR folder. Queries without a row in this split's qrels belong to other splits and are left out.

    Without corpus.jsonl, the judgements name documents of an existing index.

    >>> notice = CorpusPassage("d1", text="Notice is three months.")
    >>> _ = write(Dataset("mine", {"d1": notice}, {"q1": "How long is the notice?"}, {"q1": {"d1": 1}}), folder)
    >>> dataset = read(folder)
    >>> dataset.queries, dataset.qrels, dataset.corpus["d1"].text
    ({'q1': 'How long is the notice?'}, {'q1': {'d1': 1}}, 'Notice is three months.')
    """
    bad = BadRows()
    qrels_path = next(
        (path / "qrels" / f"{split}{end}" for end in SUFFIXES if (path / "qrels" / f"{split}{end}").is_file()), None
    )
    if qrels_path is None:
        found = ", ".join(splits(path)) or "none there"
        raise SourceError(f"{path} has no split {split!r}", remedy=f"use --split with one of: {found}")
    corpus = read_corpus(jsonl_file(path, "corpus"), bad)
    texts, extras = read_queries(jsonl_file(path, "queries"), bad)
    qrels = _read_qrels(qrels_path, texts, bad)
    bad.raise_if_any()
    return join(path.name, corpus, texts, extras, qrels, path=path, split=split)


def splits(path: Path) -> list[str]:
    """Return the splits that have a qrels file, sorted by name.

    >>> (folder / "qrels").mkdir()
    >>> for name in ("test.tsv", "dev.tsv", "readme.md"):
    ...     (folder / "qrels" / name).touch()
    >>> splits(folder)
    ['dev', 'test']
    """
    return sorted({file.name.split(".")[0] for file in (path / "qrels").iterdir() if file.name.endswith(SUFFIXES)})


def write(dataset: Dataset, path: Path, *, overwrite: bool = False) -> list[str]:
    """Write a BEIR folder, and return notes. Documents, questions and other splits already there are kept.

    >>> notice = CorpusPassage("d1", text="Notice is three months.")
    >>> dataset = Dataset("mine", {"d1": notice}, {"q1": "How long is the notice?"}, {"q1": {"d1": 1}}, split="dev")
    >>> write(dataset, folder)  # no notes: everything is written
    []
    >>> sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    ['corpus.jsonl', 'qrels/dev.tsv', 'queries.jsonl']

    Raises:
        SourceError: an id cannot be written in qrels; or, without ``overwrite``, the split or the id of a document or
            question exists there with other content.
    """
    bad = [
        i
        for q, judged in dataset.qrels.items()
        for i in (q, *judged)
        if any(c in i for c in "\t\n\r") or i != i.strip()
    ]
    if bad:
        raise SourceError(
            f"{counted(len(bad), 'id', verb='contain')} tabs, line ends, or spaces at an end, "
            f"which qrels cannot hold (the first: {bad[0]!r})",
            remedy="rename them, or write another format",
        )
    judgements = (f"{q}\t{d}\t{value}\n" for q, judged in dataset.qrels.items() for d, value in judged.items())
    text = "query-id\tcorpus-id\tscore\n" + "".join(judgements)
    write_together(dataset, path, path / "qrels" / f"{dataset.split}.tsv", text, overwrite=overwrite)
    return ["the lists of candidates are left out: BEIR has none"] if dataset.candidates else []


def write_together(dataset: Dataset, folder: Path, target: Path, qrels: str, *, overwrite: bool) -> None:
    r"""Write qrels to ``target``, and add the dataset's documents and questions to those in ``folder``.

    Everything is compared before anything is written.

    >>> notice = CorpusPassage("d1", text="Notice is three months.")
    >>> dataset = Dataset("mine", {"d1": notice}, {"q1": "How long is the notice?"}, {"q1": {"d1": 1}})
    >>> write_together(dataset, folder, folder / "qrels.txt", "q1 0 d1 1\n", overwrite=False)
    >>> (folder / "queries.jsonl").read_text()
    '{"_id": "q1", "text": "How long is the notice?"}\n'

    Raises:
        SourceError: without ``overwrite``, ``target`` holds other judgements, or an id has another text.
    """
    corpus = {p.id: {"_id": p.id, "title": p.title, "text": p.text, **p.extra} for p in dataset.corpus.values()}
    queries = {q: {"_id": q, "text": text, **dataset.extra.get(q, {})} for q, text in dataset.queries.items()}
    if target.is_file() and not overwrite and target.read_text(encoding="utf-8") != qrels:
        raise SourceError(
            f"{target} already exists with other judgements",
            remedy="write to another folder or under another --split, or add --overwrite",
        )
    files: dict[Path, dict[str, dict[str, Any]]] = {}
    for file, rows in ((folder / "corpus.jsonl", corpus), (folder / "queries.jsonl", queries)):
        old = {str(row.get("_id")): row for _, row in json_rows(file, BadRows())} if file.is_file() else {}
        if (other := [name for name in rows if name in old and _other_text(old[name], rows[name])]) and not overwrite:
            raise SourceError(
                f"{counted(len(other), 'id')} in {file} have other texts (the first: {other[0]!r})",
                remedy="write to another folder, or add --overwrite",
            )
        files[file] = old | rows
    for file, rows in files.items():
        if rows:
            write_jsonl(file, iter(rows.values()))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(qrels, encoding="utf-8", newline="\n")


def _other_text(old: dict[str, Any], new: dict[str, Any]) -> bool:
    return any((old.get(key) or "") != (new.get(key) or "") for key in ("title", "text"))


def jsonl_file(folder: Path, stem: str) -> Path | None:
    """Return the folder's ``stem``.jsonl or ``stem``.jsonl.gz, None if it has neither.

    >>> (folder / "corpus.jsonl.gz").touch()
    >>> jsonl_file(folder, "corpus").name, jsonl_file(folder, "queries")
    ('corpus.jsonl.gz', None)
    """
    files = (folder / f"{stem}.jsonl", folder / f"{stem}.jsonl.gz")
    return next((file for file in files if file.is_file()), None)


def read_corpus(path: Path | None, bad: BadRows) -> dict[str, CorpusPassage]:
    """Read corpus.jsonl (id -> passage; {} without a file), and add its faults to ``bad``.

    >>> rows = [{"_id": "d1", "text": "Notice is three months.", "lang": "en"}]
    >>> write_jsonl(folder / "corpus.jsonl", rows)
    >>> read_corpus(folder / "corpus.jsonl", BadRows())["d1"]
    CorpusPassage(id='d1', title='', text='Notice is three months.', extra={'lang': 'en'})
    """
    corpus: dict[str, CorpusPassage] = {}
    for number, row in json_rows(path, bad) if path else ():
        identity, title = text_field(row, "_id"), text_field(row, "title", optional=True)
        text = text_field(row, "text", optional=True)
        if not identity or title is None or text is None:
            bad.add(path or Path(), number, 'needs "_id", and texts for "title" and "text"')
        elif identity in corpus:
            bad.add(path or Path(), number, f"the id {identity!r} is used twice")
        else:
            extra = {key: value for key, value in row.items() if key not in ("_id", "title", "text")}
            corpus[identity] = CorpusPassage(identity, title, text, extra)
    return corpus


def read_queries(path: Path | None, bad: BadRows) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Read queries.jsonl (id -> question, id -> further fields), and add its faults to ``bad``.

    >>> rows = [{"_id": "q1", "text": "How long is the notice?", "answers": ["3 months"]}]
    >>> write_jsonl(folder / "queries.jsonl", rows)
    >>> read_queries(folder / "queries.jsonl", BadRows())
    ({'q1': 'How long is the notice?'}, {'q1': {'answers': ['3 months']}})
    """
    texts: dict[str, str] = {}
    extras: dict[str, dict[str, Any]] = {}
    for number, row in json_rows(path, bad) if path else ():
        identity, text = text_field(row, "_id"), text_field(row, "text")
        if not identity or not text or not text.strip():
            bad.add(path or Path(), number, 'needs "_id" and a question in "text"')
        elif identity in texts:
            bad.add(path or Path(), number, f"the id {identity!r} is used twice")
        else:
            texts[identity] = text
            if extra := {key: value for key, value in row.items() if key not in ("_id", "text")}:
                extras[identity] = extra
    return texts, extras


def join(
    name: str,
    corpus: dict[str, CorpusPassage],
    texts: dict[str, str],
    extras: dict[str, dict[str, Any]],
    qrels: dict[str, dict[str, int]],
    *,
    path: Path,
    split: str,
) -> Dataset:
    """Build a dataset of the judged queries.

    >>> texts = {"q1": "How long is the notice?", "q2": "Of another split?"}
    >>> notice = CorpusPassage("d1", text="Notice is three months.")
    >>> dataset = join("mine", {"d1": notice}, texts, {}, {"q1": {"d1": 1, "d9": 1}}, path=Path("mine"), split="test")
    >>> list(dataset.queries), dataset.notes
    (['q1'], ["1 judged document is not in the corpus and cannot be found (e.g. 'd9')"])
    """
    notes = []
    unknown = {d for judged in qrels.values() for d in judged if d not in corpus} if corpus else set()
    if unknown:
        notes.append(
            f"{counted(len(unknown), 'judged document', verb='are')} not in the corpus "
            f"and cannot be found (e.g. {min(unknown)!r})"
        )
    return Dataset(
        name,
        corpus,
        {query: texts[query] for query in qrels},
        qrels,
        {query: extras[query] for query in qrels if query in extras},
        split=split,
        path=str(path),
        notes=notes,
    )


def _read_qrels(path: Path, texts: dict[str, str], bad: BadRows) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for number, query, document, raw in _qrels_rows(path, bad):
        value = whole_number(raw)
        if value is None:
            if number > 1:  # the first row is the header
                bad.add(path, number, f"score {raw!r} is not a whole number")
        elif query not in texts:
            bad.add(path, number, f"query {query!r} is not in queries.jsonl")
        elif document in qrels.get(query, {}):
            bad.add(path, number, f"document {document!r} is judged twice for query {query!r}")
        else:
            qrels.setdefault(query, {})[document] = value
    return qrels


def _qrels_rows(path: Path, bad: BadRows) -> Any:
    if ".jsonl" in path.name:
        for number, row in json_rows(path, bad):
            query, document = text_field(row, "query-id"), text_field(row, "corpus-id")
            if query is None or document is None:
                bad.add(path, number, 'needs "query-id", "corpus-id" and "score"')
            else:
                yield number + 1, query, document, row.get("score")
        return
    for number, line in lines(path):
        parts = line.split("\t")
        if len(parts) != 3:
            bad.add(path, number, f"{len(parts)} columns separated by tabs instead of 3")
        else:
            yield number, *(part.strip() for part in parts)
