"""What a reranker is taught: mined lists, labelled or scored by a teacher, and what the pipeline's own order adds.

Each is made once in a run and kept in its folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.finetune.embedder.run import Stage
from eval.finetune.lessons.mining import MiningOptions, MiningReport, mine
from eval.finetune.lessons.training_set import TrainingSet
from eval.finetune.lessons.unlabelled import Unlabelled, best_first, unlabelled_lists
from eval.finetune.reranker.rows import Rows
from eval.finetune.reranker.run import RerankerOptions
from eval.finetune.reranker.train import WITH_RESIDUAL, has_head
from eval.finetune.training.run_folder import RunFolder, write_atomic

if TYPE_CHECKING:
    from eval.finetune.lessons.splits import Splits
    from rag.settings import Settings


@dataclass
class Lessons:
    """What one run is trained on.

    Args:
        base: folder of the base model.
        settings: of the run; pipeline: the same without a reranker, which finds the candidates.
        asked: questions without labels.
    """

    run: RunFolder
    base: Path
    splits: Splits
    options: RerankerOptions
    settings: Settings
    pipeline: Settings
    cache: str | Path | None
    stage: Stage
    say: Callable[[str], None]
    asked: Unlabelled

    def mined(self, of: str = "") -> tuple[TrainingSet, MiningReport]:
        """What is trained on; ``of`` "-dev": the same of the dev questions."""
        from eval.measure.session import Session

        files = self.run.path / f"mined{of}.jsonl", self.run.path / f"mining{of}.json"
        asked = self.splits.dev if of else self.splits.train

        def work() -> tuple[TrainingSet, MiningReport]:
            with Session(self.splits.train, cache=self.cache) as session:
                retriever = session.retriever(self.pipeline)
                with self.stage("mine negatives") as tick:
                    return mine(retriever, asked, self._mining, progress=tick)

        def save(result: tuple[TrainingSet, MiningReport]) -> None:
            result[0].save(files[0])
            write_atomic(files[1], result[1].to_json())

        found = self.run.step(
            f"mine{of}", work, save=save, load=lambda: (TrainingSet.load(files[0]), MiningReport.load(files[1]))
        )
        self.say(found[1].to_text())
        return found

    @property
    def _mining(self) -> MiningOptions:
        return replace(self.options.mining, unit="window" if self.settings.rerank.read == "window" else "sentence")

    def unlabelled(self) -> TrainingSet:
        """What the pipeline finds for the questions without labels; empty where there are none."""
        if not self.asked.questions:
            return TrainingSet([], {})
        from eval.measure.session import Session

        path = self.run.path / "unlabelled.jsonl"

        def work() -> TrainingSet:
            with Session(self.splits.train, cache=self.cache) as session:
                retriever = session.retriever(self.pipeline)
                with self.stage("search for unlabelled questions") as tick:
                    return unlabelled_lists(
                        retriever,
                        self.splits.train,
                        self.asked.questions,
                        self._mining,
                        texts=self.options.training.negatives + 1,
                        progress=tick,
                    )

        return self.run.step(
            "unlabelled", work, save=lambda found: found.save(path), load=lambda: TrainingSet.load(path)
        )

    def scaled(self, mined: TrainingSet) -> float | None:
        """What fused scores are multiplied with where they are added to the logits in training; None: they are not.

        It is ``rerank.scale`` of the tuned model, which is used as it was trained.
        """
        from eval.finetune.reranker.rows import best_scale

        training = self.options.training
        wanted = training.residual if training.residual is not None else not has_head(self.base)
        if not wanted or training.loss not in WITH_RESIDUAL:
            return None
        return self.run.step("scale", lambda: best_scale(mined, self.fused(mined)))

    def fused(self, mined: TrainingSet) -> dict[str, dict[str, float]]:
        """Query id -> text id -> the pipeline's score of the training texts; computed once."""
        from eval.finetune.lessons.teachers import PipelineTeacher, teacher_scores
        from eval.measure.session import Session

        path = self.run.path / "fused.jsonl"
        with Session(self.splits.train, cache=self.cache) as session, self.stage("fused scores") as tick:
            teacher = PipelineTeacher(session.retriever(self.pipeline))
            return teacher_scores(teacher, mined, path, progress=tick)

    def rows(self, mined: TrainingSet, scale: float | None) -> Callable[[int], Rows]:
        """What the trainer reads, of all epochs, by seed; pipeline and teacher are asked at the first call only."""
        from eval.finetune.reranker.rows import best_scale, training_rows

        training = self.options.training

        @cache
        def known() -> dict[str, Any]:
            asked = self.unlabelled()
            everything = TrainingSet([*mined.examples, *asked.examples], mined.texts | asked.texts)
            taught, first = self.taught(everything), None
            if scale is not None:
                found = self.fused(everything)
                first = {query: {name: scale * value for name, value in row.items()} for query, row in found.items()}
            return {
                "training": replace(mined, texts=everything.texts),
                "scores": taught,
                "sharpness": best_scale(mined, taught) if taught is not None else 1.0,
                "first": first,
                "unlabelled": best_first(asked, taught or {}),
            }

        def made(seed: int) -> Rows:
            return training_rows(
                **known(),
                loss=training.loss,
                negatives=training.negatives,
                epochs=training.epochs,
                bonus=training.bonus,
                seed=seed,
            )

        return made

    def taught(self, mined: TrainingSet) -> dict[str, dict[str, float]] | None:
        """The teacher's scores, on one scale; None where there is no teacher."""
        if not self.options.teacher:
            return None
        from eval.finetune.embedder.losses import unit_scores
        from eval.finetune.lessons.teachers import build_teacher, teacher_scores
        from eval.measure.session import Session

        with Session(self.splits.train, cache=self.cache) as session, self.stage("ask the teacher") as tick:
            retriever = session.retriever(self.pipeline) if "pipeline" in self.options.teacher else None
            teacher = build_teacher(list(self.options.teacher), self.settings, retriever=retriever, cache=self.cache)
            return unit_scores(teacher_scores(teacher, mined, self.run.path / "teacher.jsonl", progress=tick))
