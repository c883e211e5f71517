"""Request: what every fine-tuning run is asked for, whatever it tunes."""

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
Stage = Callable[[str], AbstractContextManager[Tick | None]]  # a progress bar for a stage of this name
MAX_LOSS = 0.025  # relative; what the reference project allowed out of its domain


@dataclass
class Request:
    """What to tune on which questions, where, and how it is proved.

    Args:
        dataset: as ``load_dataset`` takes it; without a training split its test split is divided.
        base: "minilm", a folder, or a hub name.
        dev_share, dev_by: see ``eval.finetune.lessons.splits.make_splits``.
        teacher: specifications (``eval.finetune.lessons.teachers``) of who is learnt from besides the labels.
        cache: see ``eval.measure.cache.cache_folder``.
        settings: of the pipeline; default: those of rag.toml. Its encoder, or its reranker, is replaced by the model.
        stage: gives a progress bar for a stage; say: takes remarks while it runs.
        command: the command line, for the card.
    """

    dataset: str | Path | Dataset
    base: str
    out: str | Path = option(
        MISSING,
        "Folder of the run: checkpoints, model, proof. The same command continues an interrupted run.",
        metavar="OUT",
        everyday=True,
    )
    also: tuple[str | Path, ...] = option(
        (),
        "Another dataset to check for forgetting, besides the packaged probes; repeatable.",
        metavar="DIR",
        everyday=True,
    )
    train_split: str = option("train", "Split to train on.", everyday=True)
    test_split: str = option("test", "Split to prove it on.", flag="--split", everyday=True)
    dev_share: float = option(
        0.15,
        "Share of the training questions held out for early stopping and for choosing weights.",
        low=0.02,
        high=0.5,
        metavar="SHARE",
        measured="scifact, cmrc2018, trecqa_rerank; 0.08 on xquad_en",
    )
    dev_by: DevBy = option(
        "auto",
        "Dev's answers stand in documents that training never saw, or in any; auto: in any where at least 10 % of the "
        "test's relevant documents are relevant in training too.",
        measured="both were compared on scifact",
    )
    train_queries: int | None = option(None, "Only the first N training questions.", low=1, metavar="N")
    teacher: tuple[str, ...] = option(
        (),
        "pipeline, file:PATH, cross_encoder:MODEL, llm:MODEL, embedder:PROVIDER[:MODEL] or server:URL#MODEL; "
        "repeatable.",
        metavar="SPEC",
        everyday=True,
    )
    max_loss: float = option(
        MAX_LOSS,
        "Relative loss elsewhere that is still good.",
        low=0,
        high=1,
        metavar="SHARE",
        measured="a rule, not a measurement: what the reference project allowed",
    )
    cache: str | Path | None = option(
        None, "Where embeddings and indexes are kept [~/.cache/ragwright/eval].  [env: RAG_EVAL_CACHE]", metavar="DIR"
    )
    settings: Settings = None  # type: ignore[assignment] # see __post_init__
    stage: Stage | None = None
    say: Callable[[str], None] | None = None
    command: str = ""

    def __post_init__(self) -> None:
        if self.settings is None:
            from rag import load_settings

            self.settings = load_settings()
        self.stage = self.stage or (lambda _: nullcontext(None))
        self.say = self.say or (lambda _: None)

    def sections(self, **fields: tuple[str, ...] | None) -> dict[str, Any]:
        """Sections of the settings as plain values, of each the fields named (None: all)."""
        tree = self.settings.model_dump(mode="json")
        for section in tree.values():
            if isinstance(section, dict):
                section.pop("parallel", None)  # an interrupted run may go on faster or slower
        return {
            section: tree[section] if names is None else {name: tree[section][name] for name in names}
            for section, names in fields.items()
        }


def base_folder(base: str) -> Path:
    """The folder of the base model: the packaged one for "minilm", else a folder or what the hub gives.

    Raises:
        EncoderError, MissingExtraError: there is none.
    """
    from indexes.encoders.torch_runtime import model_folder

    if base == "minilm":
        from indexes.encoders.packaged.minilm import packaged_folder

        return packaged_folder()
    return model_folder(base, error=EncoderError)
