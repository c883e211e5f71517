"""The steps of one run of finetune_embedder."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets.dataset import Dataset
from eval.finetune.embedder.options import EmbedderOptions, Leg, Stage, Tuned
from eval.finetune.embedder.train import Trained, curve_csv, train
from eval.finetune.lessons.mining import MiningReport, mine
from eval.finetune.lessons.training_set import TrainingSet
from eval.finetune.training.run_folder import RunFolder, write_atomic
from eval.finetune.weights.soup import soup_notes, souped
from eval.measure.embedding_cache import digest
from indexes.errors import SourceError

if TYPE_CHECKING:
    from eval.finetune.lessons.splits import Splits
    from eval.finetune.proof.proof import Proof
    from eval.finetune.weights.curve import Curve
    from rag.retrieval.hybrid import HybridRetriever
    from rag.settings import Settings

ENCODED_TOGETHER = 512  # documents between two steps of the bar, and what a killed call loses at most
DEV_CANDIDATES = 10  # of the pipeline for each dev question, in the pool that checkpoints are measured on


@dataclass
class Work:
    """The steps of one run."""

    run: RunFolder
    base: str
    folder: Path
    splits: Splits
    others: list[Dataset]
    options: EmbedderOptions
    settings: Settings
    cache: str | Path | None
    stage: Stage
    say: Callable[[str], None]

    @property
    def model(self) -> Path:
        return self.run.path / "model"

    @property
    def trained_folder(self) -> Path:
        """Where training saves: beside the model where that is to be a merge."""
        return self.model if self.options.merge is None else self.run.path / "trained"

    def done(self, max_loss: float, command: str) -> Tuned:
        from eval.finetune.proof.proof import prove

        if self.run.continued:
            self.say(f"continuing {self.run.path}: done are {', '.join(self.run.steps) or 'no steps'}")
        before = self.scored("base", self.settings_of(None))
        mined, pool_set, report = self.mined()
        each = self.souped(mined, pool_set)
        curve = self.merged(max_loss)
        after = self.scored("tuned", self.settings_of(self.model))
        notes = [*mined.notes, *dict.fromkeys(note for one in each for note in one.notes), *soup_notes(each)]
        notes += curve.notes if curve else []
        proof = prove(
            before,
            after,
            self.splits.test,
            self.others,
            max_loss=max_loss,
            notes=[*self.splits.notes, *notes],
            advice="average it with the base (rag-eval finetune merge)" if self.options.merge is None else "",
        )
        proof.save(self.run.path)
        self.card(proof, mined, curve, command, notes)
        for folder in (*self.run.path.glob("checkpoints*"), *self.run.path.glob(f"{self.trained_folder.name}-*")):
            shutil.rmtree(folder, ignore_errors=True)
        lines = ["[encoder]", 'provider = "sentence_transformer"', f'model = "{self.model.resolve()}"']
        return Tuned(self.model, proof, self.splits, each[0], report, curve, notes, lines, self.run.seconds)

    def settings_of(self, model: Path | None) -> Settings:
        """The pipeline's settings with this model (None: the base) and without a reranker."""
        if model is None and self.base == "minilm":
            changes = {"provider": "minilm", "model": "minilm"}
        else:
            changes = {"provider": "sentence_transformer", "model": str(model or self.folder)}
        options = self.options.training
        changes |= {"device": options.device, "dtype": options.dtype}
        encoder = self.settings.encoder.model_copy(update=changes)
        rerank = self.settings.rerank.model_copy(update={"provider": "none"})
        return self.settings.model_copy(update={"encoder": encoder, "rerank": rerank})

    def scored(self, name: str, settings: Settings) -> dict[str, Any]:
        """Runs of one model on the test questions and elsewhere."""
        from eval.finetune.proof.proof import score_all

        datasets = [self.splits.test, *self.others]
        if not self.run.done(f"score {name}"):
            self.say(f"scoring the {name} model on {len(datasets)} collections ({self.options.leg})")

        def work() -> dict[str, Any]:
            return score_all(
                partial(self.measured, settings, self.options.leg),
                datasets,
                self.run.path / name,
                fingerprint=self.fingerprint(settings),
                name=name,
            )

        # A done step goes through score_all too: it loads what is there, and measures again what is of other weights.
        return self.run.step(f"score {name}", work, load=work)

    def fingerprint(self, settings: Settings) -> str:
        from indexes.encoders.torch_runtime import weights_digest

        model = self.folder if settings.encoder.provider == "minilm" else Path(settings.encoder.model)
        kept = {key: settings.model_dump(mode="json")[key] for key in ("split", "sparse", "retrieval")}
        return digest([weights_digest(model), self.options.leg, kept if self.options.leg != "documents" else None])

    def measured(self, settings: Settings, leg: Leg, dataset: Dataset, cache: str | Path | None = None) -> Any:
        """One model on one dataset."""
        from eval.finetune.proof.proof import MEASURES
        from eval.measure.evaluate import evaluate
        from eval.measure.session import Session

        cache = cache or self.cache
        with Session(dataset, cache=cache) as session:
            if leg == "documents":
                encoder = session.encoder(settings)
                texts = [passage.content for passage in dataset.corpus.values() if passage.content.strip()]
                with self.stage(f"encode {dataset.name}") as tick:
                    for start in range(0, len(texts), ENCODED_TOGETHER):  # into the cache, where the search finds them
                        encoder.encode_documents(texts[start : start + ENCODED_TOGETHER])
                        if tick is not None:
                            tick(min(start + ENCODED_TOGETHER, len(texts)), len(texts))
                return evaluate(encoder, dataset, MEASURES, cache=cache)
            fusion = "dense" if leg == "sentences" else settings.retrieval.fusion
            retrieval = settings.retrieval.model_copy(update={"fusion": fusion})
            retriever = session.retriever(settings.model_copy(update={"retrieval": retrieval}))
            return evaluate(retriever, dataset, MEASURES, cache=cache)

    @contextmanager
    def indexed(self) -> Iterator[HybridRetriever]:
        """The hybrid pipeline with the base model over the documents, which are indexed first."""
        from eval.measure.session import Session

        with self.stage("index the documents") as tick:
            shown = (lambda done: tick(done.files_done, done.files_total)) if tick is not None else None
            session = Session(self.splits.train, cache=self.cache, progress=shown)
            retriever = session.retriever(self.settings_of(None))
        with session:
            yield retriever

    def mined(self) -> tuple[TrainingSet, TrainingSet, MiningReport]:
        """The training set, the candidates of the dev questions, and the statistics."""
        files = [self.run.path / name for name in ("mined.jsonl", "dev.jsonl", "mining.json")]

        def work() -> tuple[TrainingSet, TrainingSet, MiningReport]:
            options = self.options.mining
            unit = "document" if options.unit == "mixed" else options.unit
            # The pool of dev wants what is hard, not what is safe: no guard.
            unguarded = replace(options, unit=unit, margin=None, skip=0, negatives=DEV_CANDIDATES, cross_encoder=None)
            with self.indexed() as retriever:
                with self.stage("mine negatives") as tick:
                    found, report = mine(retriever, self.splits.train, options, progress=tick)
                with self.stage("candidates of dev") as tick:
                    candidates, _ = mine(retriever, self.splits.dev, unguarded, progress=tick)
            return found, candidates, report

        def save(result: tuple[TrainingSet, TrainingSet, MiningReport]) -> None:
            result[0].save(files[0])
            result[1].save(files[1])
            write_atomic(files[2], result[2].to_json())

        def load() -> tuple[TrainingSet, TrainingSet, MiningReport]:
            return TrainingSet.load(files[0]), TrainingSet.load(files[1]), MiningReport.load(files[2])

        found = self.run.step("mine", work, save=save, load=load)
        self.say(found[2].to_text())
        return found

    def souped(self, mined: TrainingSet, candidates: TrainingSet) -> list[Trained]:
        """As many trainings as the soup has, each with a seed of its own, and the average of their weights."""
        taught = functools.cache(lambda: self.taught(mined))
        fit = partial(self.fitted, mined, candidates, taught)
        return souped(self.run, self.trained_folder, self.options.soup, fit)

    def fitted(
        self,
        mined: TrainingSet,
        candidates: TrainingSet,
        taught: Callable[[], dict[str, dict[str, float]] | None],
        target: Path,
        place: int,
    ) -> Trained:
        """Rows and one training.

        Args:
            taught: gives the teacher's scores; asked only where the training is not done.
            place: in the soup; files and steps of the first have no number.
        """
        from eval.finetune.embedder.rows import columns, dev_pool, document_pairs

        options, corpus = self.options, self.splits.train.corpus
        training = replace(options.training, seed=options.training.seed + place)
        number = f"-{place + 1}" if place else ""
        bar = "train" if options.soup == 1 else f"train {place + 1} of {options.soup}"

        def work() -> dict[str, Any]:
            scores = taught()
            kinds = {"document": TrainingSet([], mined.texts), "part": TrainingSet([], mined.texts)}
            for example in mined.examples:
                kinds["document" if example.positives[0] in corpus else "part"].examples.append(example)
            listed = options.teacher_list - 1 if scores is not None else options.negatives
            rows = {
                kind: columns(part, negatives=listed, seed=training.seed, scores=scores)
                for kind, part in kinds.items()
                if part.examples
            }
            if options.pairs:
                known = [*self.splits.test.queries.values(), *self.splits.dev.queries.values()]
                pairs = document_pairs(self.splits.train, limit=options.pairs, seed=training.seed, held_out=known)
                rows["pairs"] = columns(pairs, negatives=0, seed=training.seed)
            rows = {kind: table for kind, table in rows.items() if table["question"]}
            if not rows:
                raise SourceError(
                    f"{len(mined.texts)} texts are too few for rows of {listed} negatives",
                    remedy="ask for fewer negatives (--negatives 0), or bring more documents",
                )
            texts = {name: passage.content for name, passage in corpus.items() if passage.content.strip()}
            if options.mining.unit in ("window", "sentence"):
                texts = {name: mined.texts[name] for name in mined.texts}
            pool = dev_pool(candidates, list(texts), texts, size=options.pool, seed=options.training.seed)
            self.say(f"training on {sum(len(table['question']) for table in rows.values())} rows; {pool.notes[0]}")
            with self.stage(bar) as tick:
                found = train(
                    self.folder,
                    self.base,
                    rows,
                    pool,
                    self.run.path,
                    target,
                    training,
                    curve_file=f"loss{number}.csv",
                    checkpoints=f"checkpoints{number}",
                    progress=(lambda done, total, _: tick(done, total)) if tick is not None else None,
                )
            write_atomic(self.run.path / f"loss{number}.csv", curve_csv(found.curve))
            return found.as_dict()

        return Trained(**self.run.step(f"train {place + 1}" if place else "train", work))

    def taught(self, mined: TrainingSet) -> dict[str, dict[str, float]] | None:
        """The teacher's scores, on one scale; None where there is no teacher."""
        if not self.options.teacher:
            return None
        from eval.finetune.embedder.losses import unit_scores
        from eval.finetune.lessons.teachers import build_teacher, teacher_scores

        needed = "pipeline" in self.options.teacher
        with self.indexed() if needed else nullcontext(None) as retriever, self.stage("ask the teacher") as tick:
            teacher = build_teacher(list(self.options.teacher), self.settings, retriever=retriever, cache=self.cache)
            found = teacher_scores(teacher, mined, self.run.path / "teacher.jsonl", progress=tick)
        return unit_scores(found)

    def merged(self, max_loss: float) -> Curve | None:
        """The average with the base, where one is wanted; its curve where the weight was chosen."""
        weight = self.options.merge
        if weight is None:
            return None
        from eval.finetune.weights.curve import merge_curve, merge_folders

        def merge(chosen: float) -> None:
            """Once: a finished run's model is left alone."""
            self.run.step("merge", lambda: str(merge_folders(self.folder, self.trained_folder, chosen, self.model)))

        if weight != "auto":
            merge(float(weight))
            return None
        work = self.run.path / "merge"
        kept = (self.folder, self.trained_folder)  # averages in between are measured once: nobody asks for them again

        def measure_of(folder: Path) -> Callable[[Dataset], Any]:
            settings = self.settings_of(None if folder == self.folder else folder)
            return partial(self.measured, settings, "documents", cache=self.cache if folder in kept else work / "cache")

        with self.stage("choose the merging weight") as tick:
            curve = merge_curve(
                self.folder,
                self.trained_folder,
                measure_of,
                self.splits.dev,
                self.others,
                work=work,
                max_loss=max_loss,
                progress=tick,
            )
        merge(curve.chosen)
        shutil.rmtree(work / "cache", ignore_errors=True)
        return curve

    def card(self, proof: Proof, mined: TrainingSet, curve: Curve | None, command: str, notes: list[str]) -> None:
        from eval.finetune.proof.card import write_card

        write_card(
            self.model,
            kind="embedder",
            base=self.base,
            base_folder=self.folder,
            splits=self.splits,
            settings=self.options.as_dict(),
            proof=proof,
            seed=self.options.training.seed,
            command=command,
            data_hash=mined.hash,
            curve=curve,
            notes=notes,
        )
