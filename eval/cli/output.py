"""Measure specs, save their runs, and print one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.cli.options import MeasuringOptions, milliseconds, show_notes, ticker
from eval.measure.metrics import legend, shown
from eval.measure.session import Session, Spec, with_changes
from eval.report.rows import DIFFERENCE_HEAD, difference_cells, method, relative
from eval.report.table import table
from indexes.display import counted
from rag.cli.output import data, data_json, words
from rag.settings import Settings

if TYPE_CHECKING:
    from eval.comparing.compare import Comparison
    from eval.datasets import Dataset
    from eval.measure.evaluate import Evaluation


Build = Callable[[Session, Settings], Any]  # returns a pipeline or an encoder


def measure(
    given: MeasuringOptions,
    specs: Sequence[Spec],
    dataset: Dataset,
    measures: list[str],
    build: Build,
    *,
    gains: bool = False,
) -> None:
    """Measure each spec, save its run, and show all. All settings are checked before the first run.

    Args:
        gains: whether to show each spec's gain over the first.
    """
    settings = [with_changes(given.load, spec) for spec in specs]
    with given.session(dataset) as session:
        done = [
            measured(given, spec.name, build(session, tree), dataset, measures)
            for spec, tree in zip(specs, settings, strict=True)
        ]
    show(given, done, dataset, measures, first=specs[0].name if gains and len(specs) > 1 else None)


def measured(
    given: MeasuringOptions, name: str, pipeline: Any, dataset: Dataset, measures: list[str], *notes: str
) -> Evaluation:
    """Measure one pipeline and save its run; refuse if that would replace another run."""
    from eval.measure.evaluate import evaluate
    from eval.measure.runs import refuse_other, save_run

    folder = given.out / folder_name(name)
    kept = None if given.overwrite else lambda run: refuse_other(run, folder)
    with ticker(name) as tick:
        result = evaluate(pipeline, dataset, measures, name=name, cache=given.cache, progress=tick, before=kept)
    result.run.notes += notes
    save_run(result.run, folder)
    return result


def folder_name(name: str) -> str:
    """Return the name of a run's folder, given the name of a model.

    >>> folder_name("ollama:bge-m3")
    'ollama-bge-m3'
    """
    return name.strip("/").replace("/", "-").replace(":", "-")


def show(
    given: MeasuringOptions,
    results: Sequence[Evaluation],
    dataset: Dataset,
    measures: list[str],
    *,
    first: str | None = None,
) -> None:
    """Print a table or JSON, and notes to stderr.

    >>> from types import SimpleNamespace
    >>> from eval.datasets.dataset import Dataset
    >>> from eval.measure.evaluate import Evaluation
    >>> from eval.measure.metrics import score
    >>> from eval.measure.runs import Run
    >>> dataset = Dataset("mine", {}, {"q1": "When does it open?"}, {"q1": {"d1": 1}})
    >>> results = {"q1": [("d2", 0.9), ("d1", 0.8)]}
    >>> given = SimpleNamespace(out=Path("runs"), shared=SimpleNamespace(json=False))
    >>> run = Run("hybrid", results, timings_ms={"q1": {"total": 12.0}})
    >>> show(given, [Evaluation(run, score(results, dataset.qrels, ["RR@10"]))], dataset, ["RR@10"])
    mine (1 query)  MRR@10  p50 ms  p95 ms
    hybrid          0.5000    12.0    12.0

    Args:
        first: name of the run with which the later ones are compared, in another table.
    """
    out = given.out
    comparison = _compared(results, dataset, measures, first) if first else None
    if given.shared.json:
        found = {"dataset": summary(dataset), "measures": measures, "runs": [row(r, out) for r in results]}
        data_json(found | ({"comparison": comparison.as_dict()} if comparison else {}))
        return
    rows = [
        [
            r.run.name,
            *(r.scores.mean[m] for m in measures),
            *(f"{milliseconds(r.run.timings_ms, q):.1f}" for q in (0.5, 0.95)),
            *([_gain(r, results, first, measures[0])] if first else []),
        ]
        for r in results
    ]
    gain = [f"{shown(measures[0])} over {first}"] if first else []
    data(
        table(
            [
                f"{dataset.name} ({counted(len(dataset.queries), 'query')})",
                *map(shown, measures),
                "p50 ms",
                "p95 ms",
                *gain,
            ],
            rows,
        )
    )
    show_notes(dict.fromkeys(note for r in results for note in (*r.run.notes, *r.scores.notes)))
    if comparison is not None:
        data("\n" + "\n".join(f"{v.run} over {v.against}: {v.sentence}" for v in comparison.verdicts))
        data("\n" + table(list(DIFFERENCE_HEAD), [difference_cells(comparison, d) for d in comparison.differences]))
    if names := legend(measures) if comparison is None else method(comparison):
        words(f"note: {names}")
    words(f"runs are saved in {out}: 'rag-eval compare {out}/*' shows which differences are real")


def _compared(results: Sequence[Evaluation], dataset: Dataset, measures: list[str], first: str) -> Comparison:
    """Compare the later runs with the run ``first``, question by question."""
    from eval.comparing.compare import compare

    place = [one.run.name for one in results].index(first)
    runs = [replace(one.run, timings_ms={}) for one in results[place:]]
    return compare(runs, dataset.qrels, measures, title=f"{dataset.name} ({dataset.split})")


def _gain(result: Evaluation, results: Sequence[Evaluation], first: str, measure: str) -> str:
    """Return the relative gain over the run ``first``, "+12.3%"; "" for that run and those before it."""
    names = [one.run.name for one in results]
    if names.index(result.run.name) <= names.index(first):
        return ""
    before = results[names.index(first)].scores.mean[measure]
    return relative(result.scores.mean[measure] - before, before)


def row(result: Evaluation, out: Path) -> dict[str, Any]:
    """Return a run as plain data for JSON.

    >>> from eval.measure.evaluate import Evaluation
    >>> from eval.measure.metrics import score
    >>> from eval.measure.runs import Run
    >>> results = {"q1": [("d1", 0.9)]}
    >>> run = Run("base", results, timings_ms={"q1": {"search": 12.0}})
    >>> row(Evaluation(run, score(results, {"q1": {"d1": 1}}, ["RR@10"])), Path("runs"))
    {'name': 'base', 'scores': {'RR@10': 1.0}, 'notes': [], 'p50_ms': 12.0, 'p95_ms': 12.0, 'folder': 'runs/base'}
    """
    run = result.run
    found: dict[str, Any] = {
        "name": run.name,
        "scores": result.scores.mean,
        "notes": [*run.notes, *result.scores.notes],
    }
    found |= {"p50_ms": milliseconds(run.timings_ms), "p95_ms": milliseconds(run.timings_ms, 0.95)}
    return found | {"folder": str(out / folder_name(run.name))}


def summary(dataset: Dataset) -> dict[str, Any]:
    """Return a dataset's name, path, split, hash and counts as plain data for JSON.

    >>> from eval.datasets.dataset import Dataset
    >>> found = summary(Dataset("mine", {}, {"q1": "When?"}, {"q1": {"d1": 1}}, path="data/mine"))
    >>> found["name"], found["split"], found["queries"], found["documents"]
    ('mine', 'test', 1, 0)
    """
    return {
        "name": dataset.name,
        "path": dataset.path,
        "split": dataset.split,
        "hash": dataset.hash,
        "queries": len(dataset.queries),
        "documents": len(dataset.corpus),
    }
