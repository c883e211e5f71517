"""The steps of ``finetune_sparse``: those of an embedder, with another trainer and the sparse side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, ClassVar

from eval.finetune.embedder.sides import SidesWork
from eval.finetune.proof.card import Kind
from eval.finetune.sparse.options import SparseOptions
from eval.finetune.sparse.train import train
from eval.finetune.training.loss_curve import Trained
from eval.measure.session import changed

if TYPE_CHECKING:
    from eval.finetune.embedder.rows import DevPool
    from eval.finetune.training.trainer import TrainingFolder
    from eval.ticks import Tick
    from rag.settings import Settings

COUNTED = 100  # number of questions and of documents whose terms are counted


@dataclass
class SparseWork(SidesWork):
    """The steps of one run."""

    options: SparseOptions  # type: ignore[assignment]
    kind: ClassVar[Kind] = "sparse"
    sides: ClassVar[tuple[str, ...]] = ("hybrid", "sparse")
    merging_leg: ClassVar[str] = "sparse"

    def settings_of(self, model: Path | None) -> Settings:
        """Return the pipeline's settings with this model as sparse side (None: the base), and without a reranker."""
        sparse, encoder = {"kind": "splade", "model": str(model or self.folder)}, {"device": self.options.device}
        return changed(self.settings, sparse=sparse, encoder=encoder, rerank={"provider": "none"})

    def weights_of(self, settings: Settings) -> Path:
        return Path(str(settings.sparse.model))

    def measure(self, side: str, settings: Settings) -> tuple[Any, Sequence[Any]]:
        found, (name, kept) = super().measure(side, settings)
        kept["sparse"].pop("model")  # its weights count, not their place
        return found, [name, kept]

    def train(self, rows: Any, pool: DevPool, where: TrainingFolder, options: Any, tick: Tick | None) -> Trained:
        return train(self.folder, self.request.base, rows, pool, where, options, progress=tick)

    def notes_of(self) -> list[str]:
        """Return notes on the number of terms per text before and after, which decides an index's size and speed."""
        test = self.splits.test
        questions = list(test.queries.values())[:COUNTED]
        documents = [p.content for p in test.corpus.values() if p.content.strip()][:COUNTED]

        def count() -> dict[str, list[float]]:
            from indexes.encoders.splade import Splade

            found: dict[str, list[float]] = {"question": [], "document": []}
            for model in (None, self.model):
                encoder = Splade(self.settings_of(model))
                found["question"].append(round(fmean(map(len, encoder.encode_queries(questions))), 1))
                found["document"].append(round(fmean(map(len, encoder.encode_documents(documents))), 1))
            return found

        return [
            f"mean number of terms per {what} (of {len(texts)}): {before:g} before, {after:g} after"
            for (what, (before, after)), texts in zip(
                self.run.step("count terms", count).items(), (questions, documents), strict=True
            )
        ]
