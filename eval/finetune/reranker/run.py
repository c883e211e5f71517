"""finetune_reranker: a cross-encoder trained on what the pipeline finds, and proved in the pipeline.

One folder a run, and every step in it is done once: score the pipeline, make the start model, mine, warm up, ask the
teacher, train, choose the share of the reranker's score, score the result, prove. A killed run continues where it was
when it is called again with the same settings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets.dataset import Dataset
from eval.finetune.embedder.run import Stage, base_folder
from eval.finetune.embedder.train import Trained
from eval.finetune.lessons.mining import MiningOptions, MiningReport
from eval.finetune.reranker.train import WITH_RESIDUAL, RerankerTraining
from eval.finetune.training.run_folder import RunFolder
from indexes.errors import SettingsError

if TYPE_CHECKING:
    from eval.finetune.lessons.splits import DevBy, Splits
    from eval.finetune.proof.proof import Proof
    from rag.settings import Settings


@dataclass(frozen=True)
class RerankerOptions:
    """What a run does besides training.

    Args:
        mining: of the labelled questions; ``negatives`` of it is the pool that every epoch draws from. What the
            pipeline ranks above a positive is what a reranker is for, so there is no margin by default.
        teacher: specifications (``eval.finetune.lessons.teachers``) whose scores are learnt; () trains on labels alone.
        warm_up: questions made from the documents alone, taught by the pipeline before the labels are seen.
        warm_lr: learning rate of that.
        dev_questions: at most so many compare checkpoints; all dev questions choose the weight.
        weight: share of the reranker's score in the order (``rerank.weight``); None: chosen on dev.
        refit: train again in the end, on training and dev questions together, for as long as dev found best.
        soup: trainings, with seeds one after the other, whose weights are averaged (Wortsman et al., arXiv 2203.05482).
        unlabelled: files of questions without labels (``eval.finetune.lessons.unlabelled``), which the teacher answers.
    """

    training: RerankerTraining = field(default_factory=RerankerTraining)
    mining: MiningOptions = field(default_factory=lambda: MiningOptions(negatives=24, margin=None, unit="window"))
    teacher: tuple[str, ...] = ()
    warm_up: int = 0
    warm_lr: float = 2e-4
    dev_questions: int = 60
    weight: float | None = None
    refit: bool = False
    soup: int = 1
    unlabelled: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        mining = {key: getattr(self.mining, key) for key in ("depth", "skip", "negatives", "margin", "unit", "seed")}
        names = ("teacher", "warm_up", "warm_lr", "dev_questions", "weight", "refit", "soup", "unlabelled")
        own = {key: getattr(self, key) for key in names}
        judge = getattr(self.mining.cross_encoder, "fingerprint", None)
        return {**own, "training": self.training.as_dict(), "mining": mining | {"cross_encoder": judge}}


@dataclass
class TunedReranker:
    """What a fine-tuning run gave.

    Args:
        model: folder of the tuned cross-encoder.
        proof: the pipeline with it against the pipeline before; ``proof.better`` is the verdict.
        rows: name -> measure -> mean on the test questions, of every pipeline measured.
        weight: share of the reranker's score that was chosen; weights: share -> MAP on dev.
        warm_up: the curve of the warm-up, where there was one.
        settings_lines: lines for rag.toml that use the model.
    """

    model: Path
    proof: Proof
    splits: Splits
    trained: Trained
    mining: MiningReport
    rows: dict[str, dict[str, float]]
    weight: float
    weights: dict[str, float]
    warm_up: Trained | None = None
    notes: list[str] = field(default_factory=list)
    settings_lines: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "model": str(self.model),
            "proof": self.proof.as_dict(),
            "pipelines": self.rows,
            "splits": self.splits.as_dict(),
            "mining": self.mining.as_dict(),
            "curve": self.trained.curve,
            "warm_up": self.warm_up.curve if self.warm_up is not None else None,
            "best": {"step": self.trained.best_step, "dev": self.trained.best_dev, "base": self.trained.first_dev},
            "weight": self.weight,
            "weights": self.weights,
            "notes": self.notes,
            "rag_toml": self.settings_lines,
            "seconds": self.seconds,
        }


def finetune_reranker(
    dataset: str | Path | Dataset,
    base: str,
    *,
    out: str | Path,
    also: Sequence[str | Path] = (),
    options: RerankerOptions | None = None,
    train_split: str = "train",
    test_split: str = "test",
    dev_share: float = 0.15,
    dev_by: DevBy = "auto",
    train_queries: int | None = None,
    max_loss: float = 0.025,
    settings: Settings | None = None,
    cache: str | Path | None = None,
    stage: Stage | None = None,
    say: Callable[[str], None] | None = None,
    command: str = "",
) -> TunedReranker:
    """Tune ``base`` as a reranker for ``dataset``, and prove the pipeline with it on held-out questions.

    Args:
        dataset: as ``load_dataset`` takes it; without a training split its test split is divided.
        base: "minilm", a folder, or a hub name: a cross-encoder of one label keeps its head, any other encoder gets a
            fresh one.
        out: folder of the run; the same call continues an interrupted one.
        dev_by: see ``make_splits``.
        also: further datasets to check for forgetting, besides the packaged probes.
        settings: of the pipeline: what finds the candidates, and ``rerank.depth``, ``read``, ``max_tokens``, ``device``
            and ``dtype`` of the reranker.
        cache: see ``eval.measure.embedding_cache.cache_folder``.
        stage: gives a progress bar for a stage; say: takes remarks while it runs.
        command: the command line, for the card.

    Raises:
        SettingsError: ``out`` holds another run, or an option cannot be used.
        SourceError, RerankerError: the dataset or the model cannot be read.

        >>> from eval import finetune_reranker  # doctest: +SKIP
        >>> finetune_reranker("data/scifact", "minilm", out="reranker").proof.better  # doctest: +SKIP
        True
    """
    from eval.finetune.lessons.splits import make_splits
    from eval.finetune.lessons.unlabelled import read_unlabelled
    from eval.finetune.proof.proof import others
    from eval.finetune.reranker.steps import Work
    from indexes.encoders.torch_runtime import weights_digest
    from rag import load_settings

    wanted = options or RerankerOptions()
    check(wanted)
    settings = settings or load_settings()
    folder = base_folder(base)
    splits = make_splits(
        dataset,
        train_split=train_split,
        test_split=test_split,
        dev_share=dev_share,
        seed=wanted.training.seed,
        limit=train_queries,
        dev_by=dev_by,
    )
    rest = others(also, test=splits.test)
    asked = read_unlabelled(wanted.unlabelled, splits.train, [splits.dev, splits.test, *rest])
    tree = settings.model_dump(mode="json")
    with RunFolder(
        out,
        {
            "kind": "reranker",
            "base": base,
            "base_weights": weights_digest(folder),
            "data": splits.as_dict()["hash"],
            "others": [other.hash for other in rest],
            "max_loss": max_loss,
            "asked": asked.hash,
            **wanted.as_dict(),
            "pipeline": {name: tree[name] for name in ("encoder", "split", "sparse", "retrieval")},
            "reads": {name: tree["rerank"][name] for name in ("depth", "read", "max_tokens")},
        },
    ) as run:
        quiet = nullcontext(None)
        work = Work(
            run,
            base,
            folder,
            splits,
            rest,
            wanted,
            settings,
            cache,
            stage or (lambda _: quiet),
            say or (lambda _: None),
            asked,
        )
        return work.done(max_loss, command)


def check(options: RerankerOptions) -> None:
    """Refuse what cannot go together.

    Raises:
        SettingsError: a loss without the teacher it needs, with one it cannot take, or with a residual it cannot;
            questions without labels, and no teacher to answer them.
    """
    if options.unlabelled and not options.teacher:
        raise SettingsError("questions without labels need a teacher", remedy="name one with --teacher")
    loss = options.training.loss
    if loss == "margin_mse" and not options.teacher:
        raise SettingsError("the loss 'margin_mse' learns a teacher's scores", remedy="name a teacher, or take listnet")
    if options.training.residual and loss not in WITH_RESIDUAL:
        raise SettingsError(
            f"the loss {loss!r} cannot learn what the pipeline's order lacks", remedy="take listnet, or no residual"
        )
    if loss == "lambda" and options.teacher:
        raise SettingsError(
            "the loss 'lambda' learns labels and no teacher's scores", remedy="take margin_mse, listnet or bce"
        )
