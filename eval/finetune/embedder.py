"""finetune_embedder: a sentence-transformers model trained on a dataset, and proved on held-out questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval.finetune.proof import Proof


@dataclass
class Tuned:
    """What a fine-tuning run gave.

    Args:
        model: folder of the tuned model.
        proof: the tables; ``proof.better`` is the verdict.
        notes: what a reader must know, one sentence each.
        settings_lines: lines for rag.toml that use the model.
    """

    model: Path
    proof: Proof
    notes: list[str]
    settings_lines: list[str]


def finetune_embedder(
    dataset: str | Path, base: str, *, out: str | Path, also: Sequence[str] = (), **options: Any
) -> Tuned:
    """Tune ``base`` on ``dataset``."""
    raise NotImplementedError
