"""Runs: what one pipeline found for every query, kept in TREC form with everything needed to read it again.

A run is a folder: ``run.trec`` (``qid Q0 docid rank score tag``; ``run.trec.gz`` is read too), ``run.json`` (name,
settings, fingerprints, dataset, notes, scores) and ``queries.jsonl`` (one row a query: the question, its judgements,
milliseconds a stage, details).
A bare TREC file is a run as well, without settings.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote, unquote

from eval.datasets.rows import bad_rows
from indexes.errors import SettingsError, SourceError

RUN_FILE, META_FILE, QUERIES_FILE = "run.trec", "run.json", "queries.jsonl"
META = ("name", "dataset", "dataset_path", "split", "settings", "fingerprint", "notes", "scores")  # in run.json


@dataclass(slots=True)
class Run:
    """One pipeline's results.

    Args:
        name: what tables call it.
        results: query id -> (document id, score), best first, each document once.
        settings: the settings tree that was used, as plain values.
        fingerprint: models: {"encoder": {...}, "reranker": "..."}.
        dataset: hash of the dataset (``Dataset.hash``); "" where unknown.
        timings_ms: query id -> stage -> milliseconds.
        details: query id -> what the stages did: candidates' ranks, the window that holds the answer, notes.
        dataset_path, split: where the dataset was, for commands that need its texts again.
        notes: what a reader must know (how hits were lifted, what was left out), one sentence each.
        scores: measure -> mean, where the run was scored before it was saved.
        questions: query id -> the question; with ``qrels`` a saved run can be read without its dataset.
        qrels: query id -> document id -> judgement, as the dataset had them.
    """

    name: str
    results: dict[str, list[tuple[str, float]]]
    settings: dict[str, Any] = field(default_factory=dict)
    fingerprint: dict[str, Any] = field(default_factory=dict)
    dataset: str = ""
    timings_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    dataset_path: str = ""
    split: str = "test"
    notes: list[str] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    questions: dict[str, str] = field(default_factory=dict)
    qrels: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def window_ranks(self) -> dict[str, int | None] | None:
        """Query id -> rank of the first sentence whose window holds a gold answer, as ``metrics.score`` takes it.

        None where no query was looked at (no gold answers, or a pipeline without windows).
        """
        found = {query: row["window_rank"] for query, row in self.details.items() if "window_rank" in row}
        return found or None


def save_run(run: Run, folder: str | Path) -> Path:
    """Write the run's folder (made if need be) and return it. Equal runs give equal files."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with (target / RUN_FILE).open("w", encoding="utf-8", newline="\n") as file:
        write_trec(run, file)
    meta = {name: getattr(run, name) for name in META} | {"queries": list(run.results)}
    text = json.dumps(meta, ensure_ascii=False, indent=2, default=str)
    (target / META_FILE).write_text(text + "\n", encoding="utf-8")
    with (target / QUERIES_FILE).open("w", encoding="utf-8", newline="\n") as file:
        for query in run.results:
            row: dict[str, Any] = {"_id": query, "timings_ms": run.timings_ms.get(query, {})}
            if query in run.questions:
                row |= {"question": run.questions[query], "qrels": run.qrels.get(query, {})}
            row |= run.details.get(query, {})
            file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
    return target


def refuse_other(run: Run, folder: str | Path) -> None:
    """Refuse to write over another run: one of another dataset, other settings or other models.

    Raises:
        SettingsError: says what differs. A repeat of the same measurement replaces itself.
    """
    old = _read_json(Path(folder) / META_FILE)
    if not old:
        return
    differs = []
    if old.get("dataset") != run.dataset:
        differs.append("dataset (or how many of its queries were asked)")
    now, before = _compared(run.settings), _compared(old.get("settings", {}))
    differs += sorted(key for key in now.keys() | before.keys() if now.get(key) != before.get(key))
    if _plain(old.get("fingerprint", {})) != _plain(run.fingerprint):
        differs.append("models")
    if differs:
        more = f" and {len(differs) - 3} more" if len(differs) > 3 else ""
        raise SettingsError(
            f"{folder} holds another run, which differs in {', '.join(differs[:3])}{more}",
            remedy="give the run a name of its own, name another --out, or add --overwrite",
        )


def _compared(settings: dict[str, Any]) -> dict[str, Any]:
    """section.key -> value, without the place of the store, which is the cache's, what only a server reads, and how
    many requests are sent at once."""
    tree = _plain(settings)
    return {
        f"{section}.{key}": value
        for section, values in tree.items()
        if section not in ("store", "serve")
        for key, value in (values.items() if isinstance(values, dict) else [("", values)])
        if key != "parallel"
    }


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def load_run(path: str | Path) -> Run:
    """Read a run's folder, or a bare TREC run file (.gz too).

    Raises:
        SourceError: there is no run there, or rows cannot be read (all of them named, with line numbers).
    """
    place = Path(path).expanduser()
    if place.is_file():
        return Run(name=place.name.removesuffix(".gz").rsplit(".", 1)[0], results=read_trec(place, escaped=False))
    files = [place / RUN_FILE, place / f"{RUN_FILE}.gz"]
    file = next((candidate for candidate in files if candidate.is_file()), None)
    if file is None:
        raise SourceError(
            f"there is no run at {place}", remedy="name a folder that 'rag-eval run' wrote, or a TREC run file"
        )
    meta = _read_json(place / META_FILE)
    found = read_trec(file, escaped=bool(meta))
    # Queries that found nothing leave no line in TREC form; run.json still knows them.
    results = {query: found.get(query, []) for query in meta.get("queries", [])} | found
    timings: dict[str, dict[str, float]] = {}
    details: dict[str, dict[str, Any]] = {}
    questions: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for row in _rows(place / QUERIES_FILE):
        query = row.pop("_id")
        timings[query] = row.pop("timings_ms", {})
        if "question" in row:
            questions[query], qrels[query] = str(row.pop("question")), dict(row.pop("qrels", {}))
        details[query] = row
    return Run(
        results=results,
        timings_ms={query: times for query, times in timings.items() if times},
        details={query: row for query, row in details.items() if row},
        questions=questions,
        qrels=qrels,
        **{"name": place.name, **{name: meta[name] for name in META if name in meta}},
    )


def write_trec(run: Run, file: TextIO) -> None:
    """TREC lines. Blanks and percent signs in ids are percent-encoded, since TREC splits on white space."""
    tag = escape_id(run.name) or "run"
    for query, ranked in run.results.items():
        name = escape_id(query)
        for rank, (document, value) in enumerate(ranked, start=1):
            file.write(f"{name} Q0 {escape_id(document)} {rank} {float(value)!r} {tag}\n")


def read_trec(path: Path, *, escaped: bool) -> dict[str, list[tuple[str, float]]]:
    """Query id -> (document id, score), best score first, equal scores in the file's order; the rank column is ignored.

    Args:
        escaped: ids are percent-encoded, as ``write_trec`` does; foreign files are taken as they are.
    """
    results: dict[str, dict[str, float]] = {}
    bad: list[str] = []
    for number, line in enumerate(_lines(path), start=1):
        parts = line.split()
        if not parts:
            continue
        problem = None
        if len(parts) not in (5, 6):
            problem = f"{len(parts)} columns instead of 6"
        else:
            query, document = parts[0], parts[2]
            if escaped:
                query, document = unquote(query), unquote(document)
            value = _number(parts[4])
            if value is None:
                problem = f"score {parts[4]!r} is not a number"
            elif document in results.setdefault(query, {}):
                problem = f"document {document!r} stands twice under query {query!r}"
            else:
                results[query][document] = value
        if problem:
            bad.append(f"line {number}: {problem}")
    if bad:
        raise SourceError(f"{path} has {bad_rows(bad)}", remedy="write rows as: qid Q0 docid rank score tag")
    return {query: sorted(found.items(), key=lambda item: -item[1]) for query, found in results.items()}


def escape_id(identity: str) -> str:
    """Percent-encode white space, control characters and '%' only: other ids stay readable."""
    if identity.isprintable() and "%" not in identity and not any(c.isspace() for c in identity):
        return identity
    return "".join(
        quote(c, safe="", errors="surrogatepass") if c == "%" or c.isspace() or not c.isprintable() else c
        for c in identity
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _lines(path: Path) -> Iterator[str]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            yield from file
    else:
        with path.open(encoding="utf-8", newline="\n") as file:
            yield from file


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise SourceError(f"{path} is not JSON: {error}", remedy="run the measurement again") from error


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            try:
                yield dict(json.loads(line))
            except ValueError as error:
                raise SourceError(f"{path} line {number} is not JSON", remedy="run the measurement again") from error
