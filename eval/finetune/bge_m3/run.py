"""finetune_bge_m3: dense, sparse and multi-vector heads tuned together, and each side proved.

Tuning the dense side of BGE-M3 alone harms its sparse head, so all are trained at once by FlagEmbedding's own module,
and the dense leg, the sparse leg and the hybrid of both are scored before and after, in the index as it is used. The
multi-vector head orders the hybrid's candidates anew, which is scored too and decides nothing: no index holds its
vectors.
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
        base: a folder, or a hub name; it must hold both heads.
        request: the other fields of ``Request``. The encoder of its ``settings`` is replaced; the multi-vector head
            orders ``rerank.depth`` candidates, and reads of them what ``rerank.read`` says.

    Raises:
        SettingsError: ``out`` holds another run, or an option cannot be used.
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
    with opened("bge-m3", given, folder, splits, rest, settings) as run:
        return M3Work(run, given, folder, splits, rest, wanted).proved()  # type: ignore[arg-type]
