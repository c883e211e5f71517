"""What run and sweep have in common: specs in, runs on disk and one table out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.cli.options import milliseconds, settings_loader, ticker
from eval.measure.metrics import shown
from eval.measure.session import Session, Spec, with_changes
from eval.report.rows import relative
from eval.report.table import table
from rag.cli.output import data, data_json, words
from rag.cli.progress import progress_bar

if TYPE_CHECKING:
    from eval.datasets import Dataset
    from eval.measure.evaluate import Evaluation
    from eval.measure.runs import Run
    from rag.cli.options import Shared


def measure(
    specs: Sequence[Spec],
    dataset: Dataset,
    shared: Shared,
    *,
    measures: list[str],
    out: Path,
    cache: Path | None,
    overwrite: bool = False,
    answers: bool = False,
) -> list[Evaluation]:
    """Measure every spec and save its run under ``out``. All settings are checked before the first one is run."""
    from eval.measure.evaluate import evaluate
    from eval.measure.runs import save_run

    load = settings_loader(shared)
    settings = [with_changes(load, spec) for spec in specs]
    done = []
    with progress_bar() as progress, Session(dataset, cache=cache, progress=progress) as session:
        for spec, tree in zip(specs, settings, strict=True):
            pipeline = session.engine(tree) if answers else session.retriever(tree)
            with ticker(spec.name) as tick:
                kept = keeper(out / spec.name, overwrite)
                result = evaluate(pipeline, dataset, measures, name=spec.name, cache=cache, progress=tick, before=kept)
            save_run(result.run, out / spec.name)
            done.append(result)
    return done


def keeper(folder: Path, overwrite: bool) -> Callable[[Run], None] | None:
    """What looks before a measurement whether its run would replace another one; None where that is wanted."""
    from eval.measure.runs import refuse_other

    return None if overwrite else lambda run: refuse_other(run, folder)


def folder_name(name: str) -> str:
    """A model's name as the name of its run's folder."""
    return name.strip("/").replace("/", "-").replace(":", "-")


def show(
    results: Sequence[Evaluation],
    dataset: Dataset,
    measures: list[str],
    out: Path | None,
    as_json: bool,
    *,
    first: str | None = None,
) -> None:
    """The table, or JSON; notes to stderr.

    Args:
        first: the run that the others' relative gains (of the first measure) are shown over.
    """
    if as_json:
        data_json({"dataset": summary(dataset), "measures": measures, "runs": [row(r, out) for r in results]})
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
            [f"{dataset.name} ({len(dataset.queries)} queries)", *map(shown, measures), "p50 ms", "p95 ms", *gain], rows
        )
    )
    for note in dict.fromkeys(note for r in results for note in (*r.run.notes, *r.scores.notes)):
        words(f"note: {note}")
    if out is not None:
        words(f"runs kept in {out}: 'rag-eval compare {out}/*' says which differences are real")


def _gain(result: Evaluation, results: Sequence[Evaluation], first: str, measure: str) -> str:
    """The relative gain over the run called ``first``: "+12.3 %"; empty for itself and for what stands before it."""
    names = [one.run.name for one in results]
    if names.index(result.run.name) <= names.index(first):
        return ""
    before = results[names.index(first)].scores.mean[measure]
    return relative(result.scores.mean[measure] - before, before)


def row(result: Evaluation, out: Path | None) -> dict[str, Any]:
    """A run in JSON."""
    run = result.run
    found: dict[str, Any] = {
        "name": run.name,
        "scores": result.scores.mean,
        "notes": [*run.notes, *result.scores.notes],
    }
    found |= {"p50_ms": milliseconds(run.timings_ms), "p95_ms": milliseconds(run.timings_ms, 0.95)}
    return found | ({"folder": str(out / run.name)} if out is not None else {})


def summary(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "path": dataset.path,
        "split": dataset.split,
        "hash": dataset.hash,
        "queries": len(dataset.queries),
        "documents": len(dataset.corpus),
    }
