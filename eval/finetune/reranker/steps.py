"""The steps of ``finetune_reranker``, in order."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from eval.finetune.lessons.training_set import TrainingSet
from eval.finetune.lessons.unlabelled import Unlabelled
from eval.finetune.proof.forgetting import run_key
from eval.finetune.proof.tuned import TunedModel
from eval.finetune.reranker.lists import Lessons
from eval.finetune.reranker.options import RerankerOptions
from eval.finetune.reranker.pipeline import (
    PipelineMeasures,
    against_none,
    gain_alone,
    opponent,
    rerank_lines,
    with_reranker,
)
from eval.finetune.reranker.rows import QUESTION, CandidateList, Rows
from eval.finetune.reranker.train import has_head, start_model, step_rows, train_reranker
from eval.finetune.training.loss_curve import Trained
from eval.finetune.training.trainer import TrainingFolder
from eval.finetune.weights.soup import soup_notes, train_soup
from indexes.display import counted

TRIAL = "trial"  # the model trained without dev questions, if these are added at the end
WITHOUT, START, ALONE, TUNED = "without a reranker", "base model", "tuned, alone", "tuned"


@dataclass
class TunedReranker(TunedModel):
    """The result of a run; ``proof`` compares the pipeline with the model and the pipeline before.

    Args:
        rows: pipeline -> measure -> mean on the test questions.
        weight: chosen share of the reranker; weights: share -> MAP on dev.
        warm_up: curve of the warm-up, if there was one.
    """

    rows: dict[str, dict[str, float]] = field(default_factory=dict)
    weight: float = 1.0
    weights: dict[str, float] = field(default_factory=dict)
    warm_up: Trained | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain data for JSON."""
        found = super().as_dict()
        found.pop("merge")
        warm_up = self.warm_up.curve if self.warm_up is not None else None
        own = {"pipelines": self.rows, "warm_up": warm_up, "weight": self.weight, "weights": self.weights}
        return found | own


@dataclass
class RerankerWork(PipelineMeasures):
    """The steps of one run."""

    options: RerankerOptions
    raw: Unlabelled

    def done(self) -> TunedReranker:
        """Run all steps, and return the result."""
        from eval.finetune.proof.card import write_card
        from eval.finetune.proof.proof import prove

        test = self.splits.test
        without = self.runs("base", "the pipeline without a reranker", self.everywhere)
        lists = self.dev_lists()
        start = self.start()
        kept_head = has_head(self.folder)
        start_weight = self.chosen("start", start, lists, None, self.options.weight).share if kept_head else 1.0
        what = "the base model" + ("" if kept_head else " (its head is new, so it ranks at random)")
        first = self.runs("start", what, self.everywhere if kept_head else [test], start, start_weight)
        mined, report = self.lessons.mined()
        warm = self.warmed(start, lists)
        scale = self.lessons.scaled(mined)
        begin = start if warm is None else self.run.path / "warm"
        target = TRIAL if self.options.refit else "model"
        each = self.train_soup(target, begin, self.lessons.rows(mined, scale), lists, scale)
        chosen = self.chosen("tuned", self.run.path / target, lists, scale, self.options.weight)
        weight = chosen.share
        on_dev = f" (MAP on dev {chosen.curve[weight]:.4f})" if weight in chosen.curve else ""
        self.say(f"the reranker's share in the final score is {weight:g}{on_dev}")
        if self.options.refit:
            mined = self.refitted(mined, begin, each, scale)
        after = alone = self.runs("tuned", "the tuned model", self.everywhere, self.model, weight, scale)
        if weight < 1:
            alone = self.runs("alone", "the tuned model alone", [test], self.model, 1.0, scale)
        key = run_key(test)
        rows = self.table({WITHOUT: without[key], START: first[key], ALONE: alone[key], TUNED: after[key]})
        before, named = opponent(without, first if kept_head else None, test)
        lines = rerank_lines(with_reranker(self.settings, self.model, weight, scale).rerank)
        notes = [f"before is the pipeline {named}", *self.raw.notes, *mined.notes]
        notes += [*dict.fromkeys(note for one in each for note in one.notes), *soup_notes(each)]
        notes += [chosen.note] * bool(chosen.note)
        notes.append(gain_alone(rows[START], rows[ALONE], new_head=not kept_head))
        if before is first:
            notes.append(against_none(without, after, test))
        max_loss = self.request.max_loss
        proof = prove(before, after, test, self.others, max_loss=max_loss, notes=[*self.splits.notes, *notes])
        proof.save(self.run.path)
        write_card(self, "reranker", self.options, proof, data_hash=mined.hash, notes=notes, toml=lines[3:])
        self.clear("checkpoints*", "scores", f"{TRIAL}*", "model-*")
        return TunedReranker(
            self.model,
            proof,
            self.splits,
            each[0],
            report,
            notes,
            lines,
            self.run.seconds,
            rows=rows,
            weight=weight,
            weights=chosen.shown(),
            warm_up=warm,
        )

    @cached_property
    def lessons(self) -> Lessons:
        """The training data of the run."""
        return Lessons(self, self.options, self.raw)

    def start(self) -> Path:
        """Write the base as a cross-encoder, and return its folder."""
        target = self.run.path / "start-model"
        self.run.step("start", lambda: str(start_model(self.folder, self.request.base, target, self.options).name))
        return target

    def train_soup(
        self,
        target: str,
        begin: Path,
        rows: Callable[[int], Rows],
        lists: list[CandidateList],
        scale: float | None,
        step: Literal["train", "refit"] = "train",
    ) -> list[Trained]:
        """Train once per seed of the soup, and average the weights."""

        def fit(folder: Path, place: int) -> Trained:
            own = replace(self.options, seed=self.options.seed + place)
            return self.fitted(folder.name, begin, partial(rows, own.seed), lists, own, scale, step, place)

        return train_soup(self.run, self.run.path / target, self.options.soup, fit)

    def refitted(self, mined: TrainingSet, begin: Path, each: list[Trained], scale: float | None) -> TrainingSet:
        """Train the model again, on training and dev questions together, for the number of steps that was best on dev.

        By then dev has chosen all there is to choose, so its labelled questions can be trained on. The number of steps
        grows with the questions, so that each is seen as often as before.

        Returns:
            Both training sets combined.
        """
        found, _ = self.lessons.mined("-dev")
        both = TrainingSet([*mined.examples, *found.examples], mined.texts | found.texts, list(mined.notes))
        rows_of = self.lessons.rows(both, scale)
        # None of them is a dev question: the leakage guard.
        raw = {*(example.question for example in mined.examples), *self.raw.questions.values()}

        def rows(seed: int) -> Rows:
            all_of_them = rows_of(seed)
            first = sum(question in raw for question in all_of_them[QUESTION])
            seen = each[seed - self.options.seed].best_step * step_rows(self.options) / first
            kept = math.ceil(min(1.0, seen) * len(all_of_them[QUESTION]))
            return {column: values[:kept] for column, values in all_of_them.items()}

        again = self.train_soup("model", begin, rows, [], scale, step="refit")
        steps = ", ".join(str(one.steps) for one in again)
        both.notes.append(
            f"trained again at the end, on {len(mined.examples)} training and "
            f"{counted(len(found.examples), 'dev question')} "
            f"together, for {steps} steps: as many epochs as were best on dev"
        )
        return both

    def warmed(self, start: Path, lists: list[CandidateList]) -> Trained | None:
        """Warm up the start model on questions made from the documents."""
        if not self.options.warm_up:
            return None
        from eval.finetune.reranker.warm_up import document_questions, load_rows, warm_up_lists

        path, options = self.run.path / "warm-up.jsonl", self.options

        def ask() -> Any:
            held_out = [*self.splits.dev.queries.values(), *self.splits.test.queries.values()]
            questions = document_questions(
                self.splits.train, limit=options.warm_up, seed=options.seed, held_out=held_out
            )
            with self.retrieving(self.pipeline) as retriever, self.stage("questions from documents") as tick:
                return warm_up_lists(retriever, questions, path, seed=options.seed, progress=tick)

        self.run.step("questions", ask, load=lambda: None)
        settings = replace(options, loss="listnet", lr=options.warm_lr, epochs=1, patience=0)
        return self.fitted("warm", start, lambda: load_rows(path), lists, settings, None, "warm up")

    def fitted(
        self,
        target: str,
        start: Path,
        rows: Callable[[], Rows],
        lists: list[CandidateList],
        training: RerankerOptions,
        scale: float | None,
        step: Literal["train", "warm up", "refit"] = "train",
        place: int = 0,
    ) -> Trained:
        """Train once: the warm-up, the model, or the model again. Rows are made only if the training is not finished.

        Args:
            place: number of the training in a soup, from 0; files and steps of the first have no number.
        """
        dev = [one for one in lists if any(gain > 0 for gain in one.relevant.values())]
        kind = {"train": "", "warm up": "warm-up", "refit": "refit"}[step]
        verb = "warming up" if step == "warm up" else "training"
        number = f"-{place + 1}" if place else ""
        where = TrainingFolder(
            self.run.path,
            self.run.path / target,
            curve=f"{kind}-loss{number}.csv".lstrip("-"),
            checkpoints=f"checkpoints-{kind}{number}" if kind else f"checkpoints{number}",
        )

        def work() -> dict[str, Any]:
            made = rows()
            self.say(f"{verb} on {counted(len(made['question']), 'row')} ({training.loss})")
            one_of_several = self.options.soup > 1 and step != "warm up"
            with self.stage(f"{step} {place + 1} of {self.options.soup}" if one_of_several else step) as tick:
                compared = dev[: self.options.dev_questions]
                found = train_reranker(
                    start, self.request.base, made, compared, where, training, scale=scale, progress=tick
                )
            return found.as_dict()

        return Trained(**self.run.step(f"{step} {place + 1}" if place else step, work))
