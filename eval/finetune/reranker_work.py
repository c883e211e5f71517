"""The steps of a reranker's run, in their order; ``eval.finetune.reranker`` is the face."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets.dataset import Dataset
from eval.embedding_cache import digest
from eval.finetune.data import TrainingSet
from eval.finetune.embedder import Stage
from eval.finetune.embedder_training import Trained
from eval.finetune.reranker import RerankerOptions, TunedReranker
from eval.finetune.reranker_data import CandidateList, best_share, candidate_lists, load_lists, save_lists
from eval.finetune.reranker_pipeline import opponent, rerank_lines, with_reranker, without_reranker
from eval.finetune.reranker_training import RerankerTraining, has_head, start_model, train_reranker
from eval.finetune.run_folder import RunFolder, write_atomic
from eval.mining import MiningReport, mine

if TYPE_CHECKING:
    from eval.finetune.proof import Proof
    from eval.finetune.splits import Splits
    from eval.runs import Run
    from rag.settings import Settings

WITHOUT, START, ALONE, TUNED = "without a reranker", "base model", "tuned, alone", "tuned"


@dataclass
class Work:
    """The steps of one run."""

    run: RunFolder
    base: str
    folder: Path
    splits: Splits
    others: list[Dataset]
    options: RerankerOptions
    settings: Settings
    cache: str | Path | None
    stage: Stage
    say: Callable[[str], None]
    rerankers: dict[Path, Any] = field(default_factory=dict)  # loaded, by folder
    scale: float | None = None  # rerank.scale of the tuned model

    def done(self, max_loss: float, command: str) -> TunedReranker:
        from eval.finetune.proof import prove, run_key

        if self.run.continued:
            self.say(f"continuing {self.run.path}: done are {', '.join(self.run.steps) or 'no steps'}")
        test, everywhere = self.splits.test, [self.splits.test, *self.others]
        self.say(f"scoring the pipeline without a reranker on {len(everywhere)} collections")
        without = self.scored("base", None, 0.0, everywhere)
        lists = self.dev_lists()
        start = self.start()
        kept_head = has_head(self.folder)
        start_weight = self.chosen("start", start, lists, None)[0] if kept_head else 1.0
        self.say("scoring the base model" + ("" if kept_head else " (its head is new, so it ranks at random)"))
        first = self.scored("start", start, start_weight, everywhere if kept_head else [test])
        mined, report = self.mined()
        warm = self.warmed(start, lists)
        first_stage, self.scale = self.first_stage(mined)
        begin = start if warm is None else self.run.path / "warm"
        trained = self.trained(begin, mined, lists, first_stage)
        weight, weights = self.chosen("tuned", self.model, lists, self.scale)
        self.say(f"the reranker's share in the order is {weight:g} (MAP on dev {max(weights.values()):.4f})")
        after = self.scored("tuned", self.model, weight, everywhere)
        alone = self.scored("alone", self.model, 1.0, [test]) if weight < 1 else after
        key = run_key(test)
        rows = self.table({WITHOUT: without[key], START: first[key], ALONE: alone[key], TUNED: after[key]})
        before, named = opponent(without, first if kept_head else None, test)
        lines = rerank_lines(self.with_reranker(self.model, weight).rerank)
        notes = [f"before is the pipeline {named}", *mined.notes, *trained.notes, *self.gains(rows, kept_head)]
        proof = prove(before, after, test, self.others, max_loss=max_loss, notes=[*self.splits.notes, *notes])
        proof.save(self.run.path)
        self.card(proof, mined, command, notes, lines[3:])
        for name in ("checkpoints", "checkpoints-warm", "scores"):
            shutil.rmtree(self.run.path / name, ignore_errors=True)
        return TunedReranker(
            self.model,
            proof,
            self.splits,
            trained,
            report,
            rows,
            weight,
            weights,
            warm,
            notes,
            lines,
            self.run.seconds,
        )

    @property
    def model(self) -> Path:
        return self.run.path / "model"

    @cached_property
    def pipeline(self) -> Settings:
        """The pipeline's settings without a reranker."""
        return without_reranker(self.settings)

    def with_reranker(self, model: Path, weight: float) -> Settings:
        return with_reranker(self.settings, model, weight, self.scale if model == self.model else None)

    def scored(self, name: str, model: Path | None, weight: float, datasets: Sequence[Dataset]) -> dict[str, Run]:
        """Runs of the pipeline with a reranker (None: without), each kept in the folder ``name``."""
        from eval.finetune.proof import score_all
        from indexes.encoders.torch_runtime import weights_digest

        settings = self.pipeline if model is None else self.with_reranker(model, weight)
        tree = settings.model_dump(mode="json")
        tree["rerank"].pop("model")
        kept = {section: tree[section] for section in ("encoder", "split", "sparse", "retrieval", "rerank")}
        fingerprint = digest([weights_digest(model) if model is not None else None, kept])
        found: dict[str, Run] = {}

        def work() -> list[str]:
            with self.stage(f"score {name}") as tick:
                measure = partial(self.measured, settings, tick)
                found.update(score_all(measure, datasets, self.run.path / name, fingerprint=fingerprint, name=name))
            return sorted(found)

        self.run.step(f"score {name}", work)
        if not found:  # an earlier call's: loaded, and measured again where the weights are others
            work()
        return found

    def measured(self, settings: Settings, tick: Any, dataset: Dataset) -> Any:
        """One pipeline on one dataset. A pair of question and text is scored once in a run, whatever its share."""
        from eval.evaluate import evaluate
        from eval.finetune.proof import MEASURES
        from eval.session import Session
        from rag import build_retriever

        with Session(dataset, cache=self.cache) as session:
            reranker: Any = False
            if settings.rerank.provider != "none":
                reranker = self.remembered(Path(settings.rerank.model))
            retriever = build_retriever(session.index(settings), settings=settings, rerank=reranker)
            return evaluate(retriever, dataset, MEASURES, cache=self.cache, progress=tick)

    def remembered(self, model: Path) -> Any:
        from eval.finetune.reranker_scores import Remembered
        from indexes.encoders.torch_runtime import weights_digest
        from rag.rerankers import build_reranker

        if model not in self.rerankers:
            inner = build_reranker(self.with_reranker(model, 1.0).rerank)
            path = self.run.path / "scores" / f"{model.name}-{weights_digest(model)}.sqlite"
            self.rerankers[model] = Remembered(inner, path)
        return self.rerankers[model]

    def dev_lists(self) -> list[CandidateList]:
        """The pipeline's candidates for the dev questions."""
        from eval.session import Session

        path = self.run.path / "dev.jsonl"

        def work() -> list[CandidateList]:
            with Session(self.splits.dev, cache=self.cache) as session:
                retriever = session.retriever(self.pipeline)
                with self.stage("candidates of dev") as tick:
                    return candidate_lists(retriever, self.splits.dev, depth=self.settings.rerank.depth, progress=tick)

        return self.run.step("dev", work, save=lambda found: save_lists(found, path), load=lambda: load_lists(path))

    def start(self) -> Path:
        """The base as a cross-encoder."""
        target = self.run.path / "start-model"
        self.run.step("start", lambda: str(start_model(self.folder, self.base, target, self.options.training).name))
        return target

    def mined(self) -> tuple[TrainingSet, MiningReport]:
        from eval.session import Session

        files = self.run.path / "mined.jsonl", self.run.path / "mining.json"

        def work() -> tuple[TrainingSet, MiningReport]:
            unit = "window" if self.settings.rerank.read == "window" else "sentence"
            options = replace(self.options.mining, unit=unit)  # type: ignore[arg-type]
            with Session(self.splits.train, cache=self.cache) as session:
                retriever = session.retriever(self.pipeline)
                with self.stage("mine negatives") as tick:
                    return mine(retriever, self.splits.train, options, progress=tick)

        def save(result: tuple[TrainingSet, MiningReport]) -> None:
            result[0].save(files[0])
            write_atomic(files[1], result[1].to_json())

        found = self.run.step(
            "mine", work, save=save, load=lambda: (TrainingSet.load(files[0]), MiningReport.load(files[1]))
        )
        self.say(found[1].to_text())
        return found

    def warmed(self, start: Path, lists: list[CandidateList]) -> Trained | None:
        """The start model after a warm-up on questions made from the documents."""
        if not self.options.warm_up:
            return None
        from eval.finetune.reranker_warmup import document_questions, load_rows, taught_lists
        from eval.session import Session

        path, training = self.run.path / "warm-up.jsonl", self.options.training

        def ask() -> Any:
            held_out = [*self.splits.dev.queries.values(), *self.splits.test.queries.values()]
            questions = document_questions(
                self.splits.train, limit=self.options.warm_up, seed=training.seed, held_out=held_out
            )
            with Session(self.splits.train, cache=self.cache) as session:
                retriever = session.retriever(self.pipeline)
                with self.stage("questions from documents") as tick:
                    return taught_lists(retriever, questions, path, seed=training.seed, progress=tick)

        rows = self.run.step("questions", ask, load=lambda: load_rows(path))
        settings = replace(training, loss="listnet", lr=self.options.warm_lr, epochs=1, patience=0)
        self.say(f"warming up on {len(rows['question'])} questions made from the documents")
        return self.fitted("warm", start, rows, lists, settings, None)

    def first_stage(self, mined: TrainingSet) -> tuple[dict[str, dict[str, float]] | None, float | None]:
        """What fused scores add to the logits of the training texts, and the factor; None where nothing is added."""
        from eval.finetune.reranker_data import residual_scale
        from eval.finetune.teachers import PipelineTeacher, teacher_scores
        from eval.session import Session

        training = self.options.training
        wanted = training.residual if training.residual is not None else not has_head(self.folder)
        if not wanted or self.options.teacher or training.loss not in ("listnet", "lambda"):
            return None, None
        path = self.run.path / "fused.jsonl"
        with Session(self.splits.train, cache=self.cache) as session, self.stage("fused scores") as tick:
            found = teacher_scores(PipelineTeacher(session.retriever(self.pipeline)), mined, path, progress=tick)
        factor = residual_scale(mined, found)
        return {query: {name: factor * value for name, value in row.items()} for query, row in found.items()}, factor

    def trained(
        self,
        start: Path,
        mined: TrainingSet,
        lists: list[CandidateList],
        first_stage: dict[str, dict[str, float]] | None,
    ) -> Trained:
        from eval.finetune.reranker_data import training_rows

        training = self.options.training
        rows = training_rows(
            mined,
            training.loss,
            negatives=training.negatives,
            epochs=training.epochs,
            seed=training.seed,
            scores=self.taught(mined),
            bonus=training.bonus,
            first=first_stage,
        )
        self.say(f"training on {len(rows['question'])} rows ({training.loss})")
        return self.fitted("model", start, rows, lists, training, self.scale)

    def fitted(
        self,
        target: str,
        start: Path,
        rows: Any,
        lists: list[CandidateList],
        training: RerankerTraining,
        scale: float | None,
    ) -> Trained:
        """One training, of the warm-up or of the model itself."""
        dev = [one for one in lists if any(gain > 0 for gain in one.relevant.values())]
        warm = target == "warm"

        def work() -> dict[str, Any]:
            with self.stage("warm up" if warm else "train") as tick:
                found = train_reranker(
                    start,
                    self.base,
                    rows,
                    dev[: self.options.dev_questions],
                    self.run.path,
                    self.run.path / target,
                    training,
                    curve_file="warm-up-loss.csv" if warm else "loss.csv",
                    checkpoints="checkpoints-warm" if warm else "checkpoints",
                    scale=scale,
                    progress=(lambda done, total, _: tick(done, total)) if tick is not None else None,
                )
            return asdict(found)

        return Trained(**self.run.step("warm up" if warm else "train", work))

    def taught(self, mined: TrainingSet) -> dict[str, dict[str, float]] | None:
        """The teacher's scores, on one scale; None where there is no teacher."""
        if not self.options.teacher:
            return None
        from eval.finetune.distill import unit_scores
        from eval.finetune.teachers import build_teacher, teacher_scores
        from eval.session import Session

        with Session(self.splits.train, cache=self.cache) as session, self.stage("ask the teacher") as tick:
            retriever = session.retriever(self.pipeline) if "pipeline" in self.options.teacher else None
            teacher = build_teacher(list(self.options.teacher), self.settings, retriever=retriever, cache=self.cache)
            return unit_scores(teacher_scores(teacher, mined, self.run.path / "teacher.jsonl", progress=tick))

    def chosen(
        self, name: str, model: Path, lists: list[CandidateList], scale: float | None
    ) -> tuple[float, dict[str, float]]:
        """The share of a reranker's score that is best on dev by MAP, and MAP of each share."""
        from eval.finetune.proof import MEASURES

        def work() -> dict[str, Any]:
            reranker = self.remembered(model)
            raw = []
            with self.stage(f"choose the weight of {name}") as tick:
                for number, one in enumerate(lists, start=1):
                    raw.append([float(value) for value in reranker.score(one.question, one.texts).raw])
                    if tick is not None:
                        tick(number, len(lists))
            share, curve = best_share(lists, raw, MEASURES[0], scale)
            fixed = self.options.weight
            chosen = share if fixed is None else fixed
            return {"weight": chosen, "scale": scale, "curve": {f"{s:g}": v for s, v in curve.items()}}

        found = self.run.step(f"weight {name}", work)
        return float(found["weight"]), dict(found["curve"])

    def table(self, runs: dict[str, Run]) -> dict[str, dict[str, float]]:
        from eval.finetune.proof import MEASURES
        from eval.metrics import score

        return {name: score(run.results, self.splits.test.qrels, MEASURES).mean for name, run in runs.items()}

    def gains(self, rows: dict[str, dict[str, float]], kept_head: bool) -> list[str]:
        from eval.finetune.proof import MEASURES

        measure = MEASURES[0]
        start, alone = rows[START][measure], rows[ALONE][measure]
        gain = f" ({(alone - start) / start:+.1%})" if start else ""
        head = "" if kept_head else "; the head of the base was new"
        return [f"the reranker alone orders the candidates with {measure} {start:.4f} -> {alone:.4f}{gain}{head}"]

    def card(self, proof: Proof, mined: TrainingSet, command: str, notes: list[str], lines: list[str]) -> None:
        from eval.finetune.card import write_card

        write_card(
            self.model,
            kind="reranker",
            base=self.base,
            base_folder=self.folder,
            splits=self.splits,
            settings=self.options.as_dict(),
            proof=proof,
            seed=self.options.training.seed,
            command=command,
            data_hash=mined.hash,
            notes=notes,
            toml=lines,
        )
