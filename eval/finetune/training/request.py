"""Request: the arguments of all fine-tuning runs, whatever they tune."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eval.datasets.dataset import Dataset
from eval.finetune.training.options import option
from eval.ticks import Tick
from indexes.errors import EncoderError

if TYPE_CHECKING:
    from rag.settings import Settings

DevBy = Literal["auto", "document", "question"]
Stage = Callable[[str], AbstractContextManager[Tick | None]]  # name of a stage -> its progress bar
MAX_LOSS = 0.025  # relative; the loss that the reference project allowed outside its domain


@dataclass
class Request:
    """What to tune, on which questions, in which folder, and how to prove the result.

    >>> from rag.settings import Settings
    >>> request = Request("data/mine", "minilm", "tuned", settings=Settings())
    >>> request.dev_share, request.sections(retrieval=("top_k", "fusion"))
    (0.15, {'retrieval': {'top_k': 50, 'fusion': 'minmax'}})

    Args:
        dataset: see ``load_dataset``; without a training split, its test split is divided.
        base: "minilm", a model folder, or a hub name.
        dev_share, dev_by: see ``eval.finetune.lessons.splits.make_splits``.
        teacher: specifications of teachers to learn from besides the labels (``eval.finetune.lessons.teachers``).
        cache: see ``eval.measure.cache.cache_folder``.
        settings: settings of the pipeline, whose encoder or reranker the model replaces; default: those of rag.toml.
        stage: returns a progress bar for a stage; say: receives messages during the run.
        command: the command line, for the model card.
    """

    dataset: str | Path | Dataset
    base: str
    out: str | Path = option(
        MISSING,
        "Folder for checkpoints, model and proof; run the same command again to resume.",
        metavar="DIR",
        everyday=True,
    )
    also: tuple[str | Path, ...] = option(
        (),
        "Another dataset to check for forgetting, besides the packaged ones; repeatable.",
        metavar="DIR",
        everyday=True,
    )
    train_split: str = option("train", "Split to train on.", everyday=True)
    test_split: str = option(
        "test", "Split to prove the model on; a dataset without one: dev.", flag="--split", everyday=True
    )
    dev_share: float = option(
        0.15,
        "Share of the training questions that is held out as dev, for early stopping and choosing weights.",
        low=0.02,
        high=0.5,
        metavar="SHARE",
        measured="scifact, cmrc2018, trecqa_rerank; 0.08 on xquad_en",
    )
    dev_by: DevBy = option(
        "auto",
        "document: dev's relevant documents are not trained on; question: they may be; auto: question if at least "
        "10 % of the test's relevant documents are also relevant in training.",
        measured="both were compared on scifact",
    )
    train_queries: int | None = option(None, "Use only the first N training questions.", low=1, metavar="N")
    teacher: tuple[str, ...] = option(
        (),
        "Source of scores to learn from: pipeline, file:PATH, cross_encoder:MODEL, llm:MODEL, "
        "embedder:PROVIDER[:MODEL] or server:URL#MODEL; repeatable.",
        metavar="SPEC",
        everyday=True,
    )
    max_loss: float = option(
        MAX_LOSS,
        "Largest relative loss on other datasets that is acceptable.",
        low=0,
        high=1,
        metavar="SHARE",
        measured="nothing; it is the limit of the reference project",
    )
    cache: str | Path | None = option(
        None, "Folder for embeddings and indexes [~/.cache/ragwright/eval].  [env: RAG_EVAL_CACHE]", metavar="DIR"
    )
    settings: Settings = None  # type: ignore[assignment] # see __post_init__
    stage: Stage = lambda _: nullcontext(None)
    say: Callable[[str], object] = lambda _: None
    command: str = ""

    def __post_init__(self) -> None:
        if self.settings is None:
            from rag import load_settings

            self.settings = load_settings()

    def sections(self, **fields: tuple[str, ...] | None) -> dict[str, Any]:
        """Return sections of the settings as plain data, each with the named fields (None: all)."""
        tree = self.settings.model_dump(mode="json")
        for section in tree.values():
            if isinstance(section, dict):
                section.pop("parallel", None)  # may differ when an interrupted run is resumed
        return {
            section: tree[section] if names is None else {name: tree[section][name] for name in names}
            for section, names in fields.items()
        }


def base_folder(base: str) -> Path:
    """Return the folder of the base model: the packaged "minilm", an existing folder, or a download from the hub.

    Raises:
        EncoderError, MissingExtraError: there is no such model.
    """
    from indexes.encoders.torch_runtime import model_folder

    if base == "minilm":
        from indexes.encoders.packaged.minilm import packaged_folder

        return packaged_folder()
    return model_folder(base, error=EncoderError)
