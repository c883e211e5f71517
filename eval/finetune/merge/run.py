"""merge_models: base and tuned weights averaged, the weight chosen on dev, and the result proved, in one folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets import Dataset
from eval.finetune.embedder.run import Stage
from eval.finetune.lessons.splits import DevBy, Splits, make_splits
from eval.finetune.merge.pair import Kind, Pair
from eval.finetune.proof.forgetting import MAX_LOSS
from eval.finetune.proof.proof import Proof, others, prove, score_all
from eval.finetune.reranker.pipeline import opponent
from eval.finetune.training.run_folder import RunFolder
from eval.finetune.weights.curve import DOCUMENTS, QUERIES, WEIGHTS, Curve, merge_curve, merge_folders
from eval.measure.embedding_cache import digest
from eval.measure.session import without_reranker

if TYPE_CHECKING:
    from rag.settings import Settings
PIPELINE = ("encoder", "split", "sparse", "retrieval", "rerank")  # sections that a reranker's figures depend on


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

    An embedder is measured by exact search over whole documents, a reranker in the pipeline of ``settings`` with the
    share of its score that its training chose. It has to beat the better of the base and no reranker at all.

    Args:
        base: "minilm", a folder or a hub name; for a reranker whose base had no head, what its training began with is
            taken from the run. tuned: a model's folder, or the folder of the run that made it.
        dataset, train_split, test_split, dev_share, dev_by, seed: as in training, so that dev was not trained on.
        out: folder of this run; the same call continues an interrupted one.
        weights: shares of the tuned weights that are compared; weight: the one to take, without comparing.
        queries, documents: size of the samples that weights are compared on.

    Raises:
        SettingsError: ``out`` holds another run, a weight cannot be used, or ``tuned`` was trained on dev too and the
            weight is not given.
        SourceError: the two models do not belong together, or the dataset cannot be read.
    """
    from eval.finetune.proof.card import write_card
    from indexes.encoders.torch_runtime import weights_digest
    from rag import load_settings

    settings, say = settings or load_settings(), say or (lambda _: None)
    stage = stage or (lambda _: nullcontext(None))
    pair = Pair.of(base, Path(tuned).expanduser(), settings)
    folder, trained, kind = pair.base, pair.tuned, pair.kind
    splits = make_splits(
        dataset, train_split=train_split, test_split=test_split, dev_share=dev_share, dev_by=dev_by, seed=seed
    )
    rest = others(also, test=splits.test)
    hashes = splits.as_dict()["hash"]
    if weight is None:
        pair.require_dev(hashes)
    tree = settings.model_dump(mode="json")
    options = {
        "weights": sorted({0.0, *weights}) if weight is None else None,
        "weight": weight,
        "sample": [queries, documents] if weight is None else None,
        "pipeline": {name: tree[name] for name in PIPELINE} if kind == "reranker" else None,
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
        scored = partial(_scored, run, pair, [splits.test, *rest], cache, stage, say)
        notes = pair.notes(hashes)
        before = scored("base", folder, pair.used(folder))
        if kind == "reranker" and not pair.fresh:
            without = scored("without", None, without_reranker(settings))
            before, named = opponent(without, before, splits.test)
            notes.append(f"before is the pipeline {named}")
        curve = None
        chosen = weight
        if chosen is None:
            with stage("choose the weight") as tick:
                curve = merge_curve(
                    folder,
                    trained,
                    partial(pair.measure_of, cache),
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
        after = scored("tuned", model, pair.used(model))
        notes = [f"{chosen:g} x tuned + {1 - chosen:g} x base", *notes]
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
            toml=pair.lines(model)[3:],
        )
        return Merged(model, kind, chosen, curve, proof, splits, notes, pair.lines(model))


def _scored(
    run: RunFolder,
    pair: Pair,
    datasets: Sequence[Dataset],
    cache: str | Path | None,
    stage: Stage,
    say: Callable[[str], None],
    name: str,
    model: Path | None,
    used: Settings,
) -> Mapping[str, Any]:
    """Runs of one model (None: no reranker), kept in the folder ``name``."""
    from indexes.encoders.torch_runtime import weights_digest

    what = {"base": "the base", "tuned": "the merged model"}.get(name, "the pipeline without a reranker")
    say(f"scoring {what} on {len(datasets)} collections")
    tree = used.model_dump(mode="json")
    tree["rerank"].pop("model")  # its weights count, and not where they lie
    kept = {section: tree[section] for section in PIPELINE} if pair.kind == "reranker" else None
    with stage(f"score {name}") as tick:
        return score_all(
            lambda dataset: pair.measured(used, cache, dataset),
            datasets,
            run.path / name,
            fingerprint=digest([weights_digest(model) if model is not None else None, kept]),
            name=name,
            progress=(lambda _, done, total: tick(done, total)) if tick is not None else None,
        )
