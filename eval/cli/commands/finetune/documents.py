"""rag-eval finetune documents: from an index of one's own documents to a tuned, proved embedder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eval.cli.commands.finetune.options import (
    RunOptions,
    epochs_option,
    merge_option,
    merge_weight,
    run_options,
    soup_option,
    teacher_option,
)
from rag.cli.options import Shared, setting, shared_options

if TYPE_CHECKING:
    from eval.finetune.documents import TunedOnDocuments


@click.command(name="documents", short_help="From documents only: questions, negatives, training, proof.")
@run_options(splits=False)
@click.option("--base", metavar="MODEL", help="minilm, a folder, or a hub name [the model of the settings].")
@click.option(
    "--limit",
    default=400,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Ask about N passages, drawn.",
)
@click.option("--per-passage", default=3, show_default=True, type=click.IntRange(min=1), help="Questions a passage.")
@click.option(
    "--test-share",
    default=0.25,
    show_default=True,
    type=click.FloatRange(0.05, 0.9),
    help="Share of the documents whose questions prove the model.",
)
@click.option(
    "--within",
    default=10,
    show_default=True,
    type=click.IntRange(min=1),
    help="A question's passage must be among that many passages found.",
)
@click.option(
    "--check",
    default="llm",
    show_default=True,
    type=click.Choice(["llm", "words", "none"]),
    help="Who says that the passage answers the question.",
)
@epochs_option(3)
@click.option("--batch", type=click.IntRange(min=2), help="Questions in a step [32, for BGE-M3 4].")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), help="Learning rate [5e-5, for BGE-M3 1e-5].")
@teacher_option
@merge_option()
@soup_option
@setting("--llm", "llm.provider", "ollama, openai, llama_cpp.", metavar="PROVIDER")
@shared_options
def command(
    shared: Shared,
    run: RunOptions,
    base: str | None,
    limit: int,
    per_passage: int,
    test_share: float,
    within: int,
    check: Any,
    epochs: float,
    batch: int | None,
    lr: float | None,
    teacher: tuple[str, ...],
    merge: str,
    soup: int,
) -> None:
    """Write questions about a collection, train an embedder on them, and prove it on other documents.

    The configured language model writes questions about passages. Those whose passage is found and answers them stay.
    Train and test share no document. Then everything goes as in finetune embedder (or bge-m3, for a base with its
    heads). The same command goes on where it stopped. Exit code 4: not significantly better. Nothing is switched.

    \b
    Example:
      rag-eval finetune documents --collection guide --base minilm --out tuned --limit 400 --llm ollama
    """
    from dataclasses import replace

    from eval.finetune.bge_m3.run import M3Options
    from eval.finetune.documents import QuestionOptions, finetune_documents
    from eval.finetune.embedder.options import EmbedderOptions

    encoder = shared.settings.encoder
    own: dict[str, Any] = {"epochs": epochs, "seed": run.seed, "device": encoder.device, "dtype": encoder.dtype}
    own |= {name: value for name, value in (("batch", batch), ("lr", lr)) if value is not None}
    options, m3 = EmbedderOptions(), M3Options()
    prompts: dict[str, Any] = {
        "query_prompt": encoder.query_prompt,
        "document_prompt": encoder.document_prompt,
    }
    negatives = max(options.negatives, options.teacher_list - 1 if teacher else 0)
    found = finetune_documents(
        shared.collection,
        base,
        questions=QuestionOptions(limit, per_passage, test_share=test_share, within=within, check=check, seed=run.seed),
        options=replace(
            options,
            training=replace(options.training, **own, **prompts),
            mining=replace(options.mining, seed=run.seed, negatives=negatives),
            teacher=teacher,
            merge=merge_weight(merge),
            soup=soup,
        ),
        m3_options=replace(
            m3,
            training=replace(m3.training, **own),
            mining=replace(m3.mining, seed=run.seed),
            teacher=teacher,
            merge=merge_weight(merge),
        ),
        **run.arguments(shared),
    )
    show(found, shared.json)
    found.tuned.proof.require_better()


def show(found: TunedOnDocuments, as_json: bool) -> None:
    """How many questions there are, then what the embedder's own command shows."""
    from eval.cli.commands.finetune import bge_m3 as finetune_bge_m3
    from eval.cli.commands.finetune import embedder as finetune_embedder
    from eval.finetune.bge_m3.run import TunedM3
    from rag.cli.output import data, data_json

    if as_json:
        data_json(found.as_dict())
        return
    dropped = ", ".join(f"{reason} {number}" for reason, number in found.questions["dropped"].items()) or "none"
    splits = found.questions["splits"]
    data(f"questions: {splits.get('train', 0)} train, {splits.get('test', 0)} test; dropped: {dropped}")
    data(f"among the first five: {found.hits['base']:.4f} -> {found.hits['tuned']:.4f} of the held-out questions\n")
    if isinstance(found.tuned, TunedM3):
        finetune_bge_m3.show(found.tuned, False)
    else:
        finetune_embedder.show(found.tuned, False)
