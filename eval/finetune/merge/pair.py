"""The two models of a merge: their kind, and how each is used and measured.

A reranker is used with the share that its training chose; a merge keeps this share.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eval.finetune.reranker.pipeline import rerank_lines, with_reranker
from eval.finetune.reranker.train import has_head
from eval.finetune.training.request import base_folder
from eval.finetune.training.run_folder import FILE
from eval.measure.session import changed, without_reranker
from indexes.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from rag.settings import Settings

Kind = Literal["embedder", "reranker"]
START = "start-model"  # folder in a reranker's run: its base with the head that training started from


@dataclass(frozen=True)
class Pair:
    """Base and tuned model.

    >>> from rag.settings import Settings
    >>> pair = Pair(Path("base"), Path("tuned"), "reranker", Settings(), run={}, fresh=True)
    >>> pair.leg, pair.used(pair.base).rerank.provider, pair.share
    ('pipeline', 'none', (1.0, None))

    Args:
        base, tuned: their folders.
        settings: settings of the pipeline in which a reranker is measured.
        run: run.json of the tuned model's training; {} if there is none.
        fresh: whether the base's head was new when training began; its order is then random, and the reranker is
            compared with the pipeline without one.
    """

    base: Path
    tuned: Path
    kind: Kind
    settings: Settings
    run: dict[str, Any]
    fresh: bool

    @classmethod
    def of(cls, base: str, tuned: Path, settings: Settings) -> Pair:
        """Find both models.

        Raises:
            SourceError: a model is missing, or the base has no head to average with.
        """
        folder, trained = base_folder(base), model_of(tuned)
        kind, run = kind_of(trained), _run_of(trained)
        if kind == "reranker" and not has_head(folder):
            folder = trained.parent / START
            if not has_head(folder):
                raise SourceError(
                    f"{base} is not a reranker, so it has no head to average with that of {trained}",
                    remedy=f"name the model that the training started from: the folder {START} of its run",
                )
        steps = run.get("steps", {})
        fresh = kind == "reranker" and "train" in steps and "weight start" not in steps
        return cls(folder, trained, kind, settings, run, fresh)

    @property
    def share(self) -> tuple[float, float | None]:
        """Return (weight, scale) of the tuned reranker: those chosen in training, else those of the settings."""
        chosen = self._chosen("tuned")
        rerank = self.settings.rerank
        return (rerank.weight, rerank.scale) if chosen is None else (chosen["weight"], chosen.get("scale"))

    def used(self, model: Path) -> Settings:
        """Return the settings to use a model: the base, the tuned one, or one between them."""
        if self.kind == "embedder":
            return changed(self.settings, encoder={"provider": "sentence_transformer", "model": str(model)})
        if model == self.base:
            if self.fresh:
                return without_reranker(self.settings)
            chosen = self._chosen("start")
            if chosen is not None:
                return with_reranker(self.settings, model, chosen["weight"], None)
        return with_reranker(self.settings, model, *self.share)

    @property
    def leg(self) -> str:
        """How models are measured: embedders by exact search, rerankers in the pipeline."""
        return "pipeline" if self.kind == "reranker" else "documents"

    def lines(self, model: Path) -> list[str]:
        """Return the lines for rag.toml to use a model."""
        if self.kind == "reranker":
            return rerank_lines(self.used(model).rerank)
        return ["[encoder]", 'provider = "sentence_transformer"', f"model = {json.dumps(str(model.resolve()))}"]

    def notes(self, hashes: dict[str, str]) -> list[str]:
        """Return notes on how a reranker is used, and a warning if it was trained on another division of the data.

        Args:
            hashes: hashes of this run's train, dev and test.
        """
        found = []
        if self.kind == "reranker":
            weight, scale = self.share
            by = "its training" if self._chosen("tuned") is not None else "the settings"
            scaled = f", its scores divided by {scale:g}" if scale is not None else ""
            found.append(f"the reranker's share in the final score is {weight:g}{scaled}, as chosen by {by}")
        if self.fresh:
            found.append("the head of the base was new, so weight 0 and the base mean the pipeline without a reranker")
        theirs = self.run.get("settings", {}).get("data")
        if theirs and theirs != hashes:
            found.append(
                "the tuned model was trained on another division of the data, possibly on questions of dev or test; "
                "use the dataset, splits, --dev-share, --dev-by and --seed of its training"
            )
        return found

    def require_dev(self, hashes: dict[str, str]) -> None:
        """Refuse to choose a weight on dev questions that the model was trained on.

        Args:
            hashes: hashes of this run's train, dev and test.
        """
        theirs = self.run.get("settings", {})
        if theirs.get("refit") and theirs.get("data", {}).get("dev") == hashes["dev"]:
            raise SettingsError(
                f"{self.tuned} was also trained on the dev questions (--refit), so they cannot choose its weight",
                remedy="give the weight (--weight 0.5), or merge a run without --refit",
            )

    def _chosen(self, name: str) -> dict[str, Any] | None:
        return self.run.get("steps", {}).get(f"weight {name}", {}).get("result")


def model_of(folder: Path) -> Path:
    """Return a model's folder, given that folder or the folder of its run.

    >>> (folder / "model").mkdir()
    >>> (folder / "model" / "config.json").touch()
    >>> model_of(folder).name, model_of(folder / "model").name
    ('model', 'model')

    Raises:
        SourceError: there is no model.
    """
    for place in (folder, folder / "model"):
        if (place / "config.json").is_file():
            return place
    raise SourceError(f"{folder} has no model (no config.json)", remedy="name the folder of the tuned model")


def kind_of(folder: Path) -> Kind:
    """Return whether a model is a reranker or an embedder, by the architecture in its config.json.

    >>> _ = (folder / "config.json").write_text('{"architectures": ["BertForSequenceClassification"]}')
    >>> kind_of(folder)
    'reranker'
    """
    return "reranker" if has_head(folder) else "embedder"


def _run_of(trained: Path) -> dict[str, Any]:
    """Read run.json of the training that made a model; {} if it is elsewhere or cannot be read."""
    try:
        run = json.loads((trained.parent / FILE).read_text(encoding="utf-8"))
        return {"settings": dict(run["settings"]), "steps": dict(run["steps"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
