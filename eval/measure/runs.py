"""Runs: what one pipeline found for each query, saved in TREC format with everything needed to read it again.

A run is a folder: ``run.trec`` (``qid Q0 docid rank score tag``; ``run.trec.gz`` is read too), ``run.json`` (name,
settings, fingerprints, dataset, notes, scores) and ``queries.jsonl`` (one row per query: the question, its judgements,
milliseconds per stage, details). A bare TREC file is a run without settings.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote, unquote

from eval.datasets.rows import bad_rows
from eval.measure.metrics import Measure, Qrels, Scores, score
from indexes.display import for_records
from indexes.errors import SettingsError, SourceError

RUN_FILE, META_FILE, QUERIES_FILE = "run.trec", "run.json", "queries.jsonl"
META = ("name", "dataset", "dataset_path", "split", "settings", "fingerprint", "notes", "scores")  # in run.json
ADDRESSES = ("settings", "fingerprint", "notes")  # of these, what may hold addresses of servers


@dataclass(slots=True)
class Run:
    """The results of one pipeline.

    >>> run = Run("mine", {"q1": [("d1", 0.9)]}, details={"q1": {"window_rank": 2}})
    >>> run.window_ranks, Run("bare", {}).window_ranks
    ({'q1': 2}, None)

    Args:
        name: name in tables.
        results: query id -> (document id, score), best first, each document once.
        settings: the settings that were used, as plain data.
        fingerprint: the models: {"encoder": {...}, "reranker": "..."}.
        dataset: hash of the dataset (``Dataset.hash``); "" if unknown.
        timings_ms: query id -> stage -> milliseconds.
        details: query id -> what the stages did: candidates' ranks, rank of the window with the answer, notes.
        dataset_path, split: where the dataset was read from, for commands that need its texts again.
        notes: what a reader must know (how hits became documents, what was left out), one sentence each.
        scores: measure -> mean, if the run was scored before it was saved.
        questions: query id -> question; with ``qrels``, a saved run can be read without its dataset.
        qrels: query id -> document id -> judgement, as in the dataset.
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
        """Query id -> rank of the first sentence whose window contains a gold answer, for ``metrics.score``.

        None if there are no gold answers, or the pipeline has no windows.
        """
        found = {query: row["window_rank"] for query, row in self.details.items() if "window_rank" in row}
        return found or None

    @property
    def prompts(self) -> dict[str, list[str]] | None:
        """Query id -> documents whose passages the answer reads, for ``metrics.score``; None if not recorded."""
        found = {query: row["prompt"] for query, row in self.details.items() if "prompt" in row}
        return found or None

    def score(self, qrels: Qrels, measures: Sequence[Measure | str]) -> Scores:
        """Score the results, and what the stages recorded.

        >>> run = Run("base", {"q1": [("d1", 1.0)]}, details={"q1": {"prompt": ["d1", "d2"]}})
        >>> run.score({"q1": {"d2": 1, "d3": 1}}, ["R@10", "Prompt@3"]).mean
        {'R@10': 0.0, 'Prompt@3': 0.5}
        """
        return score(self.results, qrels, measures, window_ranks=self.window_ranks, prompts=self.prompts)


def save_run(run: Run, folder: str | Path) -> Path:
    """Write a run to a folder, which is created if needed, and return the folder. Equal runs give equal files.

    Addresses of servers are kept without logins and queries.

    >>> where = save_run(Run("base", {"q1": [("d1", 0.9), ("d2", 0.5)]}), folder / "base")
    >>> print((where / "run.trec").read_text(), end="")
    q1 Q0 d1 1 0.9 base
    q1 Q0 d2 2 0.5 base
    >>> load_run(where).results
    {'q1': [('d1', 0.9), ('d2', 0.5)]}
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with (target / RUN_FILE).open("w", encoding="utf-8", newline="\n") as file:
        _write_trec(run, file)
    meta = {name: getattr(run, name) for name in META} | {"queries": list(run.results)}
    meta |= {name: for_records(_plain(meta[name])) for name in ADDRESSES}
    text = json.dumps(meta, ensure_ascii=False, indent=2, default=str)
    (target / META_FILE).write_text(text + "\n", encoding="utf-8")
    with (target / QUERIES_FILE).open("w", encoding="utf-8", newline="\n") as file:
        for query in run.results:
            row: dict[str, Any] = {"_id": query, "timings_ms": run.timings_ms.get(query, {})}
            if query in run.questions:
                row |= {"question": run.questions[query], "qrels": run.qrels.get(query, {})}
            row |= run.details.get(query, {})
            if "notes" in row:
                row["notes"] = for_records(row["notes"])
            file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
    return target


def refuse_other(run: Run, folder: str | Path) -> None:
    """Refuse to overwrite another run: one with another dataset, other settings or other models.

    A repeat of the same measurement replaces the old one.

    >>> _ = save_run(Run("mine", {"q1": [("d1", 0.9)]}, dataset="3f"), folder)
    >>> refuse_other(Run("again", {"q1": [("d1", 0.8)]}, dataset="3f"), folder)  # the same dataset, settings and models
    >>> try:
    ...     refuse_other(Run("other", {}, dataset="7a"), folder)
    ... except SettingsError as error:
    ...     print(error.remedy)
    give the run another name, name another --out, or add --overwrite

    Raises:
        SettingsError: the folder holds another run; the error names what differs.
    """
    from rag.settings import Settings

    old = _read_json(Path(folder) / META_FILE)
    if not old:
        return
    differs = []
    if old.get("dataset") != run.dataset:
        differs.append("dataset (or the number of its queries)")
    now, before = _compared(run.settings), _compared(old.get("settings", {}))
    usual = _compared(Settings().model_dump(mode="json")) if before else {}
    # A setting that did not exist when the old run was saved counts as its default.
    differs += sorted(key for key in now.keys() | before.keys() if now.get(key) != before.get(key, usual.get(key)))
    if for_records(_plain(old.get("fingerprint", {}))) != for_records(_plain(run.fingerprint)):
        differs.append("models")
    if differs:
        more = f" and {len(differs) - 3} more" if len(differs) > 3 else ""
        raise SettingsError(
            f"{folder} holds another run, which differs in {', '.join(differs[:3])}{more}",
            remedy="give the run another name, name another --out, or add --overwrite",
        )


def _compared(settings: dict[str, Any]) -> dict[str, Any]:
    """Return section.key -> value, without the store (its path is the cache's), the server, and parallel requests."""
    tree = for_records(_plain(settings))
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
        SourceError: there is no run, or rows cannot be read (all are named with their line numbers).

    >>> file = folder / "bm25.trec"
    >>> _ = file.write_text("q1 Q0 d1 1 12.5 bm25")
    >>> load_run(file).results
    {'q1': [('d1', 12.5)]}
    """
    place = Path(path).expanduser()
    if place.is_file():
        return Run(name=place.name.removesuffix(".gz").rsplit(".", 1)[0], results=_read_trec(place, escaped=False))
    files = [place / RUN_FILE, place / f"{RUN_FILE}.gz"]
    file = next((candidate for candidate in files if candidate.is_file()), None)
    if file is None:
        raise SourceError(
            f"there is no run at {place}", remedy="name a folder that 'rag-eval run' wrote, or a TREC run file"
        )
    meta = _read_json(place / META_FILE)
    found = _read_trec(file, escaped=bool(meta))
    # Queries without results have no line in TREC format; run.json lists them.
    results = {query: found.get(query, []) for query in meta.get("queries", [])} | found
    run = Run(results=results, **{"name": place.name, **{name: meta[name] for name in META if name in meta}})
    for row in _rows(place / QUERIES_FILE):
        query = row.pop("_id")
        if times := row.pop("timings_ms", {}):
            run.timings_ms[query] = times
        if "question" in row:
            run.questions[query], run.qrels[query] = str(row.pop("question")), dict(row.pop("qrels", {}))
        if row:
            run.details[query] = row
    return run


def _write_trec(run: Run, file: TextIO) -> None:
    """Write TREC lines. White space and percent signs in ids are percent-encoded, since TREC splits on white space."""
    tag = escape_id(run.name) or "run"
    for query, ranked in run.results.items():
        name = escape_id(query)
        for rank, (document, value) in enumerate(ranked, start=1):
            file.write(f"{name} Q0 {escape_id(document)} {rank} {float(value)!r} {tag}\n")


def _read_trec(path: Path, *, escaped: bool) -> dict[str, list[tuple[str, float]]]:
    """Return query id -> (document id, score), best first, equal scores in the file's order.

    The rank column is ignored.

    Args:
        escaped: whether ids are percent-encoded, as by ``_write_trec``; files of other programs are not.
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
                problem = f"document {document!r} is listed twice for query {query!r}"
            else:
                results[query][document] = value
        if problem:
            bad.append(f"line {number}: {problem}")
    if bad:
        raise SourceError(f"{path} has {bad_rows(bad)}", remedy="write rows as: qid Q0 docid rank score tag")
    return {query: sorted(found.items(), key=lambda item: -item[1]) for query, found in results.items()}


def escape_id(identity: str) -> str:
    """Percent-encode only white space, control characters and '%', so that other ids stay readable.

    >>> escape_id("price list.pdf"), escape_id("价格.pdf")
    ('price%20list.pdf', '价格.pdf')
    """
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
    opened: Any = gzip.open if path.suffix == ".gz" else Path.open
    with opened(path, "rt", encoding="utf-8", newline="\n") as file:
        yield from file


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise SourceError(f"{path} is not JSON: {error}", remedy="repeat the measurement") from error


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            try:
                yield dict(json.loads(line))
            except ValueError as error:
                raise SourceError(f"{path} line {number} is not JSON", remedy="repeat the measurement") from error
