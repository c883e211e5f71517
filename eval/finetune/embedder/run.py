"""finetune_embedder: a sentence-transformers model trained on a dataset, and proved on held-out questions.

One folder a run, and every step in it is done once: score the base, mine, ask the teacher, train, merge, score the
result, prove. A killed run continues where it was when it is called again with the same settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from eval.datasets.dataset import Dataset
from eval.finetune.embedder.options import EmbedderOptions, Stage, Tuned
from eval.finetune.embedder.steps import Work
from eval.finetune.training.run_folder import RunFolder
from indexes.errors import EncoderError, SettingsError

if TYPE_CHECKING:
    from eval.finetune.lessons.splits import DevBy
    from rag.settings import Settings

__all__ = ["EmbedderOptions", "Stage", "Tuned", "base_folder", "finetune_embedder"]


def finetune_embedder(
    dataset: str | Path | Dataset,
    base: str,
    *,
    out: str | Path,
    also: Sequence[str | Path] = (),
    options: EmbedderOptions | None = None,
    train_split: str = "train",
    test_split: str = "test",
    dev_share: float = 0.15,
    dev_by: DevBy = "auto",
    train_queries: int | None = None,
    max_loss: float = 0.025,
    settings: Settings | None = None,
    cache: str | Path | None = None,
    stage: Stage | None = None,
    say: Callable[[str], None] | None = None,
    command: str = "",
) -> Tuned:
    """Tune ``base`` on ``dataset``, and prove it: base scored first, held-out questions, forgetting elsewhere.

    Args:
        dataset: as ``load_dataset`` takes it; without a training split its test split is divided.
        base: "minilm", a folder, or a hub name of a sentence-transformers model.
        out: folder of the run; the same call continues an interrupted one.
        dev_share, dev_by: see ``eval.finetune.lessons.splits.make_splits``.
        also: further datasets to check for forgetting, besides the packaged probes.
        settings: of the pipeline that negatives are mined from; its encoder is replaced by the base.
        cache: see ``eval.measure.embedding_cache.cache_folder``.
        stage: gives a progress bar for a stage; say: takes remarks while it runs.
        command: the command line, for the card.

    Raises:
        SettingsError: ``out`` holds another run, or an option cannot be used.
        SourceError, EncoderError: the dataset or the model cannot be read.

        >>> from eval import finetune_embedder  # doctest: +SKIP
        >>> finetune_embedder("data/scifact", "minilm", out="tuned").proof.better  # doctest: +SKIP
        True
    """
    from eval.finetune.lessons.splits import make_splits
    from eval.finetune.proof.proof import others
    from indexes.encoders.torch_runtime import weights_digest
    from rag import load_settings

    wanted = options or EmbedderOptions()
    folder = base_folder(base)
    settings = settings or load_settings()
    _check_early(wanted, folder, settings)
    splits = make_splits(
        dataset,
        train_split=train_split,
        test_split=test_split,
        dev_share=dev_share,
        dev_by=dev_by,
        seed=wanted.training.seed,
        limit=train_queries,
    )
    rest = others(also, test=splits.test)
    with RunFolder(
        out,
        {
            "kind": "embedder",
            "base": base,
            "base_weights": weights_digest(folder),
            "data": splits.as_dict()["hash"],
            "others": [other.hash for other in rest],
            "max_loss": max_loss,
            **wanted.as_dict(),
        },
    ) as run:
        work = Work(
            run,
            base,
            folder,
            splits,
            rest,
            wanted,
            settings,
            cache,
            stage or (lambda name: nullcontext(None)),
            say or (lambda text: None),
        )
        return work.done(max_loss, command)


def base_folder(base: str) -> Path:
    """The folder of the base model: the packaged one for "minilm", else a folder or what the hub gives.

    Raises:
        EncoderError, MissingExtraError: there is none.
    """
    from indexes.encoders.torch_runtime import model_folder

    if base == "minilm":
        from indexes.encoders.packaged.minilm import packaged_folder

        return packaged_folder()
    return model_folder(base, error=EncoderError)


def _check_early(options: EmbedderOptions, folder: Path, settings: Settings) -> None:
    """What would otherwise fail after the base is scored.

    Raises:
        SettingsError: no such teacher, or more dimensions than the model has.
        SourceError: a teacher's file cannot be read.
    """
    from eval.finetune.lessons.teachers import SPECS, build_teacher

    for spec in options.teacher:
        kind = spec.strip().partition(":")[0]
        if kind == "file":
            build_teacher(spec, settings)
        elif kind not in re.findall(r"(\w+):|pipeline", SPECS) and spec.strip() != "pipeline":
            raise SettingsError(f"{spec!r} names no teacher", remedy=f"write it as {SPECS}")
    config = folder / "config.json"
    full = json.loads(config.read_text(encoding="utf-8")).get("hidden_size") if config.is_file() else None
    if full and (bad := [dim for dim in options.training.matryoshka if dim > full]):
        raise SettingsError(
            f"the model has {full} dimensions, and {bad[0]} was asked for", remedy=f"give dimensions up to {full}"
        )
