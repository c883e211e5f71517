"""rag-eval finetune documents: tune an embedder on the documents of an index, and prove it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eval.cli.commands.finetune.options import SPLITS, options_of
from eval.cli.commands.finetune.output import give, show_sides
from eval.finetune.bge_m3.options import M3Options
from eval.finetune.documents import DocumentOptions
from eval.finetune.embedder.options import EmbedderOptions
from rag.cli.options import Shared, setting, shared_options

if TYPE_CHECKING:
    from eval.finetune.documents import TunedOnDocuments


EPILOG = """\b
Examples:
  rag-eval finetune documents --collection guide --base minilm --out tuned --limit 400 --llm ollama
"""


@click.command(
    name="documents", epilog=EPILOG, short_help="Write questions about a collection, and tune an embedder on them."
)
@click.option(
    "--base", metavar="MODEL", help="Model to tune: minilm, a model folder or a hub name [the configured model]."
)
@setting("--llm", "llm.provider", "Language model: ollama, openai, llama_cpp.", metavar="PROVIDER")
@shared_options
@options_of(DocumentOptions, without=SPLITS)
def command(shared: Shared, base: str | None, options: DocumentOptions, request: dict[str, Any]) -> None:
    """Write questions about a collection, train an embedder on them, and prove it on other documents.

    The configured language model writes questions about passages; those whose passage is found and answers them are
    kept. Train and test share no document. The rest is as for finetune embedder (or bge-m3, for a base with its heads).
    Run the same command again to resume. Exit code 4: not significantly better. Your settings are not changed.
    """
    from eval.finetune.documents import finetune_documents

    found = finetune_documents(
        shared.collection,
        base,
        questions=options,
        options=options.of(EmbedderOptions),
        m3_options=options.of(M3Options),
        **request,
    )
    give(found, shared.json, show, found.tuned.proof)


def show(found: TunedOnDocuments) -> None:
    """Print the number of questions, then what the embedder's command prints."""
    from eval.cli.commands.finetune import embedder as finetune_embedder
    from eval.finetune.embedder.sides import TunedSides
    from rag.cli.output import data

    dropped = ", ".join(f"{reason} {number}" for reason, number in found.questions["dropped"].items()) or "none"
    splits = found.questions["splits"]
    data(f"questions: {splits.get('train', 0)} train, {splits.get('test', 0)} test; dropped: {dropped}")
    if isinstance(found.tuned, TunedSides):
        data(f"among the first five: {found.hits['base']:.4f} -> {found.hits['tuned']:.4f} of the held-out questions\n")
        show_sides(found.tuned)
    else:
        finetune_embedder.show(found.tuned)
