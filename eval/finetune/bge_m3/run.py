"""finetune_bge_m3: dense, sparse and multi-vector heads tuned together, and each side proved.

Tuning the dense side of BGE-M3 alone harms its sparse head, so all are trained at once by FlagEmbedding's own module,
and the dense leg, the sparse leg and the hybrid of both are scored before and after, in the index as it is used. The
multi-vector head orders the hybrid's candidates anew, which is scored too and decides nothing: no index holds its
vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets.dataset import Dataset
from eval.finetune.bge_m3 import flag_embedding as flag_training
from eval.finetune.bge_m3.flag_embedding import FlagOptions
from eval.finetune.embedder.run import Stage
from eval.finetune.embedder.train import Trained
from eval.finetune.lessons.mining import MiningOptions, MiningReport
from eval.finetune.training.run_folder import RunFolder
from indexes.errors import EncoderError

if TYPE_CHECKING:
    from eval.finetune.lessons.splits import DevBy, Splits
    from eval.finetune.proof.proof import Proof
    from eval.finetune.weights.curve import Curve
    from rag.settings import Settings

MULTI_VECTOR = "multi-vector"
SIDES = ("hybrid", "dense", "sparse", MULTI_VECTOR)  # the first one decides


@dataclass(frozen=True)
class M3Options:
    """What a run does besides training.

    Args:
        training: see ``FlagOptions``; ``group`` - 1 mined negatives go into each row.
        teacher: specifications (``eval.finetune.lessons.teachers``) whose scores are learnt; () trains on labels alone.
        teacher_temperature: the teacher's scores are divided by it, after their spread within a list is brought to 1.
        pool: texts that checkpoints are measured on.
        merge: None, "auto", or the share of the tuned weights.
    """

    training: FlagOptions = field(default_factory=FlagOptions)
    mining: MiningOptions = field(default_factory=lambda: MiningOptions(unit="mixed", negatives=7))
    teacher: tuple[str, ...] = ()
    teacher_temperature: float = 1.0
    pool: int = 400
    merge: float | str | None = None
    leg: str = "hybrid"  # of the merge's proof: see ``SIDES``

    def as_dict(self) -> dict[str, Any]:
        mining = {key: getattr(self.mining, key) for key in ("depth", "skip", "negatives", "margin", "unit", "seed")}
        own = {key: getattr(self, key) for key in ("teacher", "teacher_temperature", "pool", "merge")}
        judge = getattr(self.mining.cross_encoder, "fingerprint", None)
        return {**own, "training": self.training.as_dict(), "mining": mining | {"cross_encoder": judge}}


@dataclass
class TunedM3:
    """What a run gave: as ``embedder.Tuned``, with a proof for each of ``SIDES``."""

    model: Path
    proofs: dict[str, Proof]
    splits: Splits
    trained: Trained
    mining: MiningReport
    merge: Curve | None = None
    notes: list[str] = field(default_factory=list)
    settings_lines: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def proof(self) -> Proof:
        """The one that decides: both legs together, as they are searched."""
        return self.proofs[SIDES[0]]

    def as_dict(self) -> dict[str, Any]:
        return {
            "model": str(self.model),
            "proof": self.proof.as_dict(),
            "sides": {side: proof.as_dict() for side, proof in self.proofs.items()},
            "splits": self.splits.as_dict(),
            "mining": self.mining.as_dict(),
            "curve": self.trained.curve,
            "best": {"step": self.trained.best_step, "dev": self.trained.best_dev, "base": self.trained.first_dev},
            "merge": self.merge.as_dict() if self.merge is not None else None,
            "notes": self.notes,
            "rag_toml": self.settings_lines,
            "seconds": self.seconds,
        }


def finetune_bge_m3(
    dataset: str | Path | Dataset,
    base: str = "BAAI/bge-m3",
    *,
    out: str | Path,
    also: Sequence[str | Path] = (),
    options: M3Options | None = None,
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
) -> TunedM3:
    """Tune a checkpoint of BGE-M3's shape on ``dataset``, and prove its hybrid, dense, sparse and multi-vector sides.

    Args:
        base: a folder, or a hub name; it must hold both heads.
        settings: of the pipeline that negatives are mined from and that is measured; its encoder is replaced. The
            multi-vector head orders ``rerank.depth`` candidates, and reads of them what ``rerank.read`` says.
        Others as for ``finetune_embedder``.

    Raises:
        SettingsError: ``out`` holds another run, or an option cannot be used.
        SourceError, EncoderError: dataset or model cannot be read, or the training failed.

        >>> from eval.finetune.bge_m3.run import finetune_bge_m3  # doctest: +SKIP
        >>> finetune_bge_m3("data/mine", out="tuned").proofs["sparse"].verdict  # doctest: +SKIP
    """
    from eval.finetune.bge_m3.steps import M3Work
    from eval.finetune.lessons.splits import make_splits
    from eval.finetune.proof.proof import others
    from indexes.encoders.torch_runtime import model_folder, weights_digest
    from rag import load_settings

    wanted = options or M3Options()
    folder = model_folder(base, error=EncoderError)
    flag_training.check_base(folder)
    splits = make_splits(
        dataset,
        train_split=train_split,
        test_split=test_split,
        dev_share=dev_share,
        dev_by=dev_by,
        seed=wanted.training.seed,
        limit=train_queries,
    )
    rest = others(also, test=splits.test)
    settings = settings or load_settings()
    tree = settings.model_dump(mode="json")
    with RunFolder(
        out,
        {
            "kind": "bge-m3",
            "base": base,
            "base_weights": weights_digest(folder),
            "data": splits.as_dict()["hash"],
            "others": [other.hash for other in rest],
            "max_loss": max_loss,
            **wanted.as_dict(),
            "pipeline": {name: tree[name] for name in ("split", "sparse", "retrieval")},
            "reads": {name: tree["rerank"][name] for name in ("depth", "read")},
        },
    ) as run:
        quiet = nullcontext(None)
        work = M3Work(
            run,
            base,
            folder,
            splits,
            rest,
            wanted,  # type: ignore[arg-type]
            settings,
            cache,
            stage or (lambda _: quiet),
            say or (lambda _: None),
        )
        return work.proved(max_loss, command)
