"""The steps of a reranker's run, in their order; ``eval.finetune.reranker`` is the face."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets.dataset import Dataset
from eval.finetune.data import TrainingSet
from eval.finetune.embedder import Stage
from eval.finetune.embedder_training import Trained
from eval.finetune.reranker import RerankerOptions, TunedReranker
from eval.finetune.reranker_data import CandidateList, Rows
from eval.finetune.reranker_pipeline import Measuring, against_none, opponent, rerank_lines, with_reranker
from eval.finetune.reranker_training import RerankerTraining, has_head, start_model, train_reranker
from eval.finetune.run_folder import RunFolder, write_atomic
from eval.mining import MiningReport, mine

if TYPE_CHECKING:
    from eval.finetune.proof import Proof
    from eval.finetune.splits import Splits
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

    def done(self, max_loss: float, command: str) -> TunedReranker:
        from eval.finetune.proof import prove, run_key

        if self.run.continued:
            self.say(f"continuing {self.run.path}: done are {', '.join(self.run.steps) or 'no steps'}")
        test, everywhere, measure = self.splits.test, [self.splits.test, *self.others], self.measuring
        without = measure.scored("base", "the pipeline without a reranker", everywhere)
        lists = measure.dev_lists()
        start = self.start()
        kept_head = has_head(self.folder)
        start_weight = measure.chosen("start", start, lists, None, self.options.weight)[0] if kept_head else 1.0
        what = "the base model" + ("" if kept_head else " (its head is new, so it ranks at random)")
        first = measure.scored("start", what, everywhere if kept_head else [test], start, start_weight)
        mined, report = self.mined()
        warm = self.warmed(start, lists)
        scale = self.scaled(mined)
        begin = start if warm is None else self.run.path / "warm"
        trained = self.fitted("model", begin, lambda: self.rows(mined, scale), lists, self.options.training, scale)
        weight, weights = measure.chosen("tuned", self.model, lists, scale, self.options.weight)
        self.say(f"the reranker's share in the order is {weight:g} (MAP on dev {max(weights.values()):.4f})")
        after = measure.scored("tuned", "the tuned model", everywhere, self.model, weight, scale)
        alone = (
            measure.scored("alone", "the tuned model alone", [test], self.model, 1.0, scale) if weight < 1 else after
        )
        key = run_key(test)
        rows = measure.table({WITHOUT: without[key], START: first[key], ALONE: alone[key], TUNED: after[key]})
        before, named = opponent(without, first if kept_head else None, test)
        lines = rerank_lines(with_reranker(self.settings, self.model, weight, scale).rerank)
        notes = [f"before is the pipeline {named}", *mined.notes, *trained.notes, *self.gains(rows, kept_head)]
        if before is first:
            notes.append(against_none(without, after, test))
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
    def measuring(self) -> Measuring:
        return Measuring(self.run, self.splits, self.settings, self.cache, self.stage, self.say)

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
                retriever = session.retriever(self.measuring.pipeline)
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
                retriever = session.retriever(self.measuring.pipeline)
                with self.stage("questions from documents") as tick:
                    return taught_lists(retriever, questions, path, seed=training.seed, progress=tick)

        self.run.step("questions", ask, load=lambda: None)
        settings = replace(training, loss="listnet", lr=self.options.warm_lr, epochs=1, patience=0)
        return self.fitted("warm", start, lambda: load_rows(path), lists, settings, None)

    def scaled(self, mined: TrainingSet) -> float | None:
        """What fused scores are multiplied with where they are added to the logits in training; None: they are not.

        It is ``rerank.scale`` of the tuned model, which is used as it was trained.
        """
        from eval.finetune.reranker_data import residual_scale

        training = self.options.training
        wanted = training.residual if training.residual is not None else not has_head(self.folder)
        if not wanted or self.options.teacher or training.loss not in ("listnet", "lambda"):
            return None
        return self.run.step("scale", lambda: residual_scale(mined, self.fused(mined)))

    def fused(self, mined: TrainingSet) -> dict[str, dict[str, float]]:
        """Query id -> text id -> the pipeline's score of the training texts; computed once."""
        from eval.finetune.teachers import PipelineTeacher, teacher_scores
        from eval.session import Session

        path = self.run.path / "fused.jsonl"
        with Session(self.splits.train, cache=self.cache) as session, self.stage("fused scores") as tick:
            teacher = PipelineTeacher(session.retriever(self.measuring.pipeline))
            return teacher_scores(teacher, mined, path, progress=tick)

    def rows(self, mined: TrainingSet, scale: float | None) -> Rows:
        """What the trainer reads, of all epochs."""
        from eval.finetune.reranker_data import training_rows

        training, first = self.options.training, None
        if scale is not None:
            found = self.fused(mined)
            first = {query: {name: scale * value for name, value in row.items()} for query, row in found.items()}
        return training_rows(
            mined,
            training.loss,
            negatives=training.negatives,
            epochs=training.epochs,
            seed=training.seed,
            scores=self.taught(mined),
            bonus=training.bonus,
            first=first,
        )

    def fitted(
        self,
        target: str,
        start: Path,
        rows: Callable[[], Rows],
        lists: list[CandidateList],
        training: RerankerTraining,
        scale: float | None,
    ) -> Trained:
        """One training, of the warm-up or of the model itself; the rows are made where it is not done yet."""
        dev = [one for one in lists if any(gain > 0 for gain in one.relevant.values())]
        warm = target == "warm"

        def work() -> dict[str, Any]:
            made = rows()
            how = "warming up" if warm else "training"
            self.say(f"{how} on {len(made['question'])} rows ({training.loss})")
            with self.stage("warm up" if warm else "train") as tick:
                found = train_reranker(
                    start,
                    self.base,
                    made,
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
            retriever = session.retriever(self.measuring.pipeline) if "pipeline" in self.options.teacher else None
            teacher = build_teacher(list(self.options.teacher), self.settings, retriever=retriever, cache=self.cache)
            return unit_scores(teacher_scores(teacher, mined, self.run.path / "teacher.jsonl", progress=tick))

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
