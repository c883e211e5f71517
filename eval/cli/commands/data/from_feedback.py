"""rag-eval from-feedback: make a dataset from users' feedback on answers."""

from __future__ import annotations

import json
from pathlib import Path

import click

from eval.cli.options import show_notes
from indexes.display import counted
from rag.cli.options import Shared, shared_options

EPILOG = """\b
Examples:
  rag-eval from-feedback data/feedback --collection handbook
  rag-eval run data/feedback --pipeline base
"""


@click.command(name="from-feedback", epilog=EPILOG, short_help="Make a dataset from users' feedback on answers.")
@click.argument("target", metavar="TARGET", type=click.Path(path_type=Path))
@click.option("--file", "source", type=click.Path(path_type=Path), help="Feedback file [the store's].")
@shared_options
def command(shared: Shared, target: Path, source: Path | None) -> None:
    """Write the questions whose answers users marked right to TARGET, a BEIR folder.

    The documents of the cited sentences are the relevant documents, and the collection is the corpus. Questions whose
    answers were marked wrong are written to TARGET/unjudged.txt for you to judge.
    """
    from eval.datasets import convert
    from eval.datasets.feedback import from_feedback
    from indexes import open_index
    from rag.cli.output import data, data_json
    from rag.serve.feedback import feedback_path

    file = source or feedback_path(shared.settings.store)
    with open_index(shared.collection, settings=shared.settings, check_model=False) as index:
        found = from_feedback(file, index)
    mark = target / "feedback.json"  # marks the folder as ours, to be written again as feedback grows
    again = mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == {"collection": shared.collection}
    notes = convert(found.dataset, target, "beir", overwrite=again)
    mark.write_text(json.dumps({"collection": shared.collection}) + "\n", encoding="utf-8")
    if found.unjudged:
        (target / "unjudged.txt").write_text("\n".join(found.unjudged) + "\n", encoding="utf-8")
        notes.append(
            f"{counted(len(found.unjudged), 'question')} whose answers were "
            f"marked wrong are in {target / 'unjudged.txt'}"
        )
    if found.gone:
        notes.append(f"{counted(found.gone, 'cited sentence', verb='are')} no longer in the collection and left out")
    queries, documents = len(found.dataset.queries), len(found.dataset.corpus)
    if shared.json:
        data_json({"target": str(target), "queries": queries, "documents": documents, "notes": notes})
        return
    show_notes(notes)
    data(f"{target}: {counted(queries, 'query')}, {counted(documents, 'document')}")
