"""finetune_sparse: train a sparse encoder (SPLADE) on a dataset, and prove it in the index beside its dense side.

The index is scored before and after as it is used: by hybrid search, which decides, and by the sparse leg alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.datasets.dataset import Dataset
from eval.finetune.embedder.sides import TunedSides
from eval.finetune.proof.scorer import divided, opened
from eval.finetune.sparse.options import SparseOptions
from eval.finetune.sparse.steps import SparseWork
from eval.finetune.sparse.train import check_base
from eval.finetune.training.request import Request
from indexes.errors import EncoderError

DENSE = (
    "provider",
    "model",
    "dimensions",
    "query_prompt",
    "document_prompt",
)  # settings of the dense side, which does not change


def finetune_sparse(
    dataset: str | Path | Dataset, base: str, *, options: SparseOptions | None = None, **request: Any
) -> TunedSides:
    """Tune a SPLADE model on ``dataset``, and prove what it gains alone and beside the dense side.

    Args:
        base: folder or hub name of a SPLADE model or any masked language model.
        request: the other fields of ``Request``. The model replaces the sparse side of its ``settings``; the encoder
            does not change.

    Raises:
        SettingsError: ``out`` holds another run, or an option is not allowed.
        SourceError, EncoderError: the dataset or the model cannot be read.

        >>> from eval.finetune.sparse.run import finetune_sparse  # doctest: +SKIP
        >>> finetune_sparse("data/mine", "my-splade", out="tuned").proofs["sparse"].verdict  # doctest: +SKIP
    """
    from eval.finetune.lessons.teachers import check_specs
    from indexes.encoders.torch_runtime import model_folder

    given, wanted = Request(dataset, base, **request), options or SparseOptions()
    folder = model_folder(base, error=EncoderError)
    check_base(folder, base)
    check_specs(given.teacher, given.settings)
    splits, rest = divided(given, wanted.seed)
    pipeline = given.sections(split=None, sparse=None, retrieval=None, encoder=DENSE)
    for replaced in ("kind", "model"):
        pipeline["sparse"].pop(replaced)
    settings = {**wanted.as_dict(), "pipeline": pipeline}
    with opened("sparse", given, folder, splits, rest, settings, SparseOptions().as_dict()) as run:
        return SparseWork(run, given, folder, splits, rest, wanted).proved()  # type: ignore[arg-type]
