"""evaluate: ask a pipeline every question of a dataset, score it, and record what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.datasets.dataset import Dataset
from eval.measure.finder import SHOWN, SHOWN_CHARS, Finder, QueryResult
from eval.measure.finders import finder
from eval.measure.metrics import DEFAULT_MEASURES, Measure, Scores
from eval.measure.runs import Run, load_run
from eval.ticks import Tick, side_by_side
from indexes.display import counted
from indexes.errors import SourceError


@dataclass(slots=True)
class Evaluation:
    """A run and its scores. ``evaluation["nDCG@10"]`` is the mean of a measure.

    >>> from eval.measure.metrics import score
    >>> qrels, results = {"q1": {"d1": 1}}, {"q1": [("d2", 0.9), ("d1", 0.8)]}
    >>> Evaluation(Run("mine", results), score(results, qrels, ["RR@10"]))["RR@10"]
    0.5
    """

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
    """Ask a pipeline every question of a dataset, and score the results.

    Args:
        pipeline: a retriever (``rag.build_retriever`` or any LlamaIndex one), a query engine (any LlamaIndex one; the
            run records the answers), an embedder (an ``Encoder`` or LlamaIndex ``BaseEmbedding``: exact search over
            whole documents), a reranker (a LlamaIndex node postprocessor, over the dataset's lists), a function from a
            question to [(document id, score)], a ``Run``, or the path of a saved one.
        measures: see ``eval.measure.metrics``.
        name: name of the run; default: the pipeline's class.
        cache: folder for embeddings; default: RAG_EVAL_CACHE, else ~/.cache/ragwright/eval.
        depth: number of documents recorded per question.
        progress: called with (done, total) after each question.
        before: called with the run, still without results, before the first question.

    Raises:
        SourceError: the saved run is of another dataset, or the dataset lacks what the pipeline needs.

    >>> from eval.datasets.dataset import CorpusPassage
    >>> notice = CorpusPassage("d1", text="Notice is three months.")
    >>> dataset = Dataset("mine", {"d1": notice}, {"q1": "How long is the notice?"}, {"q1": {"d1": 1}})
    >>> evaluate(lambda question: [("d2", 0.9), ("d1", 0.5)], dataset, ["RR@10"])["RR@10"]
    0.5
    """
    if isinstance(pipeline, (str, Path)):
        pipeline = load_run(pipeline)
    if isinstance(pipeline, Run):
        run = pipeline
        check_dataset(run, dataset)
    else:
        run = run_pipeline(pipeline, dataset, name=name, cache=cache, depth=depth, progress=progress, before=before)
    scores = run.score(dataset.qrels, measures)
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
    """Ask a pipeline every question, without scoring. Arguments as for ``evaluate``.

    >>> dataset = Dataset("mine", {}, {"q1": "When does it open?"}, {"q1": {"harbour.md": 1}})
    >>> run_pipeline(lambda question: [("harbour.md", 0.9)], dataset, name="mine").results
    {'q1': [('harbour.md', 0.9)]}
    """
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
            f"up to {counted(find.parallel, 'question', verb='were')} asked "
            "concurrently (llm.parallel, rerank.parallel, "
            "encoder.parallel), so their milliseconds include waiting for each other"
        )
    if before is not None:
        before(run)

    if find.together > 1:
        run.notes.append(f"encode times are equal shares of batches of up to {counted(find.together, 'question')}")
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
    """Yield each question with its result: asked in batches, concurrently, or one after the other."""
    if find.together > 1:
        for start in range(0, len(questions), find.together):
            part = questions[start : start + find.together]
            for number, pair in enumerate(zip(part, find.many(part), strict=True), start + 1):
                yield pair
                if progress is not None:
                    progress(number, len(questions))
        return
    yield from side_by_side(lambda question: find(*question), questions, find.parallel, progress)


def _wanted(dataset: Dataset, query: str) -> dict[str, Any]:
    """Return the beginnings of a query's best documents, so that the run can be read without the corpus."""
    wanted = [name for name in dataset.relevant(query) if name in dataset.corpus][:SHOWN]
    texts = {name: dataset.corpus[name].content[:SHOWN_CHARS] for name in wanted}
    return {"wanted": texts} if texts else {}


def check_dataset(run: Run, dataset: Dataset) -> None:
    """Refuse to score a run with the judgements of another dataset.

    >>> dataset = Dataset("mine", {}, {"q1": "When does it open?"}, {"q1": {"harbour.md": 1}}, path="mine")
    >>> check_dataset(Run("new", {}, dataset=dataset.hash), dataset)
    >>> check_dataset(Run("old", {}, dataset="0" * 16, dataset_path="other"), dataset)
    Traceback (most recent call last):
        ...
    indexes.errors.SourceError: the run 'old' was made on another dataset (other, split test) than mine, split test;
     name the dataset it was made on, or run it again: its texts or judgements have changed

    Raises:
        SourceError: the hashes differ. A bare TREC run has none and is not checked.
    """
    if run.dataset and run.dataset != dataset.hash:
        raise SourceError(
            f"the run {run.name!r} was made on another dataset ({run.dataset_path or run.dataset}, split {run.split}) "
            f"than {dataset.path or dataset.name}, split {dataset.split}",
            remedy="name the dataset it was made on, or run it again: its texts or judgements have changed",
        )
