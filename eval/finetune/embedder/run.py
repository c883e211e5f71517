"""finetune_embedder: a sentence-transformers model trained on a dataset, and proved on held-out questions.

One folder a run, and every step in it is done once: score the base, mine, ask the teacher, train, merge, score the
result, prove. A killed run continues where it was when it is called again with the same settings.
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
    """Tune ``base`` on ``dataset``, and prove it: base scored first, held-out questions, forgetting elsewhere.

    Args:
        dataset: as ``load_dataset`` takes it; without a training split its test split is divided.
        base: "minilm", a folder, or a hub name of a sentence-transformers model.
        request: the other fields of ``Request``: ``out`` (folder of the run; the same call continues an interrupted
            one), ``also``, ``teacher``, ``settings`` (of the pipeline that negatives are mined from), ...

    Raises:
        SettingsError: ``out`` holds another run, or an option cannot be used.
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
    check_dimensions(wanted.matryoshka, folder)
    splits, rest = divided(given, wanted.seed)
    with opened("embedder", given, folder, splits, rest, wanted.as_dict()) as run:
        return EmbedderWork(run, given, folder, splits, rest, wanted).done()


def check_dimensions(wanted: tuple[int, ...], folder: Path) -> None:
    """Refuse more dimensions than the model has before anything is scored.

    Raises:
        SettingsError: one is too many.
    """
    config = folder / "config.json"
    full = json.loads(config.read_text(encoding="utf-8")).get("hidden_size") if config.is_file() else None
    if full and (bad := [dim for dim in wanted if dim > full]):
        raise SettingsError(
            f"the model has {full} dimensions, and {bad[0]} was asked for", remedy=f"give dimensions up to {full}"
        )
