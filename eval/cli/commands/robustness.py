"""rag-eval robustness: measure answers from noisy, irrelevant or false passages."""

from __future__ import annotations

import click

from eval.cli.options import (
    MeasuringOptions,
    dataset_argument,
    measuring,
    queries_option,
    show_notes,
    show_scores,
    ticker,
)
from rag.cli.options import setting

EPILOG = """\b
Examples:
  rag-eval robustness data/rgb --noise 0,0.4,0.8 --passages 5
"""


@click.command(
    name="robustness", epilog=EPILOG, short_help="Measure answers given noisy, irrelevant or false passages."
)
@dataset_argument
@click.option(
    "--noise",
    "shares",
    default="0,0.4,0.8",
    show_default=True,
    help="Shares of irrelevant documents, one condition each.",
)
@click.option(
    "--passages", default=5, show_default=True, type=click.IntRange(min=1), help="Number of documents per question."
)
@setting("--llm", "llm.provider", "Language model: ollama, openai, llama_cpp or none.", metavar="PROVIDER")
@click.option("--no-llm", is_flag=True, help="Use no language model.")
@measuring(queries_option)
def command(given: MeasuringOptions, dataset: str, shares: str, passages: int) -> None:
    """Answer DATASET's questions from chosen documents: shares of noise, no relevant document, false facts (RGB).

    Noise documents are those judged 0; in a dataset without such judgements, what a search finds besides the relevant
    documents. False facts need 'fakeanswer' fields; without them, that condition is skipped with a note.
    """
    from eval.answers.robustness import NoiseCondition, measure, with_noise
    from eval.measure.session import without_reranker
    from indexes.errors import SettingsError, SourceError
    from rag.cli.output import words

    try:
        noise = [float(share) for share in shares.replace(",", " ").split()]
    except ValueError as error:
        raise SettingsError(f"--noise {shares!r} cannot be read", remedy="write it as --noise 0,0.4,0.8") from error
    conditions = [NoiseCondition("noise", passages, share) for share in noise]
    conditions += [NoiseCondition("none", passages), NoiseCondition("false", passages)]
    read = given.read(dataset)
    settings = given.load({"retrieval.top_n": passages})
    results = []
    with given.session(read) as session:
        engine = session.engine(settings)
        with ticker("search") as tick:
            noisy = with_noise(read, session.retriever(without_reranker(settings)), passages, tick)
        for condition in conditions:
            with ticker(condition.name) as tick:
                try:
                    results.append((condition.name, measure(engine, noisy, condition, progress=tick)))
                except SourceError as error:
                    words(f"note: {error}")
    if not results:
        raise SourceError(
            f"{dataset} has no question for any condition", remedy="use a dataset with relevant documents"
        )
    if not any(read.answers(query) for query in read.queries):
        noisy.notes.append("the dataset has no gold answers, so there are no string measures")
    show_notes(noisy.notes)
    show_scores("condition", results, given.shared.json)
