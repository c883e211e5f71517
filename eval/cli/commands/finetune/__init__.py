"""The group ``rag-eval finetune``: imports only the requested command."""

from __future__ import annotations

import click

from rag.cli.main import LazyGroup

COMMANDS = {
    "embedder": "Tune an embedding model on a dataset, and prove the gain.",
    "reranker": "Tune a cross-encoder on a dataset, and prove the gain.",
    "bge-m3": "Tune BGE-M3's dense, sparse and multi-vector heads together.",
    "sparse": "Tune a sparse encoder (SPLADE) on a dataset, and prove the gain.",
    "documents": "Write questions about a collection, and tune an embedder on them.",
    "merge": "Average the weights of base and tuned model, and prove the result.",
}

EPILOG = """\b
Examples:
  rag-eval finetune embedder data/scifact --base minilm --out tuned
  rag-eval finetune reranker data/scifact --base tuned/model --out reranker
  rag-eval finetune merge minilm tuned/model data/scifact --out merged
"""


class _FinetuneGroup(LazyGroup):
    """The group ``rag-eval finetune``."""

    table = COMMANDS
    package, program = "eval.cli.commands.finetune", "rag-eval finetune"


@click.command(
    cls=_FinetuneGroup, name="finetune", epilog=EPILOG, short_help="Tune embedders and rerankers, and prove the gain."
)
def command() -> None:
    """Tune a model on your own data, and see what it gains there and costs elsewhere.

    The base is always scored first. If the tuned model is not significantly better on held-out questions, the command
    says so and exits with 4. Your settings are never changed.
    """
