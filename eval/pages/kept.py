"""Saved runs for the pages: listed from their run.json, and opened with values and intervals."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.comparing.significance import bootstrap_interval
from eval.datasets.dataset import Dataset
from eval.measure.metrics import DEFAULT_MEASURES
from eval.measure.runs import META_FILE, QUERIES_FILE, RUN_FILE, Run, load_run
from indexes.errors import SourceError

DEPTH = 3  # levels of folders searched below the runs folder: runs/COLLECTION/NAME
MOST = 500  # maximum number of runs listed
LARGEST = 60_000_000  # maximum bytes of a run that a page reads
RESAMPLES = 2000  # per interval: few, since a page waits for it


@dataclass(frozen=True, slots=True)
class Listed:
    """One saved run, from its run.json alone. ``id`` is its path below the runs folder.

    >>> listed = Listed("guide/base", Path("runs/guide/base"), "base", "3f", "data/guide", 40, {"RR@10": 0.8}, 1.7e9)
    >>> listed.as_dict()
    {'id': 'guide/base', 'name': 'base', 'dataset': 'data/guide', 'questions': 40, 'scores': {'RR@10': 0.8}, 'changed':
     1700000000.0}
    """

    id: str
    folder: Path
    name: str
    dataset: str
    about: str
    questions: int
    scores: dict[str, float]
    changed: float

    def as_dict(self) -> dict[str, Any]:
        """Return the run as plain data for JSON."""
        own = {"id": self.id, "name": self.name, "dataset": self.about, "questions": self.questions}
        return own | {"scores": self.scores, "changed": round(self.changed, 3)}


@dataclass(frozen=True, slots=True)
class Opened:
    """A run with measure -> query id -> value, and measure -> (mean, low, high) with its 95 % interval.

    >>> from eval.measure.runs import save_run
    >>> known = {"questions": {"q1": "When?"}, "qrels": {"q1": {"d1": 1}}, "scores": {"RR@10": 1.0}}
    >>> _ = save_run(Run("base", {"q1": [("d1", 0.9)]}, **known), folder / "base")
    >>> opened = open_run(find_run(folder, "base"))
    >>> opened.values["RR@10"], opened.intervals["RR@10"], opened.dataset.queries
    ({'q1': 1.0}, (1.0, 1.0, 1.0), {'q1': 'When?'})
    """

    run: Run
    values: dict[str, dict[str, float]]
    intervals: dict[str, tuple[float, float, float]]

    @property
    def dataset(self) -> Dataset:
        """The questions and judgements saved in the run, without documents."""
        return Dataset(self.run.name, {}, dict(self.run.questions), dict(self.run.qrels))


def list_runs(root: Path) -> list[Listed]:
    """Return the runs below a folder, grouped by dataset, newest first; [] if the folder does not exist.

    >>> from eval.measure.runs import save_run
    >>> for name in ("base", "guide/wide"):
    ...     _ = save_run(Run(name, {"q1": [("d1", 0.9)]}), folder / name)
    >>> sorted(listed.id for listed in list_runs(folder))
    ['base', 'guide/wide']
    """
    found = [listed for folder in _folders(root) if (listed := _listed(root, folder)) is not None]
    newest = {about: max(run.changed for run in found if run.about == about) for about in {run.about for run in found}}
    return sorted(found, key=lambda run: (-newest[run.about], run.about, -run.changed, run.id))


def find_run(root: Path, identity: str) -> Listed:
    """Return the listed run with this id. Ids are looked up in the list, never opened as paths.

    >>> from eval.measure.runs import save_run
    >>> _ = save_run(Run("base", {"q1": [("d1", 0.9)]}), folder / "base")
    >>> find_run(folder, "base").name
    'base'
    >>> find_run(folder, "../base")
    Traceback (most recent call last):
        ...
    indexes.errors.SourceError: there is no run '../base'; see the list on the evaluation page

    Raises:
        SourceError: there is no such run.
    """
    for listed in list_runs(root):
        if listed.id == identity:
            return listed
    raise SourceError(f"there is no run {identity[:80]!r}", remedy="see the list on the evaluation page")


def open_run(listed: Listed) -> Opened:
    """Read a run and score it with the judgements saved in it; the result is cached until the files change.

    >>> from eval.measure.runs import save_run
    >>> known = {"questions": {"q1": "When?"}, "qrels": {"q1": {"d1": 1}}, "scores": {"RR@10": 1.0}}
    >>> _ = save_run(Run("base", {"q1": [("d1", 0.9)]}, **known), folder / "base")
    >>> open_run(find_run(folder, "base")).values["RR@10"]
    {'q1': 1.0}

    Raises:
        SourceError: it has no judgements (an older version wrote it), or is too large for a page.
    """
    files = [file for name in (RUN_FILE, QUERIES_FILE, META_FILE) if (file := listed.folder / name).is_file()]
    if (size := sum(file.stat().st_size for file in files)) > LARGEST:
        raise SourceError(
            f"the run {listed.name!r} has {size // 1_000_000:,} MB, too many for a page",
            remedy=f"use 'rag-eval failures {listed.id}'",
        )
    return _open(listed.folder, tuple(file.stat().st_mtime_ns for file in files))


@functools.lru_cache(maxsize=32)
def _open(folder: Path, stamps: tuple[int, ...]) -> Opened:
    run = load_run(folder)
    if not any(run.qrels.values()):
        raise SourceError(
            f"the run {run.name!r} has no saved judgements, so it cannot be opened here",
            remedy="measure it again with 'rag-eval run'",
        )
    lacking = [kind for kind, kept in (("Window", run.window_ranks), ("Prompt", run.prompts)) if kept is None]
    measures = [name for name in run.scores if name.split("@")[0] not in lacking] or list(DEFAULT_MEASURES)
    found = run.score(run.qrels, measures).per_query
    table = {name: column for name, column in found.items() if column}
    intervals = {}
    for name, column in table.items():
        values = np.array(list(column.values()))
        low, high = bootstrap_interval(values, resamples=RESAMPLES)
        intervals[name] = (float(values.mean()), float(low[0]), float(high[0]))
    return Opened(run, table, intervals)


def _folders(root: Path) -> Iterator[Path]:
    """Yield folders with a run.json, not below one another; links are not followed."""
    count = 0
    for place, folders, files in os.walk(root):
        folders.sort()
        if META_FILE in files:
            count += 1
            yield Path(place)
        if META_FILE in files or len(Path(place).relative_to(root).parts) >= DEPTH:
            folders.clear()
        if count >= MOST:
            return


def _listed(root: Path, folder: Path) -> Listed | None:
    file = folder / META_FILE
    try:
        meta = json.loads(file.read_text(encoding="utf-8"))
        scores = {str(name): float(value) for name, value in dict(meta.get("scores") or {}).items()}
        about = Path(str(meta.get("dataset_path") or meta.get("dataset") or "")).name
        split = str(meta.get("split") or "test")
        return Listed(
            id=folder.relative_to(root).as_posix(),
            folder=folder,
            name=str(meta.get("name") or folder.name),
            dataset=str(meta.get("dataset") or ""),
            about=about if split == "test" else f"{about} ({split})",
            questions=len(meta.get("queries") or ()),
            scores=scores,
            changed=file.stat().st_mtime,
        )
    except (OSError, ValueError, TypeError, AttributeError):
        return None  # the file is being written, or is not a run's
