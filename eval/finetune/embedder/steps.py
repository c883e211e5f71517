"""The steps of ``finetune_embedder``."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from eval.datasets.dataset import Dataset
from eval.finetune.embedder.options import EmbedderOptions
from eval.finetune.embedder.train import train
from eval.finetune.lessons.mining import MiningReport
from eval.finetune.lessons.training_set import TrainingSet
from eval.finetune.proof.forgetting import run_key
from eval.finetune.proof.scorer import Scorer, measured
from eval.finetune.proof.tuned import TunedModel, hit_shares
from eval.finetune.training.loss_curve import Trained
from eval.finetune.training.trainer import TrainingFolder
from eval.finetune.weights.curve import Curve, merge_curve, merge_folders
from eval.finetune.weights.soup import soup_notes, train_soup
from eval.measure.session import changed
from indexes.display import counted
from indexes.errors import SourceError

if TYPE_CHECKING:
    from eval.finetune.embedder.rows import DevPool
    from eval.ticks import Tick
    from rag.settings import Settings

DEV_CANDIDATES = 10  # candidates of the pipeline per dev question in the dev pool
Scores = dict[str, dict[str, float]]


@dataclass
class EmbedderWork(Scorer):
    """The steps of one run."""

    options: EmbedderOptions
    merging_leg: ClassVar[str] = "documents"  # what weights of a merge are compared by

    @property
    def trained_folder(self) -> Path:
        """Folder for the trained model: beside the final one if that will be a merge."""
        return self.model if self.options.merge is None else self.run.path / "trained"

    def done(self) -> TunedModel:
        """Run all steps, and return the result."""
        from eval.finetune.proof.card import toml_lines, write_card
        from eval.finetune.proof.proof import prove

        options = self.options
        before = self.runs("base", self.settings_of(None))
        mined, candidates, report = self.mined()
        each = self.trainings(mined, candidates)
        curve = self.merged()
        after = self.runs("tuned", self.settings_of(self.model))
        notes = [*mined.notes, *dict.fromkeys(note for one in each for note in one.notes), *soup_notes(each)]
        notes += curve.notes if curve else []
        key = run_key(self.splits.test)
        hits = hit_shares({"base": before[key], "tuned": after[key]}, self.splits.test)
        proof = prove(
            before,
            after,
            self.splits.test,
            self.others,
            max_loss=self.request.max_loss,
            notes=[*self.splits.notes, *notes],
            advice="average it with the base (rag-eval finetune merge)" if options.merge is None else "",
        )
        proof.save(self.run.path)
        write_card(self, "embedder", options, proof, data_hash=mined.hash, curve=curve, notes=notes)
        self.clear("checkpoints*", f"{self.trained_folder.name}-*")
        lines = toml_lines("embedder", self.model.resolve())
        return TunedModel(self.model, proof, self.splits, each[0], report, notes, lines, self.run.seconds, curve, hits)

    def trainings(self, mined: TrainingSet, candidates: TrainingSet) -> list[Trained]:
        """Train once, or several times for a soup, whose mean is saved."""
        raw = self.options.loss == "kl"
        teach = functools.cache(lambda: self.teach(mined, self.settings_of(None), raw=raw))
        fit = partial(self.fitted, mined, candidates, teach)
        return train_soup(self.run, self.trained_folder, self.options.soup, fit)

    def settings_of(self, model: Path | None) -> Settings:
        """Return the pipeline's settings with this model (None: the base) and without a reranker."""
        if model is None and self.request.base == "minilm":
            return self.used("minilm", "minilm")
        return self.used("sentence_transformer", str(model or self.folder))

    def used(self, provider: str, model: str) -> Settings:
        """Return the settings with an encoder and without a reranker."""
        runtime = {"device": self.options.device, "dtype": self.options.dtype}
        encoder = {"provider": provider, "model": model, **runtime}
        return changed(self.settings, encoder=encoder, rerank={"provider": "none"})

    def runs(self, name: str, settings: Settings) -> dict[str, Any]:
        """Return the runs of one model on the test questions and elsewhere."""
        from indexes.encoders.torch_runtime import weights_digest

        leg = self.options.leg
        model = self.folder if settings.encoder.provider == "minilm" else Path(settings.encoder.model)
        measure, depends = self.measure(leg, settings)
        return self.scored(name, f"the {name} model ({leg})", measure, [weights_digest(model), *depends])

    def measure(self, side: str, settings: Settings) -> tuple[Any, Sequence[Any]]:
        """Return the function that measures a side, and the settings on which its runs depend besides the weights."""
        tree = settings.model_dump(mode="json")
        kept = {key: tree[key] for key in ("split", "sparse", "retrieval")} if side != "documents" else None
        return partial(measured, self.request, settings, side), [side, kept]

    def mined(self) -> tuple[TrainingSet, TrainingSet, MiningReport]:
        """Return the training set, the candidates of the dev questions, and statistics."""
        options = self.options.mining(self.judge(), with_teacher=bool(self.request.teacher))
        pipeline = self.settings_of(None)
        unit = "document" if options.unit == "mixed" else options.unit
        # The dev pool needs hard texts, not safe ones: no guards.
        unguarded = replace(options, unit=unit, margin=None, skip=0, negatives=DEV_CANDIDATES, cross_encoder=None)
        found, report = self.mine("", self.splits.train, options, pipeline)
        candidates, _ = self.mine("-dev", self.splits.dev, unguarded, pipeline)
        self.say(report.to_text())
        return found, candidates, report

    def judge(self) -> Any:
        """Load the cross-encoder that checks negatives, unless mining is finished."""
        model = getattr(self.options, "judge", None)
        if model is None or self.run.done("mine"):
            return None
        from rag.rerankers import build_reranker

        changes = {"provider": "cross_encoder", "model": model}
        return build_reranker(self.settings.rerank.model_copy(update=changes))

    def fitted(
        self,
        mined: TrainingSet,
        candidates: TrainingSet,
        teach: Callable[[], Scores | None],
        target: Path,
        place: int,
    ) -> Trained:
        """Make the rows and train once.

        Args:
            teach: returns the teacher's scores; called only if the training is not finished.
            place: number of the training in a soup, from 0; files and steps of the first have no number.
        """
        from eval.finetune.embedder.rows import dev_pool

        options = self.options
        training = replace(options, seed=options.seed + place)
        number = f"-{place + 1}" if place else ""
        bar = "train" if options.soup == 1 else f"train {place + 1} of {options.soup}"

        def work() -> dict[str, Any]:
            rows = self.rows(mined, teach(), training.seed)
            texts = {name: p.content for name, p in self.splits.train.corpus.items() if p.content.strip()}
            if options.unit in ("window", "sentence"):
                texts = dict(mined.texts)
            pool = dev_pool(candidates, list(texts), texts, size=options.pool, seed=options.seed)
            self.say(
                f"training on {counted(sum(len(table['question']) for table in rows.values()), 'row')}; {pool.notes[0]}"
            )
            where = TrainingFolder(self.run.path, target, f"loss{number}.csv", f"checkpoints{number}")
            with self.stage(bar) as tick:
                return self.train(rows, pool, where, training, tick).as_dict()

        return Trained(**self.run.step(f"train {place + 1}" if place else "train", work))

    def train(self, rows: Any, pool: DevPool, where: TrainingFolder, options: Any, tick: Tick | None) -> Trained:
        """One training of the base."""
        return train(self.folder, self.request.base, rows, pool, where, options, progress=tick)

    def rows(self, mined: TrainingSet, scores: Scores | None, seed: int) -> dict[str, Any]:
        """Return rows by kind: whole documents, parts of them, pairs from documents."""
        from eval.finetune.embedder.rows import columns, document_pairs, pair_columns

        kinds = {"document": TrainingSet([], mined.texts), "part": TrainingSet([], mined.texts)}
        for example in mined.examples:
            kind = "document" if example.positives[0] in self.splits.train.corpus else "part"
            kinds[kind].examples.append(example)
        listed = self.options.listed(with_teacher=scores is not None)
        rows = {
            kind: pair_columns(part, scores, most=listed)
            if self.options.loss == "kl" and scores is not None
            else columns(part, negatives=listed, seed=seed, scores=scores)
            for kind, part in kinds.items()
            if part.examples
        }
        if self.options.pairs:
            known = [*self.splits.test.queries.values(), *self.splits.dev.queries.values()]
            pairs = document_pairs(self.splits.train, limit=self.options.pairs, seed=seed, held_out=known)
            rows["pairs"] = columns(pairs, negatives=0, seed=seed)
        rows = {kind: table for kind, table in rows.items() if table["question"]}
        if not rows:
            raise SourceError(
                f"{counted(len(mined.texts), 'text', verb='are')} too few for rows of {counted(listed, 'negative')}",
                remedy="use fewer negatives (--negatives 0), or add documents",
            )
        return rows

    def merged(self) -> Curve | None:
        """Average with the base, if configured; return the curve if the weight was chosen."""
        weight = self.options.merge
        if weight is None:
            return None

        def merge(chosen: float) -> None:
            """Write the average, unless the run is finished."""
            self.run.step("merge", lambda: str(merge_folders(self.folder, self.trained_folder, chosen, self.model)))

        if weight != "auto":
            merge(float(weight))
            return None
        work = self.run.path / "merge"
        kept = (self.folder, self.trained_folder)  # averages in between are measured only once

        def measure_of(folder: Path) -> Callable[[Dataset], Any]:
            settings = self.settings_of(None if folder == self.folder else folder)
            cache = self.request.cache if folder in kept else work / "cache"
            return partial(measured, self.request, settings, self.merging_leg, cache=cache)

        with self.stage("choose the merging weight") as tick:
            curve = merge_curve(
                self.folder,
                self.trained_folder,
                measure_of,
                self.splits.dev,
                self.others,
                work=work,
                max_loss=self.request.max_loss,
                progress=tick,
            )
        merge(curve.chosen)
        shutil.rmtree(work / "cache", ignore_errors=True)
        return curve
