"""finetune_embedder: train a sentence-transformers model on a dataset, and prove it on held-out questions.

Each run has a folder, and runs each step once: score the base, mine, ask the teacher, train, merge, score the result,
prove. A run that was killed is resumed by a call with the same settings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eval.datasets.dataset import Dataset
from eval.finetune.embedder.options import EmbedderOptions
from eval.finetune.embedder.steps import EmbedderWork
from eval.finetune.proof.scorer import divided, opened
from eval.finetune.proof.tuned import TunedModel
from eval.finetune.training.request import Request, base_folder
from indexes.errors import SettingsError


def finetune_embedder(
    dataset: str | Path | Dataset, base: str, *, options: EmbedderOptions | None = None, **request: Any
) -> TunedModel:
    """Tune ``base`` on ``dataset``, and prove it on held-out questions and by its losses elsewhere.

    Args:
        dataset: see ``load_dataset``; without a training split, its test split is divided.
        base: "minilm", or the folder or hub name of a sentence-transformers model.
        request: the other fields of ``Request``: ``out`` (folder of the run; the same call resumes an interrupted one),
            ``also``, ``teacher``, ``settings`` (of the pipeline to mine negatives with), ...

    Raises:
        SettingsError: ``out`` holds another run, or an option is not allowed.
        SourceError, EncoderError: the dataset or the model cannot be read.

    >>> from eval import finetune_embedder  # doctest: +SKIP
    >>> finetune_embedder("data/scifact", "minilm", out="tuned").proof.better  # doctest: +SKIP
    True
    """
    from eval.finetune.lessons.teachers import check_specs

    given, wanted = Request(dataset, base, **request), options or EmbedderOptions()
    wanted.check(with_teacher=bool(given.teacher))
    folder = base_folder(base)
    check_specs(given.teacher, given.settings)
    _check_dimensions(wanted.matryoshka, folder)
    splits, rest = divided(given, wanted.seed)
    with opened("embedder", given, folder, splits, rest, wanted.as_dict(), EmbedderOptions().as_dict()) as run:
        return EmbedderWork(run, given, folder, splits, rest, wanted).done()


def _check_dimensions(wanted: tuple[int, ...], folder: Path) -> None:
    """Refuse more dimensions than the model has, before anything is scored.

    Raises:
        SettingsError: the model has fewer.
    """
    config = folder / "config.json"
    full = json.loads(config.read_text(encoding="utf-8")).get("hidden_size") if config.is_file() else None
    if full and (bad := [dim for dim in wanted if dim > full]):
        raise SettingsError(
            f"the model has {full} dimensions, fewer than {bad[0]}", remedy=f"use dimensions up to {full}"
        )
