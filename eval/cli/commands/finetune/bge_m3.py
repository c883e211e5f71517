"""rag-eval finetune bge-m3: tune BGE-M3's heads together through FlagEmbedding, and prove each side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from eval.cli.commands.finetune.options import (
    RunOptions,
    batch_option,
    epochs_option,
    lr_option,
    merge_option,
    merge_weight,
    run_options,
    teacher_option,
    temperature_option,
)
from eval.cli.options import dataset_argument
from rag.cli.options import Shared, shared_options

if TYPE_CHECKING:
    from eval.finetune.bge_m3.run import TunedM3


@click.command(name="bge-m3", short_help="Tune BGE-M3's dense, sparse and multi-vector heads together.")
@dataset_argument
@click.option("--base", default="BAAI/bge-m3", show_default=True, metavar="MODEL", help="A folder or a hub name.")
@run_options()
@epochs_option(2)
@batch_option(4)
@lr_option(1e-5)
@click.option(
    "--group",
    default=4,
    show_default=True,
    type=click.IntRange(2, 64),
    help="Texts a question: its positive and mined negatives.",
)
@click.option(
    "--unit",
    default="mixed",
    show_default=True,
    type=click.Choice(["document", "window", "sentence", "mixed"]),
    help="Training texts: whole documents, the best window or sentence, or documents and sentences.",
)
@click.option(
    "--margin",
    default=0.05,
    show_default=True,
    type=click.FloatRange(-1, 1),
    help="A negative's fused score lies below the positive's by this share; -1 switches the guard off.",
)
@click.option(
    "--skip", default=0, show_default=True, type=click.IntRange(min=0), help="Best ranks that give no negative."
)
@teacher_option
@temperature_option
@click.option("--no-self-distill", is_flag=True, help="Do not let the sum of the three scores teach each of them.")
@click.option("--heads-only", is_flag=True, help="Train the sparse and the multi-vector head, not the network.")
@click.option(
    "--question-tokens",
    default=64,
    show_default=True,
    type=click.IntRange(min=8),
    help="Longest question in training.",
)
@click.option(
    "--max-tokens", default=256, show_default=True, type=click.IntRange(min=8), help="Longest text in training."
)
@click.option(
    "--evaluations",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Checkpoints an epoch; the one best on dev is kept.",
)
@click.option(
    "--pool", default=400, show_default=True, type=click.IntRange(min=10), help="Texts that dev is measured on."
)
@merge_option()
@shared_options
def command(
    shared: Shared,
    run: RunOptions,
    dataset: str,
    base: str,
    epochs: float,
    batch: int,
    lr: float,
    group: int,
    unit: str,
    margin: float,
    skip: int,
    teacher: tuple[str, ...],
    temperature: float,
    no_self_distill: bool,
    heads_only: bool,
    question_tokens: int,
    max_tokens: int,
    evaluations: int,
    pool: int,
    merge: str,
) -> None:
    """Train BGE-M3 on DATASET's training questions through FlagEmbedding's own module, and prove each side.

    The dense, sparse and multi-vector heads are trained together and teach each other. Negatives come from the hybrid
    pipeline. The hybrid, the dense and the sparse side of the index are scored before and after, and the multi-vector
    head on the hybrid side's candidates; the hybrid side decides. Exit code 4: not significantly better. Nothing is
    switched: the lines for rag.toml are printed.

    \b
    Example:
      rag-eval finetune bge-m3 data/mine --base BAAI/bge-m3 --out tuned --teacher cross_encoder:BAAI/bge-reranker-v2-m3
    """
    from eval.finetune.bge_m3.flag_embedding import FlagOptions
    from eval.finetune.bge_m3.run import M3Options, finetune_bge_m3
    from eval.finetune.lessons.mining import MiningOptions

    encoder = shared.settings.encoder
    options = M3Options(
        training=FlagOptions(
            epochs=epochs,
            batch=batch,
            group=group,
            lr=lr,
            question_tokens=question_tokens,
            text_tokens=max_tokens,
            self_distill=not no_self_distill,
            fix_encoder=heads_only,
            evaluations=evaluations,
            seed=run.seed,
            device=encoder.device,
            dtype=encoder.dtype,
        ),
        mining=MiningOptions(
            unit=unit,  # type: ignore[arg-type]
            negatives=max(7, group - 1),
            margin=margin if margin >= 0 else None,
            skip=skip,
            seed=run.seed,
        ),
        teacher=teacher,
        teacher_temperature=temperature,
        pool=pool,
        merge=merge_weight(merge),
    )
    found = finetune_bge_m3(
        dataset,
        base,
        options=options,
        **run.arguments(shared),
    )
    show(found, shared.json)
    found.proof.require_better()


def show(found: TunedM3, as_json: bool) -> None:
    """The curve, the tables of each side, the verdict that decides, and the lines for rag.toml."""
    from eval.cli.commands.finetune.output import curve_text, show_use
    from eval.finetune.proof.proof import FORGETTING_HEAD, IN_DOMAIN_HEAD, MEASURES, forgetting_rows, in_domain_rows
    from eval.report.table import table
    from rag.cli.output import data, data_json

    if as_json:
        data_json(found.as_dict())
        return
    data(curve_text(found.trained.curve) + "\n")
    if found.merge is not None:
        data(found.merge.to_text() + "\n")
    for side, proof in reversed(found.proofs.items()):
        if proof is found.proof:
            continue
        data(f"{side} side: {proof.verdict}\n")
        data(f"Held-out questions of {proof.in_domain.title}\n{table(IN_DOMAIN_HEAD, in_domain_rows(proof))}\n")
        data(f"Elsewhere\n{table(FORGETTING_HEAD, forgetting_rows(proof))}\n")
    rows = [[side, *in_domain_rows(proof)[0][1:]] for side, proof in found.proofs.items()]
    data(f"{MEASURES[0]} of each side\n{table(('side', *IN_DOMAIN_HEAD[1:]), rows)}\n")
    data(f"both sides together, which decides: {found.proof.to_text()}")
    show_use(found.model, found.settings_lines, better=found.proof.better, seconds=found.seconds)
