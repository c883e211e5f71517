"""rag-eval rerank: measure a reranker on lists of candidates, as MTEB does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eval.cli.options import dataset_argument, dataset_of, measure_names, measuring_options, settings_loader, ticker
from indexes.errors import SettingsError, SourceError
from rag.cli.options import Shared, shared_options

if TYPE_CHECKING:
    from eval.datasets import Dataset

MEASURES = "MAP,RR@10,nDCG@10,P@1,Hit@5"


@click.command(name="rerank", short_help="Measure a reranker on lists of candidates.")
@dataset_argument
@click.option(
    "--by",
    type=click.Choice(["reranker", "encoder"]),
    default="reranker",
    show_default=True,
    help="The configured reranker, or the encoder's cosine.",
)
@click.option(
    "--first",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Rerank what this run found (its first rerank.depth documents) instead of the dataset's lists.",
)
@measuring_options
@shared_options
def command(
    shared: Shared,
    dataset: str,
    by: str,
    first: Path | None,
    measures: str | None,
    split: str,
    cache: Path | None,
    out: Path,
    limit: int | None,
) -> None:
    """Rerank DATASET's lists: MTEB reranking jsonl, or the judged documents of a collection with judgements of 0.

    Beside it stands the order of the lists; where that only has the positives first, the mean of random orders.
    Positives that a list lacks are not added to it, and equal scores are ordered by document id (as trec_eval does), so
    figures may be lower than those of tools that do otherwise.
    """
    from eval.cli.measuring import show
    from eval.evaluate import evaluate
    from eval.metrics import TIE_RULE
    from eval.runs import load_run, save_run
    from eval.session import Session

    names = measure_names(measures or MEASURES)
    settings = settings_loader(shared)({})
    read = dataset_of(str(list_file(Path(dataset).expanduser(), split) if first is None else dataset), split, limit)
    if first is not None:
        read = with_candidates(read, load_run(first).results, settings.rerank.depth)
    elif not read.candidates and not any(value <= 0 for judged in read.qrels.values() for value in judged.values()):
        raise SourceError(
            f"{dataset} has no lists of candidates, and every judged document of it is relevant",
            remedy="name the run whose results are to be reranked with --first RUN",
        )
    results = []
    with Session(read, cache=cache) as session:
        results.append(_beside(read, names, ordered=first is not None))
        pipeline = _pipeline(session, settings, by)
        with ticker(by) as tick:
            result = evaluate(pipeline, read, names, name=by, cache=cache, progress=tick)
    result.run.notes.append(f"ties: {TIE_RULE}")
    save_run(result.run, out / by)
    show([*results, result], read, names, out, shared.json)


def list_file(place: Path, split: str) -> Path:
    """A folder's reranking file for the split, where it has one."""
    names = ["reranking.jsonl"] if split == "test" else [f"reranking_{split}.jsonl"]
    return next((place / name for name in names if (place / name).is_file()), place)


def with_candidates(dataset: Dataset, results: dict[str, list[tuple[str, float]]], depth: int) -> Dataset:
    """The dataset with a run's documents as its lists."""
    lists = {query: [d for d, _ in ranked[:depth]] for query, ranked in results.items() if query in dataset.queries}
    return replace(dataset, candidates=lists)


def _beside(dataset: Dataset, names: list[str], *, ordered: bool) -> Any:
    """What the reranker is to beat: the order of the lists where it says something, else chance.

    Args:
        ordered: the lists are a run's. Those of a dataset may just have the positives first.
    """
    from eval.chance import positives_first, random_order
    from eval.evaluate import evaluate
    from eval.runs import Run

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
        from eval.exact import EncoderReranker

        return EncoderReranker(session.encoder(settings))
    from rag.rerankers import build_reranker

    reranker = build_reranker(settings.rerank)
    if reranker is None:
        raise SettingsError(
            "rerank.provider is 'none', so there is no reranker to measure",
            remedy="set rerank.provider and rerank.model, or use --by encoder",
        )
    return reranker
