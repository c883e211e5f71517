"""The steps of a reranker's run, in their order; ``eval.finetune.reranker`` is the face."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eval.datasets.dataset import Dataset
from eval.finetune.data import TrainingSet
from eval.finetune.embedder import Stage
from eval.finetune.embedder_training import Trained
from eval.finetune.reranker import RerankerOptions, TunedReranker
from eval.finetune.reranker_data import QUESTION, CandidateList, Rows
from eval.finetune.reranker_pipeline import Measuring, against_none, opponent, rerank_lines, with_reranker
from eval.finetune.reranker_training import (
    WITH_RESIDUAL,
    RerankerTraining,
    has_head,
    start_model,
    step_rows,
    train_reranker,
)
from eval.finetune.run_folder import RunFolder, write_atomic
from eval.mining import MiningReport, mine

if TYPE_CHECKING:
    from eval.finetune.proof import Proof
    from eval.finetune.splits import Splits
    from rag.settings import Settings

TRIAL = "trial"  # the model of the training questions alone, where dev's are trained on in the end
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
        target = TRIAL if self.options.refit else "model"
        trained = self.fitted(target, begin, lambda: self.rows(mined, scale), lists, self.options.training, scale)
        weight, weights = measure.chosen("tuned", self.run.path / target, lists, scale, self.options.weight)
        self.say(f"the reranker's share in the order is {weight:g} (MAP on dev {max(weights.values()):.4f})")
        if self.options.refit:
            mined = self.refitted(mined, begin, trained, scale)
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
        for name in ("checkpoints", "checkpoints-warm-up", "checkpoints-refit", "scores", TRIAL):
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

    def mined(self, of: str = "") -> tuple[TrainingSet, MiningReport]:
        """What is trained on; ``of`` "-dev": the same of the dev questions."""
        from eval.session import Session

        files = self.run.path / f"mined{of}.jsonl", self.run.path / f"mining{of}.json"
        asked = self.splits.dev if of else self.splits.train

        def work() -> tuple[TrainingSet, MiningReport]:
            unit = "window" if self.settings.rerank.read == "window" else "sentence"
            options = replace(self.options.mining, unit=unit)  # type: ignore[arg-type]
            with Session(self.splits.train, cache=self.cache) as session:
                retriever = session.retriever(self.measuring.pipeline)
                with self.stage("mine negatives") as tick:
                    return mine(retriever, asked, options, progress=tick)

        def save(result: tuple[TrainingSet, MiningReport]) -> None:
            result[0].save(files[0])
            write_atomic(files[1], result[1].to_json())

        found = self.run.step(
            f"mine{of}", work, save=save, load=lambda: (TrainingSet.load(files[0]), MiningReport.load(files[1]))
        )
        self.say(found[1].to_text())
        return found

    def refitted(self, mined: TrainingSet, begin: Path, trained: Trained, scale: float | None) -> TrainingSet:
        """Train the model again, on training and dev questions together, for as long as dev found best.

        What dev had to choose is chosen then, and its questions are labelled ones like the others. Steps grow with the
        questions, so that each is seen as often.

        Returns:
            Both training sets as one.
        """
        found, _ = self.mined("-dev")
        both = TrainingSet([*mined.examples, *found.examples], mined.texts | found.texts, list(mined.notes))

        def rows() -> Rows:
            first, all_of_them = self.rows(mined, scale), self.rows(both, scale)
            seen = trained.best_step * step_rows(self.options.training) / len(first[QUESTION])
            kept = math.ceil(min(1.0, seen) * len(all_of_them[QUESTION]))
            return {column: values[:kept] for column, values in all_of_them.items()}

        again = self.fitted("model", begin, rows, [], self.options.training, scale, step="refit")
        both.notes.append(
            f"trained again in the end, on {len(mined.examples)} training and {len(found.examples)} dev questions "
            f"together, for {again.steps} steps: as often as was best on dev"
        )
        return both

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
        return self.fitted("warm", start, lambda: load_rows(path), lists, settings, None, "warm up")

    def scaled(self, mined: TrainingSet) -> float | None:
        """What fused scores are multiplied with where they are added to the logits in training; None: they are not.

        It is ``rerank.scale`` of the tuned model, which is used as it was trained.
        """
        from eval.finetune.reranker_data import best_scale

        training = self.options.training
        wanted = training.residual if training.residual is not None else not has_head(self.folder)
        if not wanted or training.loss not in WITH_RESIDUAL:
            return None
        return self.run.step("scale", lambda: best_scale(mined, self.fused(mined)))

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
        from eval.finetune.reranker_data import best_scale, training_rows

        training, first, taught = self.options.training, None, self.taught(mined)
        if scale is not None:
            found = self.fused(mined)
            first = {query: {name: scale * value for name, value in row.items()} for query, row in found.items()}
        return training_rows(
            mined,
            training.loss,
            negatives=training.negatives,
            epochs=training.epochs,
            seed=training.seed,
            scores=taught,
            bonus=training.bonus,
            sharpness=best_scale(mined, taught) if taught is not None else 1.0,
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
        step: Literal["train", "warm up", "refit"] = "train",
    ) -> Trained:
        """One training, of the warm-up, of the model itself or of it again; its rows are made where it is not done."""
        dev = [one for one in lists if any(gain > 0 for gain in one.relevant.values())]
        files, verb = {"train": ("", "training"), "warm up": ("warm-up", "warming up"), "refit": ("refit", "training")}[
            step
        ]

        def work() -> dict[str, Any]:
            made = rows()
            self.say(f"{verb} on {len(made['question'])} rows ({training.loss})")
            with self.stage(step) as tick:
                found = train_reranker(
                    start,
                    self.base,
                    made,
                    dev[: self.options.dev_questions],
                    self.run.path,
                    self.run.path / target,
                    training,
                    curve_file=f"{files}-loss.csv" if files else "loss.csv",
                    checkpoints=f"checkpoints-{files}" if files else "checkpoints",
                    scale=scale,
                    progress=(lambda done, total, _: tick(done, total)) if tick is not None else None,
                )
            return asdict(found)

        return Trained(**self.run.step(step, work))

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
