"""card: the README.md beside tuned weights, with all that a reader must know before using them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from eval.finetune.merge import Curve
from eval.finetune.proof import Proof
from eval.finetune.splits import Splits

Kind = Literal["embedder", "reranker", "bge-m3"]


def write_card(
    folder: Path,
    *,
    kind: Kind,
    base: str,
    base_folder: Path,
    splits: Splits,
    settings: Mapping[str, Any],
    proof: Proof,
    seed: int,
    command: str = "",
    data_hash: str = "",
    curve: Curve | None = None,
    notes: list[str] | None = None,
) -> Path:
    """Write ``folder``/README.md and return its path.

    Args:
        folder: the tuned model's.
        base: what the user called the base model; base_folder: where its files are (its licence is read there).
        settings: of the training, plain values; paths and secrets are left out.
        command: the command line that made it, as the user gave it.
        data_hash: of the mined training set, beside the splits' own hashes.
        curve: where the model is a merge.
    """
    raise NotImplementedError


def licence_of(base_folder: Path) -> str:
    """The licence that the base model's card or package names; "unknown" where neither does."""
    raise NotImplementedError
