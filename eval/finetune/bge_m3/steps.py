"""The steps of ``finetune_bge_m3``: those of an embedder, with FlagEmbedding's training and four sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from eval.datasets.dataset import Dataset
from eval.finetune.bge_m3 import flag_embedding as flag_training
from eval.finetune.bge_m3 import process as flag_process
from eval.finetune.bge_m3.options import M3Options
from eval.finetune.embedder.sides import SidesWork
from eval.finetune.proof.card import Kind
from eval.finetune.proof.forgetting import MEASURES
from eval.finetune.training.loss_curve import DEV, Trained, curve_csv, curve_rows, never_better
from eval.measure.metrics import score
from eval.measure.session import changed
from eval.ticks import ticking
from indexes.display import counted
from indexes.files import write_whole

if TYPE_CHECKING:
    from eval.finetune.embedder.rows import DevPool
    from eval.finetune.lessons.training_set import TrainingSet
    from rag.settings import Settings

MULTI_VECTOR = "multi-vector"
SIDES = ("hybrid", "dense", "sparse", MULTI_VECTOR)  # the first one decides
SPARSE_SHARE = 0.3  # weight of the sparse score when checkpoints are compared, as in BGE-M3's own sum
MULTI_NOTE = (
    f"{MULTI_VECTOR}: the hybrid candidates in the order of the multi-vector head alone (late interaction); it does "
    "not decide, since no index has its vectors"
)
DISK_FACTOR = 3.5  # size of a checkpoint with optimizer state, relative to the float32 weights


@dataclass
class M3Work(SidesWork):
    """The steps of an embedder's run, with FlagEmbedding's training and four sides."""

    options: M3Options  # type: ignore[assignment]
    kind: ClassVar[Kind] = "bge-m3"
    sides: ClassVar[tuple[str, ...]] = SIDES
    sides_note: ClassVar[str] = MULTI_NOTE

    def settings_of(self, model: Path | None) -> Settings:
        """Return the pipeline's settings with this model (None: the base) and without a reranker."""
        return changed(self.used("bge_m3", str(model or self.folder)), sparse={"kind": "learned"})

    def weights_of(self, settings: Settings) -> Path:
        return Path(settings.encoder.model)

    def measure(self, side: str, settings: Settings) -> tuple[Any, Sequence[Any]]:
        found, depends = super().measure(side, settings)
        if side != MULTI_VECTOR:
            return found, depends
        rerank = settings.rerank.model_dump(mode="json")
        return partial(self._reordered, settings), [*depends, rerank["depth"], rerank["read"]]

    def _reordered(self, settings: Settings, dataset: Dataset, tick: Any = None) -> Any:
        """Return the hybrid candidates, ordered by the multi-vector head alone."""
        from eval.measure.evaluate import evaluate
        from eval.measure.indexing import index_dataset
        from indexes.encoders.bge_m3 import BgeM3
        from rag import build_retriever
        from rag.rerankers.late_interaction import LateInteraction

        encoder = BgeM3(settings.encoder)
        used = changed(settings, rerank={"weight": 1.0, "scale": None})
        cache = self.request.cache
        with index_dataset(dataset, used, cache=cache, encoder=encoder) as index:
            retriever = build_retriever(index, settings=used, rerank=LateInteraction(encoder))
            return evaluate(retriever, dataset, MEASURES, cache=cache, progress=tick)

    def trainings(self, mined: TrainingSet, candidates: TrainingSet) -> list[Trained]:
        """Get the teacher's scores, train with FlagEmbedding, and choose the checkpoint that is best on dev."""
        from eval.finetune.embedder.rows import dev_pool

        options = self.options
        rows = self.run.path / "train.jsonl"

        def work() -> dict[str, Any]:
            scores = self.teach(mined, self.settings_of(None))
            if scores is not None:
                scores = {q: {n: v / options.temperature for n, v in row.items()} for q, row in scores.items()}
            count, notes = flag_training.write_rows(mined, rows, scores=scores, seed=options.seed)
            self._check_disk(count)
            self.say(
                f"training on {counted(count, 'row')} with FlagEmbedding; its log is {self.run.path / 'train.log'}"
            )
            with self.stage("train") as tick:
                found = flag_process.train(
                    self.folder,
                    rows,
                    self.run.path,
                    options,
                    count=count,
                    distil=scores is not None,
                    progress=tick,
                )
            texts = {name: passage.content for name, passage in self.splits.train.corpus.items()}
            texts = {name: text for name, text in texts.items() if text.strip()}
            pool = dev_pool(candidates, list(texts), texts, size=options.pool, seed=options.seed)
            return self._best(found, pool, notes).as_dict()

        return [Trained(**self.run.step("train", work))]

    def _best(self, checkpoints: Sequence[Path], pool: DevPool, notes: list[str]) -> Trained:
        """Make the checkpoint that is best on dev the model, and add the evaluations to the curve."""
        curve = {int(row["step"]): row for row in curve_rows(flag_training.history(checkpoints[-1]))}
        each = {0: self.folder, **{flag_training.step_of(path): path for path in checkpoints}}
        with self.stage("compare checkpoints") as tick:
            for step, folder in ticking(each.items(), tick):
                row = curve.setdefault(step, {"step": step, "epoch": 0.0})
                row["dev"] = self._dev(folder, pool)
        rows = [curve[step] for step in sorted(curve)]
        best = max((step for step in each if step), key=lambda step: (curve[step]["dev"], -step))
        flag_training.take(each[best], self.folder, self.trained_folder)
        write_whole(self.run.path / "loss.csv", curve_csv(rows))
        steps = flag_training.step_of(checkpoints[-1])
        return Trained(
            rows, best, curve[best]["dev"], curve[0]["dev"], steps, [*pool.notes, *notes, *never_better(rows)]
        )

    def _dev(self, folder: Path, pool: DevPool) -> float:
        """Return nDCG@10 of the dev questions over the pool, by the dense score plus a share of the sparse one."""
        from eval.measure.exact_search import best
        from indexes.encoders import build_encoder

        encoder = build_encoder(self.settings_of(folder))
        questions = encoder.encode_queries(list(pool.questions.values()))
        texts = encoder.encode_documents(list(pool.texts.values()))
        similar = questions.dense @ texts.dense.T + SPARSE_SHARE * _sparse_products(questions.sparse, texts.sparse)
        names = list(pool.texts)
        results = {query: best(names, row, 10) for query, row in zip(pool.questions, similar, strict=True)}
        return float(score(results, pool.qrels, [DEV]).mean[DEV])

    def _check_disk(self, rows: int) -> None:
        from indexes.store.checks import check_disk

        size = sum(file.stat().st_size for file in self.folder.iterdir() if file.suffix in (".safetensors", ".bin"))
        each, steps = self.options.steps(rows)
        saved = -(-steps // max(1, -(-each // self.options.evaluations)))
        check_disk(self.run.path, min_free_mb=256, needed_bytes=int(DISK_FACTOR * size * (saved + 1)))


def _sparse_products(left: Any, right: Any) -> Any:
    """Return the inner products, shape (n, m), of two lists of sparse vectors."""
    from scipy.sparse import csr_array

    width = 1 + max((int(v.indices.max()) for v in (*left, *right) if len(v)), default=0)

    def matrix(vectors: Any) -> Any:
        ends = np.cumsum([0, *(len(vector) for vector in vectors)])
        indices = np.concatenate([vector.indices for vector in vectors]).astype(np.int64)
        values = np.concatenate([vector.values for vector in vectors])
        return csr_array((values, indices, ends), shape=(len(vectors), width))

    return (matrix(left) @ matrix(right).T).toarray()
