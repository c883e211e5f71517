"""rag-eval synthesize: generate questions from the documents of an index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from eval.cli.options import MeasuringOptions, measuring, show_notes, ticker
from eval.datasets.load import FORMATS
from eval.report.table import table
from rag.cli.options import setting

EPILOG = """\b
Examples:
  rag-eval synthesize questions --collection handbook --llm ollama --limit 400
  rag-eval synthesize questions --dataset data/handbook --llm ollama --check words
"""


@click.command(name="synthesize", epilog=EPILOG, short_help="Generate questions from your own documents.")
@click.argument("output", metavar="OUTPUT", type=click.Path(path_type=Path))
@click.option(
    "--dataset",
    "path",
    metavar="DATASET",
    help="Dataset to use in place of a collection; its documents are indexed once, as for 'run'.",
)
@click.option("--to", "form", default="beir", show_default=True, type=click.Choice(FORMATS), help="Format to write.")
@click.option(
    "--limit",
    "most",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of passages to ask about, drawn at random [all].",
)
@click.option(
    "--per-passage", default=3, show_default=True, type=click.IntRange(min=1), help="Number of questions per passage."
)
@click.option(
    "--window",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Maximum number of sentences per passage.",
)
@click.option("--seed", default=0, show_default=True, help="Random seed for --limit.")
@click.option(
    "--test-share",
    default=0.2,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the documents whose questions are for testing.",
)
@click.option(
    "--within",
    default=10,
    show_default=True,
    type=click.IntRange(min=1),
    help="The passage must be among this many passages found for its question.",
)
@click.option(
    "--check",
    default="llm",
    show_default=True,
    type=click.Choice(["llm", "words", "none"]),
    help="How to check that the passage answers the question.",
)
@click.option("--no-corpus", is_flag=True, help="beir, trec: write no texts; the judgements refer to the index.")
@setting("--llm", "llm.provider", "Language model: ollama, openai, llama_cpp.", metavar="PROVIDER")
@measuring()
def command(
    given: MeasuringOptions,
    output: Path,
    path: str | None,
    form: str,
    most: int | None,
    per_passage: int,
    window: int,
    seed: int,
    test_share: float,
    within: int,
    check: Any,
    no_corpus: bool,
) -> None:
    """Let the configured language model write questions about the passages of a collection, into the folder OUTPUT.

    A question is kept if a search finds its passage and the passage answers it. Train and test share no document.
    Progress is saved in OUTPUT.work.jsonl: run the same command again to resume.
    """
    from eval.synthesis.output import check_output
    from eval.synthesis.run import synthesize
    from indexes.errors import SettingsError
    from rag.cli.output import data, data_json, words
    from rag.llms import build_llm

    settings = given.shared.settings
    check_output(output, form, corpus=not no_corpus)
    if settings.llm.provider == "none":
        raise SettingsError("llm.provider is 'none', so questions cannot be written", remedy="name a model with --llm")
    if path is not None and no_corpus:
        raise SettingsError("--no-corpus and --dataset exclude each other", remedy="leave out one of the two")
    with _index(given, path) as index:
        llm: Any = build_llm(settings.llm)
        try:
            with ticker("synthesize") as tick:
                report = synthesize(
                    index,
                    llm,
                    output,
                    to=form,
                    limit=most,
                    per_passage=per_passage,
                    window=window,
                    seed=seed,
                    test_share=test_share,
                    within=within,
                    check=check,
                    corpus=not no_corpus,
                    settings=settings,
                    progress=tick,
                )
        finally:
            if hasattr(llm, "close"):
                llm.close()
    if given.shared.json:
        data_json(report.as_dict())
        return
    rows: list[list[object]] = [["passages asked about", report.asked + report.resumed]]
    if report.resumed:
        rows.append(["  of these in earlier runs", report.resumed])
    rows += [["questions kept", report.questions]]
    rows += [[f"  {split}", count] for split, count in report.splits.items()]
    rows += [["questions dropped", sum(report.dropped.values())]]
    rows += [[f"  {reason}", count] for reason, count in report.dropped.items()]
    rows += [["passages left out", sum(report.skipped.values())]]
    rows += [[f"  {reason}", count] for reason, count in report.skipped.items()]
    data(table(["", "count"], rows))
    show_notes(report.notes)
    words(f"wrote {', '.join(report.files)}" if report.files else "no questions were kept, so nothing was written")


@contextmanager
def _index(given: MeasuringOptions, path: str | None) -> Iterator[Any]:
    """Open the collection, or the index of the dataset at ``path``."""
    if path is None:
        from indexes import open_index

        with open_index(given.shared.collection, settings=given.shared.settings) as index:
            yield index
        return
    with given.session(given.read(path)) as session:
        yield session.index(given.shared.settings)
