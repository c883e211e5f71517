"""evaluate: any pipeline over a dataset, scored, with everything kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.datasets.dataset import Dataset
from eval.measure.finder import SHOWN, SHOWN_CHARS, Finder, QueryResult
from eval.measure.finders import finder
from eval.measure.metrics import DEFAULT_MEASURES, Measure, Scores, score
from eval.measure.runs import Run, load_run
from eval.ticks import Tick, side_by_side
from indexes.errors import SourceError


@dataclass(slots=True)
class Evaluation:
    """A run and what it scored. ``evaluation["nDCG@10"]`` is the mean of a measure."""

    run: Run
    scores: Scores

    def __getitem__(self, measure: str) -> float:
        return self.scores.mean[measure]


def evaluate(
    pipeline: Any,
    dataset: Dataset,
    measures: Sequence[str | Measure] = DEFAULT_MEASURES,
    *,
    name: str = "",
    cache: str | Path | None = None,
    depth: int = 1000,
    progress: Tick | None = None,
    before: Callable[[Run], None] | None = None,
) -> Evaluation:
    """Ask a pipeline every question of a dataset, and score what it finds.

    Args:
        pipeline: a retriever (``rag.build_retriever`` or any LlamaIndex one), a query engine (any LlamaIndex one; ours
            also keeps the answers), an embedder (an ``Encoder`` or LlamaIndex ``BaseEmbedding``: exact search over
            whole documents), a reranker (a LlamaIndex node postprocessor, over the dataset's lists), a function from a
            question to [(document id, score)], a ``Run``, or the path of a saved one.
        measures: see ``eval.measure.metrics``.
        name: of the run; default: the pipeline's class.
        cache: where embeddings are kept; default: RAG_EVAL_CACHE, else ~/.cache/ragwright/eval.
        depth: documents kept a question.
        progress: called after each question.
        before: called before the first question with the run, which has everything but results yet.

    Raises:
        SourceError: the saved run is of another dataset, or the dataset lacks what the pipeline needs.

        >>> from eval import evaluate, load_dataset  # doctest: +SKIP
        >>> evaluate(retriever, load_dataset("data/mine"), ["nDCG@10", "R@100"])["nDCG@10"]  # doctest: +SKIP
        0.71
    """
    if isinstance(pipeline, (str, Path)):
        pipeline = load_run(pipeline)
    if isinstance(pipeline, Run):
        run = pipeline
        check_dataset(run, dataset)
    else:
        run = run_pipeline(pipeline, dataset, name=name, cache=cache, depth=depth, progress=progress, before=before)
    scores = score(run.results, dataset.qrels, measures, window_ranks=run.window_ranks)
    run.scores = dict(scores.mean)
    return Evaluation(run, scores)


def run_pipeline(
    pipeline: Any,
    dataset: Dataset,
    *,
    name: str = "",
    cache: str | Path | None = None,
    depth: int = 1000,
    progress: Tick | None = None,
    before: Callable[[Run], None] | None = None,
) -> Run:
    """Ask every question; no scoring. Arguments as for ``evaluate``."""
    find = finder(pipeline, dataset, cache=cache)
    run = Run(
        name or type(pipeline).__name__,
        {},
        settings=find.settings,
        fingerprint=find.fingerprint,
        dataset=dataset.hash,
        dataset_path=dataset.path,
        split=dataset.split,
        notes=[*dataset.notes, *find.notes],
    )
    if find.parallel > 1:
        run.notes.append(
            f"up to {find.parallel} questions were asked at once (llm.parallel, rerank.parallel, encoder.parallel), so "
            "their milliseconds hold waiting for each other"
        )
    if before is not None:
        before(run)

    if find.together > 1:
        run.notes.append(f"{find.together} questions were encoded at once, so their encode times are shares of a batch")
    for (query, text), found in _answers_of(find, list(dataset.queries.items()), progress):
        run.results[query] = found.ranked[:depth]
        run.timings_ms[query] = found.timings_ms
        details = found.details | _wanted(dataset, query)
        if details:
            run.details[query] = details
        run.questions[query], run.qrels[query] = text, dict(dataset.qrels.get(query, {}))
    run.notes += [f"{run.name}: {note}" for note in find.closing_notes()]
    return run


def _answers_of(
    find: Finder, questions: list[tuple[str, str]], progress: Tick | None
) -> Iterator[tuple[tuple[str, str], QueryResult]]:
    """Yield each question with what is found for it: in one call for some, side by side, or one after the other."""
    if find.together > 1:
        for start in range(0, len(questions), find.together):
            part = questions[start : start + find.together]
            for number, pair in enumerate(zip(part, find.many(part), strict=True), start + 1):
                yield pair
                if progress is not None:
                    progress(number, len(questions))
        return

    def ask(question: tuple[str, str]) -> QueryResult:
        return find(*question)

    yield from side_by_side(ask, questions, find.parallel, progress)


def _wanted(dataset: Dataset, query: str) -> dict[str, Any]:
    """The beginnings of a query's best judged documents: who reads the run later needs no corpus."""
    wanted = [name for name in dataset.relevant(query) if name in dataset.corpus][:SHOWN]
    texts = {name: dataset.corpus[name].content[:SHOWN_CHARS] for name in wanted}
    return {"wanted": texts} if texts else {}


def check_dataset(run: Run, dataset: Dataset) -> None:
    """Refuse to score a run with the judgements of another dataset.

    Raises:
        SourceError: the hashes differ (a bare TREC run has none and is taken on trust).
    """
    if run.dataset and run.dataset != dataset.hash:
        raise SourceError(
            f"the run {run.name!r} was made on another dataset ({run.dataset_path or run.dataset}, split {run.split}) "
            f"than {dataset.path or dataset.name}, split {dataset.split}",
            remedy="name the dataset it was made on, or run it again: its texts or judgements have changed",
        )
