"""merge_models: base and tuned weights averaged, the weight chosen on dev, and the result proved, in one folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from eval.datasets import Dataset
from eval.embedding_cache import digest
from eval.finetune.embedder import Stage, base_folder
from eval.finetune.forgetting import MAX_LOSS
from eval.finetune.merge import DOCUMENTS, QUERIES, WEIGHTS, Curve, merge_curve, merge_folders
from eval.finetune.proof import MEASURES, Proof, others, prove, score_all
from eval.finetune.run_folder import FILE, RunFolder
from eval.finetune.splits import DevBy, Splits, make_splits
from indexes.errors import SourceError

if TYPE_CHECKING:
    from rag.settings import Settings

Kind = Literal["embedder", "reranker"]


@dataclass
class Merged:
    """What a merge gave: the folder of the model, the curve (None where the weight was given), and the proof."""

    model: Path
    kind: Kind
    weight: float
    curve: Curve | None
    proof: Proof
    splits: Splits
    notes: list[str] = field(default_factory=list)
    settings_lines: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {
            "model": str(self.model),
            "kind": self.kind,
            "weight": self.weight,
            "curve": self.curve.as_dict() if self.curve is not None else None,
            "proof": self.proof.as_dict(),
            "splits": self.splits.as_dict(),
            "notes": self.notes,
            "rag_toml": self.settings_lines,
        }


def merge_models(
    base: str,
    tuned: str | Path,
    dataset: str | Path | Dataset,
    *,
    out: str | Path,
    also: Sequence[str | Path] = (),
    weights: Sequence[float] = WEIGHTS,
    weight: float | None = None,
    train_split: str = "train",
    test_split: str = "test",
    dev_share: float = 0.15,
    dev_by: DevBy = "auto",
    seed: int = 7,
    max_loss: float = MAX_LOSS,
    queries: int = QUERIES,
    documents: int = DOCUMENTS,
    settings: Settings | None = None,
    cache: str | Path | None = None,
    stage: Stage | None = None,
    say: Callable[[str], None] | None = None,
    command: str = "",
) -> Merged:
    """Average ``base`` and ``tuned``, choose the weight on dev, prove it on the test questions.

    An embedder is measured by exact search over whole documents, a reranker in the pipeline of ``settings``.

    Args:
        base: "minilm", a folder or a hub name; tuned: a model's folder, or the folder of the run that made it.
        dataset, train_split, test_split, dev_share, dev_by, seed: as in training, so that dev was not trained on.
        out: folder of this run; the same call continues an interrupted one.
        weights: shares of the tuned weights that are compared; weight: the one to take, without comparing.
        queries, documents: size of the samples that weights are compared on.

    Raises:
        SettingsError: ``out`` holds another run, or a weight cannot be used.
        SourceError: the two models do not belong together, or the dataset cannot be read.
    """
    from eval.finetune.card import write_card
    from indexes.encoders.torch_runtime import weights_digest
    from rag import load_settings

    settings, say = settings or load_settings(), say or (lambda _: None)
    stage = stage or (lambda _: nullcontext(None))
    folder, trained = base_folder(base), model_of(Path(tuned).expanduser())
    kind = kind_of(trained)
    splits = make_splits(
        dataset, train_split=train_split, test_split=test_split, dev_share=dev_share, dev_by=dev_by, seed=seed
    )
    rest = others(also, test=splits.test)
    hashes = splits.as_dict()["hash"]
    tree = settings.model_dump(mode="json")
    options = {
        "weights": sorted({0.0, *weights}) if weight is None else None,
        "weight": weight,
        "sample": [queries, documents] if weight is None else None,
        "pipeline": {name: tree[name] for name in ("encoder", "split", "sparse", "retrieval", "rerank")}
        if kind == "reranker"
        else None,
    }
    with RunFolder(
        out,
        {
            "kind": f"merge of {kind}s",
            "base_weights": weights_digest(folder),
            "tuned_weights": weights_digest(trained),
            "data": hashes,
            "others": [other.hash for other in rest],
            "max_loss": max_loss,
            **options,
        },
    ) as run:
        if run.continued:
            say(f"continuing {run.path}")
        measure_of = partial(measured, kind, settings, cache)
        before = _scored(run.path / "base", folder, measure_of, splits.test, rest, options, stage, say)
        curve = None
        chosen = weight
        if chosen is None:
            with stage("choose the weight") as tick:
                curve = merge_curve(
                    folder,
                    trained,
                    measure_of,
                    splits.dev,
                    rest,
                    work=run.path / "merge",
                    weights=weights,
                    max_loss=max_loss,
                    queries=queries,
                    documents=documents,
                    seed=seed,
                    progress=tick,
                )
            chosen = curve.chosen
        model = run.path / "model"
        run.step("merge", lambda: str(merge_folders(folder, trained, chosen, model).name))
        after = _scored(run.path / "tuned", model, measure_of, splits.test, rest, options, stage, say)
        notes = [f"{chosen:g} x tuned + {1 - chosen:g} x base", *_other_data(trained, hashes)]
        proof = prove(before, after, splits.test, rest, max_loss=max_loss, notes=[*splits.notes, *notes])
        proof.save(run.path)
        write_card(
            model,
            kind=kind,
            base=base,
            base_folder=folder,
            splits=splits,
            settings={"weight": chosen, "weights": list(weights) if weight is None else None},
            proof=proof,
            seed=seed,
            command=command,
            curve=curve,
            notes=notes,
        )
        return Merged(model, kind, chosen, curve, proof, splits, notes, _lines(kind, model))


def model_of(folder: Path) -> Path:
    """The model's folder, given it or the folder of the run that made it.

    Raises:
        SourceError: there is none.
    """
    for place in (folder, folder / "model"):
        if (place / "config.json").is_file():
            return place
    raise SourceError(f"{folder} holds no model (no config.json)", remedy="name the folder of the tuned model")


def kind_of(folder: Path) -> Kind:
    """Whether a model gives one score for a pair of texts, or vectors; by the architecture in its config.json."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        names = [str(name) for name in config.get("architectures") or ()]
    except (OSError, ValueError, AttributeError) as error:
        raise SourceError(f"{folder / 'config.json'} cannot be read: {error}", remedy="check the folder") from error
    return "reranker" if any(name.endswith("ForSequenceClassification") for name in names) else "embedder"


def measured(kind: Kind, settings: Settings, cache: str | Path | None, folder: Path) -> Callable[[Dataset], Any]:
    """How a dataset is measured with the model in ``folder``."""
    if kind == "reranker":
        changes = {"provider": "cross_encoder", "model": str(folder)}
        used = settings.model_copy(update={"rerank": settings.rerank.model_copy(update=changes)})
    else:
        changes = {"provider": "sentence_transformer", "model": str(folder)}
        used = settings.model_copy(update={"encoder": settings.encoder.model_copy(update=changes)})

    def measure(dataset: Dataset) -> Any:
        from eval.evaluate import evaluate
        from eval.session import Session

        with Session(dataset, cache=cache) as session:
            pipeline = session.retriever(used) if kind == "reranker" else session.encoder(used)
            return evaluate(pipeline, dataset, MEASURES, cache=cache)

    return measure


def _scored(
    place: Path,
    model: Path,
    measure_of: Callable[[Path], Callable[[Dataset], Any]],
    test: Dataset,
    rest: Sequence[Dataset],
    options: dict[str, Any],
    stage: Stage,
    say: Callable[[str], None],
) -> dict[str, Any]:
    from indexes.encoders.torch_runtime import weights_digest

    say(f"scoring {'the base' if place.name == 'base' else 'the merged model'} on {1 + len(rest)} collections")
    with stage(f"score {place.name}") as tick:
        return score_all(
            measure_of(model),
            [test, *rest],
            place,
            fingerprint=digest([weights_digest(model), options["pipeline"]]),
            name=place.name,
            progress=(lambda _, done, total: tick(done, total)) if tick is not None else None,
        )


def _other_data(trained: Path, hashes: dict[str, str]) -> list[str]:
    """A warning where the tuned model's own run was divided otherwise: dev may have been trained on."""
    file = trained.parent / FILE
    if not file.is_file():
        return []
    try:
        theirs = json.loads(file.read_text(encoding="utf-8"))["settings"].get("data")
    except (ValueError, KeyError, AttributeError):
        return []
    if not theirs or theirs == hashes:
        return []
    return [
        "the tuned model was trained on another division of the data: questions of dev or test may have been trained "
        "on; use the dataset, splits, --dev-share, --dev-by and --seed of its training"
    ]


def _lines(kind: Kind, model: Path) -> list[str]:
    head = ["[encoder]", 'provider = "sentence_transformer"']
    if kind == "reranker":
        head = ["[rerank]", 'provider = "cross_encoder"']
    return [*head, f"model = {json.dumps(str(model.resolve()), ensure_ascii=False)}"]
