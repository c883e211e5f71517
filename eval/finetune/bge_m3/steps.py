"""The steps of a BGE-M3 run: an embedder's, with FlagEmbedding's training and four sides measured."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.datasets.dataset import Dataset
from eval.finetune.bge_m3 import flag_embedding as flag_training
from eval.finetune.bge_m3 import process as flag_process
from eval.finetune.bge_m3.run import MULTI_VECTOR, SIDES, M3Options, TunedM3
from eval.finetune.embedder.steps import Work
from eval.finetune.training.loss_curve import DEV, Trained, curve_csv, curve_rows, never_better
from eval.finetune.training.run_folder import write_atomic
from eval.measure.embedding_cache import digest
from eval.measure.metrics import score

if TYPE_CHECKING:
    from eval.finetune.embedder.rows import DevPool
    from eval.finetune.lessons.training_set import TrainingSet
    from eval.finetune.proof.proof import Proof
    from eval.finetune.weights.curve import Curve
    from rag.settings import Settings

SPARSE_SHARE = 0.3  # of the sparse score beside the dense one where checkpoints are compared, as in BGE-M3's own sum
MULTI_NOTE = (
    f"{MULTI_VECTOR}: the hybrid side's candidates in the order of the multi-vector head alone (late interaction); no "
    "index holds its vectors, and it decides nothing"
)
DISK_FACTOR = 3.5  # a checkpoint with its optimizer's state, in sizes of the float32 weights


class M3Work(Work):
    """The steps of an embedder's run, with FlagEmbedding's training and four sides measured."""

    options: M3Options  # type: ignore[assignment]

    def proved(self, max_loss: float, command: str) -> TunedM3:
        from eval.finetune.proof.proof import prove

        if self.run.continued:
            self.say(f"continuing {self.run.path}: done are {', '.join(self.run.steps) or 'no steps'}")
        before = self.sides("base", self.settings_of(None))
        mined, candidates, report = self.mined()
        trained = self.trained(mined, candidates)
        curve = self.merged(max_loss)
        after = self.sides("tuned", self.settings_of(self.model))
        notes = [*mined.notes, *trained.notes, *(curve.notes if curve else [])]
        told = [*self.splits.notes, *notes, MULTI_NOTE]
        proofs = {
            side: prove(before[side], after[side], self.splits.test, self.others, max_loss=max_loss, notes=told)
            for side in SIDES
        }
        for side in SIDES[1:]:
            if proofs[side].verdict.startswith("worse"):
                proofs[SIDES[0]].warnings.append(f"the {side} side alone is {proofs[side].verdict}")
        for side, proof in proofs.items():
            proof.save(self.run.path if side == SIDES[0] else self.run.path / side)
        self.m3_card(proofs, mined, curve, command, notes)
        shutil.rmtree(self.run.path / "checkpoints", ignore_errors=True)
        lines = ["[encoder]", 'provider = "bge_m3"', f'model = "{self.model.resolve()}"']
        return TunedM3(self.model, proofs, self.splits, trained, report, curve, notes, lines, self.run.seconds)

    def settings_of(self, model: Path | None) -> Settings:
        training = self.options.training
        changes = {"provider": "bge_m3", "model": str(model or self.folder)}
        changes |= {"device": training.device, "dtype": training.dtype}
        encoder = self.settings.encoder.model_copy(update=changes)
        rerank = self.settings.rerank.model_copy(update={"provider": "none"})
        sparse = self.settings.sparse.model_copy(update={"kind": "learned"})
        return self.settings.model_copy(update={"encoder": encoder, "rerank": rerank, "sparse": sparse})

    def sides(self, name: str, settings: Settings) -> dict[str, dict[str, Any]]:
        """Side -> runs of one model on the test questions and elsewhere; the index of each collection is built once."""
        from eval.finetune.proof.proof import score_all
        from indexes.encoders.torch_runtime import weights_digest

        datasets = [self.splits.test, *self.others]
        if not self.run.done(f"score {name}"):
            self.say(f"scoring the {name} model on {len(datasets)} collections ({', '.join(SIDES)})")
        tree = settings.model_dump(mode="json")
        kept = {key: tree[key] for key in ("split", "sparse", "retrieval")}
        reads = [tree["rerank"][key] for key in ("depth", "read")]
        weights = weights_digest(Path(settings.encoder.model))
        found: dict[str, dict[str, Any]] = {}
        with self.stage(f"score {name}") as tick:
            for number, side in enumerate(SIDES):
                found[side] = score_all(
                    lambda dataset, side=side: self.measured(settings, side, dataset),  # type: ignore[misc]
                    datasets,
                    self.run.path / name / side,
                    fingerprint=digest([weights, side, kept, *(reads if side == MULTI_VECTOR else ())]),
                    name=name,
                    progress=self._ticked(tick, number),
                )
        self.run.step(f"score {name}", lambda: sorted(found))
        return found

    def _ticked(self, tick: Any, number: int) -> Any:
        if tick is None:
            return None
        return lambda _, done, total: tick(number * total + done, len(SIDES) * total)

    def measured(self, settings: Settings, leg: str, dataset: Dataset, cache: str | Path | None = None) -> Any:
        """One side of one model on one dataset; "documents" is what merging weights are compared on."""
        from eval.finetune.proof.proof import MEASURES
        from eval.measure.evaluate import evaluate
        from eval.measure.session import Session

        if leg == "documents":
            return super().measured(settings, "documents", dataset, cache)
        if leg == MULTI_VECTOR:
            return self._reordered(settings, dataset)
        fusion = settings.retrieval.fusion if leg == "hybrid" else leg
        retrieval = settings.retrieval.model_copy(update={"fusion": fusion})
        with Session(dataset, cache=self.cache) as session:
            retriever = session.retriever(settings.model_copy(update={"retrieval": retrieval}))
            return evaluate(retriever, dataset, MEASURES, cache=self.cache)

    def _reordered(self, settings: Settings, dataset: Dataset) -> Any:
        """The hybrid side's candidates, ordered by the multi-vector head alone."""
        from eval.finetune.proof.proof import MEASURES
        from eval.measure.evaluate import evaluate
        from eval.measure.indexing import index_dataset
        from indexes.encoders.bge_m3 import BgeM3
        from rag import build_retriever
        from rag.rerankers.late_interaction import LateInteraction

        encoder = BgeM3(settings.encoder)
        rerank = settings.rerank.model_copy(update={"weight": 1.0, "scale": None})
        used = settings.model_copy(update={"rerank": rerank})
        with index_dataset(dataset, used, cache=self.cache, encoder=encoder) as index:
            retriever = build_retriever(index, settings=used, rerank=LateInteraction(encoder))
            return evaluate(retriever, dataset, MEASURES, cache=self.cache)

    def trained(self, mined: TrainingSet, candidates: TrainingSet) -> Trained:
        """Teacher's scores, FlagEmbedding's training, and the checkpoint that is best on dev."""
        from eval.finetune.embedder.rows import dev_pool

        options, training = self.options, self.options.training
        rows = self.run.path / "train.jsonl"

        def work() -> dict[str, Any]:
            scores = self.taught(mined)
            if scores is not None:
                scores = {q: {n: v / options.teacher_temperature for n, v in row.items()} for q, row in scores.items()}
            count, notes = flag_training.write_rows(mined, rows, scores=scores, seed=training.seed)
            self._check_disk(count)
            self.say(f"training on {count} rows through FlagEmbedding; its log is {self.run.path / 'train.log'}")
            with self.stage("train") as tick:
                found = flag_process.train(
                    self.folder,
                    rows,
                    self.run.path,
                    training,
                    count=count,
                    distil=scores is not None,
                    progress=tick,
                )
            texts = {name: passage.content for name, passage in self.splits.train.corpus.items()}
            texts = {name: text for name, text in texts.items() if text.strip()}
            pool = dev_pool(candidates, list(texts), texts, size=options.pool, seed=training.seed)
            return self._best(found, pool, notes).as_dict()

        return Trained(**self.run.step("train", work))

    def _best(self, checkpoints: Sequence[Path], pool: DevPool, notes: list[str]) -> Trained:
        """The checkpoint that is best on dev becomes the model; the curve gets their figures."""
        curve = {int(row["step"]): row for row in curve_rows(flag_training.history(checkpoints[-1]))}
        each = {0: self.folder, **{flag_training.step_of(path): path for path in checkpoints}}
        with self.stage("compare checkpoints") as tick:
            for number, (step, folder) in enumerate(each.items()):
                row = curve.setdefault(step, {"step": step, "epoch": 0.0})
                row["dev"] = self._dev(folder, pool)
                if tick is not None:
                    tick(number + 1, len(each))
        rows = [curve[step] for step in sorted(curve)]
        best = max((step for step in each if step), key=lambda step: (curve[step]["dev"], -step))
        flag_training.take(each[best], self.folder, self.trained_folder)
        write_atomic(self.run.path / "loss.csv", curve_csv(rows))
        steps = flag_training.step_of(checkpoints[-1])
        return Trained(
            rows, best, curve[best]["dev"], curve[0]["dev"], steps, [*pool.notes, *notes, *never_better(rows)]
        )

    def _dev(self, folder: Path, pool: DevPool) -> float:
        """nDCG@10 of the dev questions over the pool, by the dense score and a share of the sparse one."""
        from indexes.encoders import build_encoder

        encoder = build_encoder(self.settings_of(folder))
        questions = encoder.encode_queries(list(pool.questions.values()))
        texts = encoder.encode_documents(list(pool.texts.values()))
        similar = questions.dense @ texts.dense.T + SPARSE_SHARE * _sparse_products(questions.sparse, texts.sparse)
        names = list(pool.texts)
        results = {
            query: [(names[i], float(row[i])) for i in np.argsort(-row, kind="stable")[:10]]
            for query, row in zip(pool.questions, similar, strict=True)
        }
        return float(score(results, pool.qrels, [DEV]).mean[DEV])

    def _check_disk(self, rows: int) -> None:
        from indexes.store.checks import check_disk

        size = sum(file.stat().st_size for file in self.folder.iterdir() if file.suffix in (".safetensors", ".bin"))
        each, steps = self.options.training.steps(rows)
        saved = -(-steps // max(1, -(-each // self.options.training.evaluations)))
        check_disk(self.run.path, min_free_mb=256, needed_bytes=int(DISK_FACTOR * size * (saved + 1)))

    def m3_card(
        self, proofs: Mapping[str, Proof], mined: TrainingSet, curve: Curve | None, command: str, notes: list[str]
    ) -> None:
        from eval.finetune.proof.card import write_card

        sides = [f"{side} side: {proofs[side].verdict}" for side in SIDES[1:]]
        write_card(
            self.model,
            kind="bge-m3",
            base=self.base,
            base_folder=self.folder,
            splits=self.splits,
            settings=self.options.as_dict(),
            proof=proofs[SIDES[0]],
            seed=self.options.training.seed,
            command=command,
            data_hash=mined.hash,
            curve=curve,
            notes=[*sides, *notes],
        )


def _sparse_products(left: Any, right: Any) -> Any:
    """(n, m) inner products of two lists of sparse vectors."""
    from scipy.sparse import csr_array

    width = 1 + max((int(v.indices.max()) for v in (*left, *right) if len(v)), default=0)

    def matrix(vectors: Any) -> Any:
        ends = np.cumsum([0, *(len(vector) for vector in vectors)])
        indices = np.concatenate([vector.indices for vector in vectors]).astype(np.int64)
        values = np.concatenate([vector.values for vector in vectors])
        return csr_array((values, indices, ends), shape=(len(vectors), width))

    return (matrix(left) @ matrix(right).T).toarray()
