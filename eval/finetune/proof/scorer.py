"""Scorer: measure a model on the test questions and on all other datasets, and save each run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets import Dataset
from eval.finetune.lessons.splits import Splits, make_splits
from eval.finetune.proof.forgetting import MEASURES, others, run_key
from eval.finetune.training.request import MAX_LOSS, Request
from eval.finetune.training.run_folder import RunFolder
from eval.measure.cache import digest
from eval.measure.evaluate import Evaluation, check_dataset
from eval.measure.runs import META_FILE, Run, load_run, save_run
from eval.ticks import ticking
from indexes.display import counted
from indexes.files import beside, write_whole

if TYPE_CHECKING:
    from eval.finetune.lessons.mining import MiningOptions, MiningReport
    from eval.finetune.lessons.training_set import TrainingSet
    from rag.retrieval.hybrid import HybridRetriever
    from rag.settings import Settings

Measure = Callable[[Dataset], Evaluation | Run]
Runs = Mapping[str, Run]  # keyed by ``run_key``
LEGS = {"sentences": "dense", "dense": "dense", "sparse": "sparse"}  # leg of the index -> retrieval.fusion
ENCODED_TOGETHER = 512  # documents per step of the bar, and the most that a killed call loses


def score_all(
    measure: Measure,
    datasets: Sequence[Dataset],
    folder: Path,
    *,
    fingerprint: str = "",
    name: str = "",
) -> dict[str, Run]:
    """Measure one model on each dataset, save each run when finished, and return ``run_key(dataset)`` -> run.

    >>> dataset = Dataset("faq", {}, {"q1": "When?"}, {"q1": {"d1": 1}})
    >>> measure = lambda dataset: Run("any", {"q1": [("d1", 1.0)]}, dataset=dataset.hash)
    >>> [run.name for run in score_all(measure, [dataset], folder / "base", fingerprint="3f").values()]
    ['base']
    >>> found = score_all(None, [dataset], folder / "base", fingerprint="3f")  # saved: nothing is measured again
    >>> [run.results for run in found.values()]
    [{'q1': [('d1', 1.0)]}]

    Args:
        measure: function that scores a dataset, such as ``lambda ds: evaluate(encoder, ds, MEASURES, cache=cache)``.
        folder: OUT/base or OUT/tuned; saved runs of the same dataset and fingerprint are loaded.
        fingerprint: identifies what is measured (weights, settings); a saved run with another one is measured again.
        name: name of the runs in tables; default: the folder's.
    """
    found: dict[str, Run] = {}
    for dataset in datasets:
        key = run_key(dataset)
        run = _saved(folder / key, dataset, fingerprint)
        if run is None:
            result = measure(dataset)
            run = result.run if isinstance(result, Evaluation) else result
            check_dataset(run, dataset)
            run = replace(run, name=name or folder.name, fingerprint={**run.fingerprint, "measured": fingerprint})
            with beside(folder / key) as part:
                save_run(run, part)
        found[key] = replace(run, name=name or folder.name)
    return found


def _saved(folder: Path, dataset: Dataset, fingerprint: str) -> Run | None:
    if not (folder / META_FILE).is_file():
        return None
    run = load_run(folder)
    return run if run.dataset == dataset.hash and run.fingerprint.get("measured", "") == fingerprint else None


def measured(
    request: Request,
    settings: Settings,
    leg: str,
    dataset: Dataset,
    *,
    cache: str | Path | None = None,
    reranker: Any = None,
    tick: Any = None,
) -> Evaluation:
    """Measure one pipeline on one dataset.

    Args:
        leg: "documents" (exact search over whole documents), "dense" (or "sentences") or "sparse" (that leg of the
            index), else the configured pipeline.
        cache: cache folder; default: the request's.
        reranker: a loaded reranker to use in place of the configured one.
    """
    from eval.measure.evaluate import evaluate
    from eval.measure.session import Session, changed
    from rag import build_retriever

    cache = cache or request.cache
    with Session(dataset, cache=cache) as session:
        if leg == "documents":
            encoder = session.encoder(settings)
            texts = [passage.content for passage in dataset.corpus.values() if passage.content.strip()]
            with request.stage(f"encode {dataset.name}") as tick:
                for start in ticking(range(0, len(texts), ENCODED_TOGETHER), tick):
                    encoder.encode_documents(texts[start : start + ENCODED_TOGETHER])  # fills the cache for the search
            return evaluate(encoder, dataset, MEASURES, cache=cache)
        used = changed(settings, retrieval={"fusion": LEGS.get(leg, settings.retrieval.fusion)})
        if reranker is None:
            retriever = session.retriever(used)
        else:
            retriever = build_retriever(session.index(used), settings=used, rerank=reranker)
        return evaluate(retriever, dataset, MEASURES, cache=cache, progress=tick)


@dataclass
class Scorer:
    """A fine-tuning run: its request, its splits, and the scores of each model.

    Args:
        folder: folder of the base model.
        others: datasets on which forgetting is measured.
    """

    run: RunFolder
    request: Request
    folder: Path
    splits: Splits
    others: list[Dataset]

    def __post_init__(self) -> None:
        self.settings: Settings = self.request.settings
        self.stage: Any = self.request.stage
        self.say: Any = self.request.say

    @property
    def model(self) -> Path:
        return self.run.path / "model"

    @property
    def everywhere(self) -> list[Dataset]:
        return [self.splits.test, *self.others]

    def scored(
        self,
        name: str,
        what: str,
        measure: Callable[..., Evaluation | Run],
        fingerprint: Sequence[Any],
        datasets: Sequence[Dataset] | None = None,
    ) -> dict[str, Run]:
        """Return the runs of one model, saved in the folder ``name``; measure only those missing for these weights.

        Args:
            what: name for messages, such as "the base model".
            measure: called with a dataset and ``tick``.
            fingerprint: weights and settings, as plain data.
            datasets: default: the test questions and all other datasets.
        """
        datasets = self.everywhere if datasets is None else datasets
        step = f"score {name}"
        if not self.run.done(step):
            self.say(f"scoring {what} on {counted(len(datasets), 'dataset')}")

        def work() -> dict[str, Run]:
            with self.stage(step) as tick:
                return score_all(
                    partial(measure, tick=tick),
                    datasets,
                    self.run.path / name,
                    fingerprint=digest(list(fingerprint)),
                    name=Path(name).parts[0],
                )

        return self.run.step(step, work, load=work)

    @contextmanager
    def retrieving(self, pipeline: Settings, of: Dataset | None = None) -> Iterator[HybridRetriever]:
        """Open a pipeline over the documents, which are indexed first."""
        from eval.measure.session import Session

        with self.stage("index the documents") as tick:
            shown = (lambda done: tick(done.files_done, done.files_total)) if tick is not None else None
            session = Session(of or self.splits.train, cache=self.request.cache, progress=lambda: nullcontext(shown))
            retriever = session.retriever(pipeline)
        with session:
            yield retriever

    def mine(
        self, of: str, questions: Dataset, options: MiningOptions, pipeline: Settings
    ) -> tuple[TrainingSet, MiningReport]:
        """Mine for some questions, and return statistics too; ``of`` ("" or "-dev") names step and files."""
        from eval.finetune.lessons.mining import MiningReport, mine
        from eval.finetune.lessons.training_set import TrainingSet

        files = self.run.path / f"mined{of}.jsonl", self.run.path / f"mining{of}.json"

        def work() -> tuple[TrainingSet, MiningReport]:
            with self.retrieving(pipeline) as retriever, self.stage(f"mine negatives{of}") as tick:
                return mine(retriever, questions, options, progress=tick)

        def save(result: tuple[TrainingSet, MiningReport]) -> None:
            result[0].save(files[0])
            write_whole(files[1], result[1].to_json())

        return self.run.step(
            f"mine{of}", work, save=save, load=lambda: (TrainingSet.load(files[0]), MiningReport.load(files[1]))
        )

    def teach(self, mined: TrainingSet, pipeline: Settings, *, raw: bool = False) -> dict[str, dict[str, float]] | None:
        """Return the teacher's scores, scaled (see ``unit_scores``) unless ``raw``; None without a teacher."""
        specs = list(self.request.teacher)
        if not specs:
            return None
        from eval.finetune.lessons.teachers import build_teacher, teacher_scores, unit_scores

        retrieving = self.retrieving(pipeline) if "pipeline" in specs else nullcontext(None)
        with retrieving as retriever, self.stage("ask the teacher") as tick:
            teacher = build_teacher(specs, self.settings, retriever=retriever, cache=self.request.cache)
            scores = teacher_scores(teacher, mined, self.run.path / "teacher.jsonl", progress=tick)
            return scores if raw else unit_scores(scores)

    def clear(self, *patterns: str) -> None:
        """Remove folders that a finished run no longer needs."""
        for pattern in patterns:
            for folder in self.run.path.glob(pattern):
                shutil.rmtree(folder, ignore_errors=True)


def divided(request: Request, seed: int) -> tuple[Splits, list[Dataset]]:
    """Return the splits of a request, and the datasets on which forgetting is measured.

    >>> from eval.datasets.dataset import CorpusPassage
    >>> from rag.settings import Settings
    >>> corpus = {f"d{i}": CorpusPassage(f"d{i}", text=f"Text number {i}.") for i in range(40)}
    >>> queries = {f"q{i}": f"Question number {i}?" for i in range(40)}
    >>> dataset = Dataset("mine", corpus, queries, {f"q{i}": {f"d{i}": 1} for i in range(40)})
    >>> splits, others = divided(Request(dataset, "minilm", "tuned", settings=Settings()), seed=7)
    >>> len(splits.test.queries), [other.name for other in others]
    (10, ['probe_en', 'probe_zh'])
    """
    splits = make_splits(
        request.dataset,
        train_split=request.train_split,
        test_split=request.test_split,
        dev_share=request.dev_share,
        dev_by=request.dev_by,
        seed=seed,
        limit=request.train_queries,
    )
    return splits, others(request.also, test=splits.test)


def opened(
    kind: str,
    request: Request,
    folder: Path,
    splits: Splits,
    rest: Sequence[Dataset],
    settings: Mapping[str, Any],
    usual: Mapping[str, Any],
) -> RunFolder:
    """Open the run's folder, new or resumed.

    Args:
        settings: what decides the result besides the request.
        usual: the options' defaults, for a run that was started before one of them existed.
    """
    from indexes.encoders.torch_runtime import weights_digest
    from rag.settings import Settings

    defaults = Settings().model_dump(mode="json")
    run = RunFolder(
        request.out,
        {
            "kind": kind,
            "base": request.base,
            "base_weights": weights_digest(folder),
            "data": splits.as_dict()["hash"],
            "others": [other.hash for other in rest],
            "max_loss": request.max_loss,
            "teacher": request.teacher,
            **settings,
        },
        {
            "max_loss": MAX_LOSS,
            "teacher": (),
            **usual,
            "pipeline": defaults,
            "reads": defaults["rerank"],
        },
    )
    if run.continued:
        request.say(f"resuming {run.path}: finished steps: {', '.join(run.steps)}")
    return run
