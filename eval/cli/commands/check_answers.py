"""rag-eval check-answers: measure precision and recall of the check of answers, by class."""

from __future__ import annotations

import click

from eval.cli.options import ticker
from eval.report.table import table
from rag.cli.options import Shared, shared_options

EPILOG = """\b
Examples:
  rag-eval check-answers
  rag-eval check-answers --across --wrong --profile offline
"""


@click.command(
    name="check-answers",
    epilog=EPILOG,
    short_help="Measure how well RagWright's check of answers finds wrong sentences.",
)
@click.option(
    "--across", is_flag=True, help="Also check answers against passages in the other language (needs the encoder)."
)
@click.option("--wrong", is_flag=True, help="List the sentences that got a wrong status.")
@shared_options
def command(shared: Shared, across: bool, wrong: bool) -> None:
    """Check generated sentences whose correct status is known, and print precision and recall of the check.

    The sentences are derived from true ones by rules: another number, another entity, a negation, a mark of another
    passage, the number of another clause, or a sentence that no passage contains. In each language, 216 are about
    documents that the check was not tuned on, and 308 about documents that it was.
    """

    from eval.answers.check_set import measure_check
    from rag.answer.check.meaning import Meaning
    from rag.cli.output import data, data_json, words

    meaning = None
    if across:
        from indexes.encoders import build_encoder

        meaning = Meaning(build_encoder(shared.settings))
    results = []
    cases = [
        (held, language, crossed) for held in (True, False) for crossed in (False, True) for language in ("en", "zh")
    ]
    for held, language, crossed in cases:
        if crossed and not across:
            continue
        with ticker(f"{language}{' across' if crossed else ''}") as tick:
            results.append(measure_check(language, across=crossed, held_out=held, meaning=meaning, progress=tick))
    if shared.json:
        data_json([scores.as_dict() for scores in results])
        return
    names = ["part", "set", "class", "status", "sentences", "precision", "recall"]
    lines = [[scores.part, scores.name, *row.values()] for scores in results for row in scores.rows]
    data(table(names, lines))
    if wrong:
        for scores in results:
            for row in scores.wrong:
                found = f"{row['class']} -> {row['status']} ({row['decided_by']}): {row['text']}"
                words(f"{scores.name}, {scores.part}: {found}")
