"""The group ``rag-eval finetune``: loads only the file of the command that is used."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "embedder": "Tune an embedding model on a dataset, and prove what it gained.",
    "reranker": "Tune a cross-encoder on a dataset, and prove what it gained.",
    "bge-m3": "Tune BGE-M3's dense, sparse and multi-vector heads together.",
    "documents": "From documents only: questions, negatives, training, proof.",
    "merge": "Average base and tuned weights, and show what each weight costs.",
}

EPILOG = """\b
Examples:
  rag-eval finetune embedder data/scifact --base minilm --out tuned
  rag-eval finetune reranker data/scifact --base tuned/model --out reranker
  rag-eval finetune merge minilm tuned/model data/scifact --out merged
"""


class FinetuneGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"eval.cli.commands.finetune.{cmd_name.replace('-', '_')}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=FinetuneGroup, name="finetune", epilog=EPILOG, short_help="Tune models, and prove what it gained.")
def command() -> None:
    """Tune a model on your own data, and see by how much, and at what cost elsewhere.

    The base is always scored first. A model that is not significantly better on held-out questions is reported as
    that, with exit code 4, and nothing is switched.
    """
