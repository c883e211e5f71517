"""rag-eval answers: score the answers saved in runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from eval.cli.commands.compare import judgements, load_runs
from eval.cli.options import show_scores, ticker
from rag.cli.options import Shared, setting, shared_options

EPILOG = """\b
Examples:
  rag-eval run data/handbook --answers --pipeline base
  rag-eval answers runs/base --judge --llm ollama
"""


@click.command(name="answers", epilog=EPILOG, short_help="Score a run's answers, citations and abstentions.")
@click.argument("folders", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dataset", "path", metavar="DATASET", help="Dataset with gold answers [the runs' own].")
@click.option("--split", default=None, help="Split of --dataset [the runs' own, else test].")
@click.option(
    "--judge",
    "with_judge",
    is_flag=True,
    help="Also let the language model judge whether answers are faithful and relevant.",
)
@setting("--llm", "llm.provider", "Provider of the judge: ollama, openai or llama_cpp.", metavar="PROVIDER")
@shared_options
def command(shared: Shared, folders: tuple[Path, ...], path: str | None, split: str | None, with_judge: bool) -> None:
    """Score the answers of RUNs made with 'rag-eval run --answers'.

    Prints exact match, F1 (of words in English, of characters in Chinese), containment of the gold answers, precision
    and recall of citations against the relevant documents, and precision and recall of "not in these documents".
    --judge adds faithfulness and relevance, and how well the judge agrees with the gold answers.
    """
    from eval.answers.scores import score_answers
    from indexes.errors import SettingsError

    llm: Any = None
    if with_judge:
        from rag.llms import build_llm

        llm = build_llm(shared.settings.llm)
        if llm is None:
            raise SettingsError("llm.provider is 'none', so there is no judge", remedy="name one with --llm")
    runs = load_runs(folders)
    dataset = judgements(runs, path, split)
    results = []
    for run in runs:
        scores = score_answers(run, dataset)
        if llm is not None:
            scores = _judged(run, dataset, scores, llm, shared)
        results.append((run.name, scores))
    show_scores("run", results, shared.json)


def _judged(run: Any, dataset: Any, scores: Any, llm: Any, shared: Shared) -> Any:
    from eval.answers.judge import judge
    from rag.llms import explain_llm_error, parallel_answers

    passages = {
        query: [str(c["text"]) for c in row.get("citations", [])]
        or [dataset.corpus[d].content for d in row.get("prompt", []) if d in dataset.corpus]
        for query, row in run.details.items()
    }
    settings = shared.settings.llm
    with ticker("judge") as tick:
        try:
            at_once = parallel_answers(settings)
            return judge(scores, dataset.queries, passages, llm, name=settings.model, parallel=at_once, progress=tick)
        except Exception as error:
            raise explain_llm_error(error, settings) from error
