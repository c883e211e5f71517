"""rag-eval calibrate: fit the "not in these documents" threshold."""

from __future__ import annotations

from pathlib import Path

import click

from eval.cli.options import cache_option, dataset_argument, dataset_of, queries_option, split_option, ticker
from rag.cli.options import Shared, shared_options
from rag.cli.progress import progress_bar


@click.command(name="calibrate", short_help="Fit the 'not in these documents' threshold.")
@dataset_argument
@click.option("--rate", default=0.05, show_default=True, type=float, help="Wanted share of wrong questions answered.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the lines for rag.toml there; a file that exists is not overwritten.",
)
@click.option("--no-rerank", is_flag=True, help="Leave the reranker out.")
@queries_option
@cache_option
@split_option
@shared_options
def command(
    shared: Shared, dataset: str, rate: float, output: Path | None, split: str, cache: Path | None, limit: int | None
) -> None:
    """Fit answer.abstain_below on DATASET's questions, and print the lines for rag.toml.

    The models in use are written beside it (answer.abstain_fingerprint): the engine refuses the threshold under others.
    """
    from eval.measure.session import Session
    from eval.tuning.calibrate import calibrate, check_scores, fit_threshold, to_toml
    from indexes.errors import SettingsError
    from rag.cli.output import data, data_json, words

    if output is not None and output.exists():
        raise SettingsError(f"{output} exists already", remedy="name another file, and merge the lines by hand")
    settings = shared.settings
    check_scores(None if settings.rerank.provider == "none" else settings.rerank, settings.retrieval.fusion)
    read = dataset_of(dataset, split, limit)
    fit_threshold([0.0] * len(read.queries), rate)  # an impossible rate is said before the work, not after it
    with progress_bar() as progress, Session(read, cache=cache, progress=progress) as session:
        retriever = session.retriever(settings)
        with ticker("calibrate") as tick:
            found = calibrate(retriever, read, rate=rate, progress=tick)
    if shared.json:
        data_json(found.as_dict())
    else:
        data(to_toml(found), end="")
    for note in found.notes:
        words(f"note: {note}")
    if output is not None:
        output.write_text(to_toml(found), encoding="utf-8")
        words(f"wrote {output}: put its lines into rag.toml")
