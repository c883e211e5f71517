"""finetune_bge_m3: tune the dense, sparse and multi-vector heads together, and prove each side.

Tuning only the dense side of BGE-M3 harms its sparse head, so all heads are trained together by FlagEmbedding's own
module. The dense leg, the sparse leg and hybrid search are scored before and after, in the index as it is used. The
order of the hybrid candidates by the multi-vector head is scored too, but does not decide: no index has its vectors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.datasets.dataset import Dataset
from eval.finetune.bge_m3.flag_embedding import check_base
from eval.finetune.bge_m3.options import M3Options
from eval.finetune.bge_m3.steps import M3Work
from eval.finetune.embedder.sides import TunedSides
from eval.finetune.proof.scorer import divided, opened
from eval.finetune.training.request import Request
from indexes.errors import EncoderError


def finetune_bge_m3(
    dataset: str | Path | Dataset, base: str = "BAAI/bge-m3", *, options: M3Options | None = None, **request: Any
) -> TunedSides:
    """Tune a checkpoint of BGE-M3's shape on ``dataset``, and prove its hybrid, dense, sparse and multi-vector sides.

    Args:
        base: a model folder or hub name, with both heads.
        request: the other fields of ``Request``. The model replaces the encoder of its ``settings``; the multi-vector
            head orders ``rerank.depth`` candidates, of which it reads ``rerank.read``.

    Raises:
        SettingsError: ``out`` holds another run, or an option is not allowed.
        SourceError, EncoderError: dataset or model cannot be read, or the training failed.

    >>> from eval.finetune.bge_m3.run import finetune_bge_m3  # doctest: +SKIP
    >>> finetune_bge_m3("data/mine", out="tuned").proofs["sparse"].verdict  # doctest: +SKIP
    """
    from indexes.encoders.torch_runtime import model_folder

    given, wanted = Request(dataset, base, **request), options or M3Options()
    folder = model_folder(base, error=EncoderError)
    check_base(folder)
    splits, rest = divided(given, wanted.seed)
    settings = {
        **wanted.as_dict(),
        "pipeline": given.sections(split=None, sparse=None, retrieval=None),
        "reads": given.sections(rerank=("depth", "read"))["rerank"],
    }
    with opened("bge-m3", given, folder, splits, rest, settings, M3Options().as_dict()) as run:
        return M3Work(run, given, folder, splits, rest, wanted).proved()  # type: ignore[arg-type]
