"""rag-eval failures: show the worst queries of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eval.cli.commands.compare import judgements
from eval.cli.options import cache_option, json_option, ticker
from indexes.display import HIDDEN, counted, for_records
from indexes.errors import SettingsError

if TYPE_CHECKING:
    from eval.comparing.failures import Failure
    from eval.measure.runs import Run

TEXT = 200  # characters shown of a document


EPILOG = """\b
Examples:
  rag-eval failures runs/base --number 20
  rag-eval failures runs/base --measure MAP --no-search
"""


@click.command(
    name="failures", epilog=EPILOG, short_help="Show the worst queries of a run, and the stage that lost them."
)
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--dataset", "path", metavar="DATASET", help="Dataset of the run [where the run found it].")
@click.option("-m", "--measure", default="nDCG@10", help="Measure to rank queries by [NDCG@10].")
@click.option(
    "-n", "--number", default=10, show_default=True, type=click.IntRange(min=1), help="Number of queries to show."
)
@click.option("--no-search", is_flag=True, help="Do not search again: use only what the run recorded.")
@cache_option
@json_option
def command(
    folder: Path, path: str | None, measure: str, number: int, no_search: bool, cache: Path | None, as_json: bool
) -> None:
    """Show RUN's worst queries: the relevant documents, what was found instead, and the stage that lost them.

    The legs are searched again, deeper than in the run, to tell documents that no leg found from those lost in fusion.
    """
    from eval.comparing.failures import explain, summary, worst
    from eval.measure.runs import load_run
    from eval.measure.session import Session
    from eval.ticks import ticking
    from rag.cli.output import data, data_json, words

    run = load_run(folder)
    dataset = judgements([run], path, run.split)
    chosen = worst(run, dataset, measure, number)
    with Session(dataset, cache=cache) as session, ticker("failures") as tick:
        retriever = None if no_search else _retriever(run, session)
        failures = [explain(run, dataset, *one, retriever) for one in ticking(chosen, tick)]
    if as_json:
        found = {"run": run.name, "measure": measure, "stages": summary(failures)}
        data_json({**found, "failures": [failure.as_dict() for failure in failures]})
        return
    if not failures:
        words(f"every query with a relevant document scores 1 in {measure}")
        return
    for failure in failures:
        data(_text(failure, measure))
    lost = ", ".join(f"{stage} {count}" for stage, count in summary(failures).items())
    words(f"relevant documents of these {counted(len(failures), 'query')} by stage: {lost}")


def _retriever(run: Run, session: Any) -> Any:
    """Return our retriever with the run's settings, without a reranker; None for runs of other pipelines."""
    if "retrieval" not in run.settings or "encoder" not in run.fingerprint:
        return None
    from rag.settings import Settings, load_settings

    now = load_settings().model_dump(mode="json")
    tree = {**run.settings, "rerank": {**run.settings["rerank"], "provider": "none"}}
    tree["hyde"] = {**run.settings["hyde"], "mode": "off"}
    tree["encoder"] = {
        name: whole_address(f"encoder.{name}", value, now["encoder"].get(name))
        for name, value in tree["encoder"].items()
    }
    return session.retriever(Settings.model_validate(tree))


def whole_address(name: str, saved: Any, now: Any) -> Any:
    """Return a saved setting; an address whose login or query was not saved is taken from the settings of now.

    >>> whole_address("encoder.base_url", "http://***@host/v1", "http://me:word@host/v1")
    'http://me:word@host/v1'

    Raises:
        SettingsError: the settings name another address.
    """
    if not isinstance(saved, str) or HIDDEN not in saved:
        return saved
    if for_records(now) != saved:
        raise SettingsError(
            f"the run was saved with {name} = {saved!r}, without its login or query",
            remedy=f"set {name} to that whole address, or add --no-search",
        )
    return now


def _text(failure: Failure, measure: str) -> str:
    from rag.cli.output import clean, shorten

    lines = [f"{measure} {failure.value:.3f}  [{clean(failure.query)}] {clean(failure.question)}"]
    for gold in failure.gold[:5]:
        stages = {name: getattr(gold, name) for name in ("dense", "sparse", "fused", "rank")}
        ranks = ", ".join(f"{name} {rank}" for name, rank in stages.items() if rank is not None)
        lines.append(f"  gold   {clean(gold.id)}: {gold.stage}" + (f" ({ranks})" if ranks else ""))
        lines.append(f"         {shorten(gold.text, TEXT)}")
    if len(failure.gold) > 5:
        lines.append(f"  ... and {len(failure.gold) - 5} more: --json shows them all")
    for entry in failure.found:
        mark = "found*" if entry.get("relevant") else "found "
        lines.append(f"  {mark} {clean(entry['id'])}: {shorten(entry.get('text', ''), TEXT)}")
    return "\n".join(lines) + "\n"
