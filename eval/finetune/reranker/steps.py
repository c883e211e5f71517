"""The steps of a reranker's run, in their order; ``eval.finetune.reranker.run`` is the face."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eval.datasets.dataset import Dataset
from eval.finetune.embedder.run import Stage
from eval.finetune.embedder.train import Trained
from eval.finetune.lessons.training_set import TrainingSet
from eval.finetune.lessons.unlabelled import Unlabelled
from eval.finetune.reranker.lists import Lessons
from eval.finetune.reranker.pipeline import Measuring, against_none, gain_alone, opponent, rerank_lines, with_reranker
from eval.finetune.reranker.rows import QUESTION, CandidateList, Rows
from eval.finetune.reranker.run import RerankerOptions, TunedReranker
from eval.finetune.reranker.train import (
    RerankerTraining,
    has_head,
    start_model,
    step_rows,
    train_reranker,
)
from eval.finetune.training.run_folder import RunFolder
from eval.finetune.weights.soup import soup_notes, souped

if TYPE_CHECKING:
    from eval.finetune.lessons.splits import Splits
    from eval.finetune.proof.proof import Proof
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
    asked: Unlabelled

    def done(self, max_loss: float, command: str) -> TunedReranker:
        from eval.finetune.proof.proof import prove, run_key

        if self.run.continued:
            self.say(f"continuing {self.run.path}: done are {', '.join(self.run.steps) or 'no steps'}")
        test, everywhere, measure = self.splits.test, [self.splits.test, *self.others], self.measuring
        without = measure.scored("base", "the pipeline without a reranker", everywhere)
        lists = measure.dev_lists()
        start = self.start()
        kept_head = has_head(self.folder)
        start_weight = measure.chosen("start", start, lists, None, self.options.weight).share if kept_head else 1.0
        what = "the base model" + ("" if kept_head else " (its head is new, so it ranks at random)")
        first = measure.scored("start", what, everywhere if kept_head else [test], start, start_weight)
        mined, report = self.lessons.mined()
        warm = self.warmed(start, lists)
        scale = self.lessons.scaled(mined)
        begin = start if warm is None else self.run.path / "warm"
        target = TRIAL if self.options.refit else "model"
        each = self.souped(target, begin, self.lessons.rows(mined, scale), lists, scale)
        trained = each[0]
        chosen = measure.chosen("tuned", self.run.path / target, lists, scale, self.options.weight)
        weight, weights = chosen.share, chosen.shown()
        on_dev = f" (MAP on dev {chosen.curve[weight]:.4f})" if weight in chosen.curve else ""
        self.say(f"the reranker's share in the order is {weight:g}{on_dev}")
        if self.options.refit:
            mined = self.refitted(mined, begin, each, scale)
        after = measure.scored("tuned", "the tuned model", everywhere, self.model, weight, scale)
        alone = (
            measure.scored("alone", "the tuned model alone", [test], self.model, 1.0, scale) if weight < 1 else after
        )
        key = run_key(test)
        rows = measure.table({WITHOUT: without[key], START: first[key], ALONE: alone[key], TUNED: after[key]})
        before, named = opponent(without, first if kept_head else None, test)
        lines = rerank_lines(with_reranker(self.settings, self.model, weight, scale).rerank)
        notes = [f"before is the pipeline {named}", *self.asked.notes, *mined.notes]
        notes += [*dict.fromkeys(note for one in each for note in one.notes), *soup_notes(each)]
        notes += [chosen.note] * bool(chosen.note)
        notes.append(gain_alone(rows[START], rows[ALONE], new_head=not kept_head))
        if before is first:
            notes.append(against_none(without, after, test))
        proof = prove(before, after, test, self.others, max_loss=max_loss, notes=[*self.splits.notes, *notes])
        proof.save(self.run.path)
        self.card(proof, mined, command, notes, lines[3:])
        for name in ("checkpoints*", "scores", f"{TRIAL}*", "model-*"):
            for folder in self.run.path.glob(name):
                shutil.rmtree(folder, ignore_errors=True)
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

    @cached_property
    def lessons(self) -> Lessons:
        pipeline = self.measuring.pipeline
        return Lessons(
            self.run,
            self.folder,
            self.splits,
            self.options,
            self.settings,
            pipeline,
            self.cache,
            self.stage,
            self.say,
            self.asked,
        )

    def start(self) -> Path:
        """The base as a cross-encoder."""
        target = self.run.path / "start-model"
        self.run.step("start", lambda: str(start_model(self.folder, self.base, target, self.options.training).name))
        return target

    def souped(
        self,
        target: str,
        begin: Path,
        rows: Callable[[int], Rows],
        lists: list[CandidateList],
        scale: float | None,
        step: Literal["train", "refit"] = "train",
    ) -> list[Trained]:
        """As many trainings as the soup has, each with a seed of its own, and the average of their weights."""
        training = self.options.training

        def fit(folder: Path, place: int) -> Trained:
            own = replace(training, seed=training.seed + place)
            return self.fitted(folder.name, begin, partial(rows, own.seed), lists, own, scale, step, place)

        return souped(self.run, self.run.path / target, self.options.soup, fit)

    def refitted(self, mined: TrainingSet, begin: Path, each: list[Trained], scale: float | None) -> TrainingSet:
        """Train the model again, on training and dev questions together, for as long as dev found best.

        What dev had to choose is chosen then, and its questions are labelled ones like the others. Steps grow with the
        questions, so that each is seen as often.

        Returns:
            Both training sets as one.
        """
        found, _ = self.lessons.mined("-dev")
        both = TrainingSet([*mined.examples, *found.examples], mined.texts | found.texts, list(mined.notes))
        rows_of = self.lessons.rows(both, scale)
        # Dev asks none of them: the leakage guard.
        asked = {*(example.question for example in mined.examples), *self.asked.questions.values()}

        def rows(seed: int) -> Rows:
            all_of_them = rows_of(seed)
            first = sum(question in asked for question in all_of_them[QUESTION])
            trained = each[seed - self.options.training.seed]
            seen = trained.best_step * step_rows(self.options.training) / first
            kept = math.ceil(min(1.0, seen) * len(all_of_them[QUESTION]))
            return {column: values[:kept] for column, values in all_of_them.items()}

        again = self.souped("model", begin, rows, [], scale, step="refit")
        steps = ", ".join(str(one.steps) for one in again)
        both.notes.append(
            f"trained again in the end, on {len(mined.examples)} training and {len(found.examples)} dev questions "
            f"together, for {steps} steps: as often as was best on dev"
        )
        return both

    def warmed(self, start: Path, lists: list[CandidateList]) -> Trained | None:
        """The start model after a warm-up on questions made from the documents."""
        if not self.options.warm_up:
            return None
        from eval.finetune.reranker.warm_up import document_questions, load_rows, taught_lists
        from eval.measure.session import Session

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

    def fitted(
        self,
        target: str,
        start: Path,
        rows: Callable[[], Rows],
        lists: list[CandidateList],
        training: RerankerTraining,
        scale: float | None,
        step: Literal["train", "warm up", "refit"] = "train",
        place: int = 0,
    ) -> Trained:
        """One training, of the warm-up, of the model itself or of it again; its rows are made where it is not done.

        Args:
            place: in the soup; files and steps of the first have no number.
        """
        dev = [one for one in lists if any(gain > 0 for gain in one.relevant.values())]
        kind = {"train": "", "warm up": "warm-up", "refit": "refit"}[step]
        verb = "warming up" if step == "warm up" else "training"
        number = f"-{place + 1}" if place else ""

        def work() -> dict[str, Any]:
            made = rows()
            self.say(f"{verb} on {len(made['question'])} rows ({training.loss})")
            one_of_several = self.options.soup > 1 and step != "warm up"
            with self.stage(f"{step} {place + 1} of {self.options.soup}" if one_of_several else step) as tick:
                found = train_reranker(
                    start,
                    self.base,
                    made,
                    dev[: self.options.dev_questions],
                    self.run.path,
                    self.run.path / target,
                    training,
                    curve_file=f"{kind}-loss{number}.csv".lstrip("-"),
                    checkpoints=f"checkpoints-{kind}{number}" if kind else f"checkpoints{number}",
                    scale=scale,
                    progress=(lambda done, total, _: tick(done, total)) if tick is not None else None,
                )
            return asdict(found)

        return Trained(**self.run.step(f"{step} {place + 1}" if place else step, work))

    def card(self, proof: Proof, mined: TrainingSet, command: str, notes: list[str], lines: list[str]) -> None:
        from eval.finetune.proof.card import write_card

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
