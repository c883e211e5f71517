"""The training data of a reranker: mined lists, labelled or scored by a teacher, and the pipeline's own scores.

All are made once per run and saved in its folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from eval.finetune.lessons.mining import MiningOptions, MiningReport
from eval.finetune.lessons.training_set import TrainingSet
from eval.finetune.lessons.unlabelled import Unlabelled, best_first, unlabelled_lists
from eval.finetune.reranker.options import WITH_RESIDUAL, RerankerOptions
from eval.finetune.reranker.pipeline import PipelineMeasures
from eval.finetune.reranker.rows import Rows, best_scale, training_rows
from eval.finetune.reranker.train import has_head


@dataclass
class Lessons:
    """The training data of one run.

    Args:
        raw: questions without labels.
    """

    work: PipelineMeasures
    options: RerankerOptions
    raw: Unlabelled

    def mined(self, of: str = "") -> tuple[TrainingSet, MiningReport]:
        """Return the training set and statistics; with ``of`` "-dev", those of the dev questions."""
        splits = self.work.splits
        found = self.work.mine(of, splits.dev if of else splits.train, self._mining, self.work.pipeline)
        self.work.say(found[1].to_text())
        return found

    @property
    def _mining(self) -> MiningOptions:
        return self.options.mining(self.work.settings.rerank.read)

    def unlabelled(self) -> TrainingSet:
        """Return what the pipeline finds for the questions without labels; empty if there are none."""
        if not self.raw.questions:
            return TrainingSet([], {})
        work = self.work
        path = work.run.path / "unlabelled.jsonl"

        def search() -> TrainingSet:
            with (
                work.retrieving(work.pipeline) as retriever,
                work.stage("search for unlabelled questions") as tick,
            ):
                return unlabelled_lists(
                    retriever,
                    work.splits.train,
                    self.raw.questions,
                    self._mining,
                    texts=self.options.negatives + 1,
                    progress=tick,
                )

        return work.run.step(
            "unlabelled", search, save=lambda found: found.save(path), load=lambda: TrainingSet.load(path)
        )

    def scaled(self, mined: TrainingSet) -> float | None:
        """Return the factor of fused scores that are added to the logits in training; None if they are not added.

        It becomes ``rerank.scale`` of the tuned model, so that it is used as it was trained.
        """
        wanted = self.options.residual if self.options.residual is not None else not has_head(self.work.folder)
        if not wanted or self.options.loss not in WITH_RESIDUAL:
            return None
        return self.work.run.step("scale", lambda: best_scale(mined, self.fused(mined)))

    def fused(self, mined: TrainingSet) -> dict[str, dict[str, float]]:
        """Return query id -> text id -> the pipeline's score of the training texts; computed once."""
        from eval.finetune.lessons.teachers import PipelineTeacher, teacher_scores

        work = self.work
        with work.retrieving(work.pipeline) as retriever, work.stage("fused scores") as tick:
            return teacher_scores(PipelineTeacher(retriever), mined, work.run.path / "fused.jsonl", progress=tick)

    def rows(self, mined: TrainingSet, scale: float | None) -> Callable[[int], Rows]:
        """Return a function from a seed to the rows of all epochs; its first call asks pipeline and teacher."""
        options = self.options

        @cache
        def known() -> dict[str, Any]:
            raw = self.unlabelled()
            everything = TrainingSet([*mined.examples, *raw.examples], mined.texts | raw.texts)
            teacher_scores, first = self.work.teach(everything, self.work.pipeline, raw=options.raw_scores), None
            if scale is not None:
                found = self.fused(everything)
                first = {query: {name: scale * value for name, value in row.items()} for query, row in found.items()}
            return {
                "training": replace(mined, texts=everything.texts),
                "scores": teacher_scores,
                "sharpness": best_scale(mined, teacher_scores) if teacher_scores is not None else 1.0,
                "first": first,
                "unlabelled": best_first(raw, teacher_scores or {}),
            }

        def made(seed: int) -> Rows:
            return training_rows(
                **known(),
                loss=options.loss or "listnet",
                negatives=options.negatives,
                epochs=options.epochs,
                bonus=options.bonus,
                seed=seed,
            )

        return made
