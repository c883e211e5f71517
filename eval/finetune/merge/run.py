"""merge_models: average base and tuned weights, choose the weight on dev, and prove the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.datasets import Dataset
from eval.finetune.lessons.splits import Splits
from eval.finetune.merge.options import MergeOptions
from eval.finetune.merge.pair import Kind, Pair
from eval.finetune.proof.proof import Proof, prove
from eval.finetune.proof.scorer import Scorer, divided, measured, opened
from eval.finetune.reranker.pipeline import PIPELINE, depends, opponent
from eval.finetune.training.request import Request
from eval.finetune.weights.curve import Curve, merge_curve, merge_folders
from eval.measure.session import without_reranker
from indexes.plain import Plain

if TYPE_CHECKING:
    from rag.settings import Settings


@dataclass
class Merged(Plain):
    """The result of a merge: the model's folder, the curve (None if the weight was given), and the proof."""

    model: Path
    kind: Kind
    weight: float
    curve: Curve | None
    proof: Proof
    splits: Splits
    notes: list[str] = field(default_factory=list)
    settings_lines: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain data for JSON."""
        found = super().as_dict()
        return found | {"rag_toml": found.pop("settings_lines")}


def merge_models(
    base: str, tuned: str | Path, dataset: str | Path | Dataset, *, options: MergeOptions | None = None, **request: Any
) -> Merged:
    """Average ``base`` and ``tuned``, choose the weight on dev, prove it on the test questions.

    An embedder is measured by exact search over whole documents; a reranker in the pipeline of ``settings``, with the
    share chosen in its training, and it must beat both the base and no reranker.

    Args:
        base: "minilm", a model folder or a hub name; if a reranker's base had no head, the start model is taken from
            the run.
        tuned: folder of a model, or of the run that made it.
        dataset, options.seed: as in training, so that dev was not trained on; also the splits of the request.
        request: the other fields of ``Request``.

    Raises:
        SettingsError: ``out`` holds another run, a weight is not allowed, or ``tuned`` was also trained on dev and no
            weight is given.
        SourceError: the tuned model is not a version of the base, or the dataset cannot be read.
    """
    from eval.finetune.proof.card import write_card
    from indexes.encoders.torch_runtime import weights_digest

    given, wanted = Request(dataset, base, **request), options or MergeOptions()
    pair = Pair.of(base, Path(tuned).expanduser(), given.settings)
    reranks = pair.kind == "reranker"
    splits, rest = divided(given, wanted.seed)
    hashes = splits.as_dict()["hash"]
    if wanted.weight is None:
        pair.require_dev(hashes)
    settings = {
        "base": None,  # its weights count, not its name
        "tuned_weights": weights_digest(pair.tuned),
        **wanted.as_dict(),
        "pipeline": given.sections(**dict.fromkeys(PIPELINE)) if reranks else None,
    }
    with opened(f"merge of {pair.kind}s", given, pair.base, splits, rest, settings, MergeOptions().as_dict()) as run:
        work = Scorer(run, given, pair.base, splits, rest)

        def scored(name: str, what: str, model: Path | None, used: Settings) -> Mapping[str, Any]:
            fingerprint = depends(model, used) if reranks or model is None else [weights_digest(model), None]
            return work.scored(name, what, partial(measured, given, used, pair.leg), fingerprint)

        notes = pair.notes(hashes)
        before = scored("base", "the base", pair.base, pair.used(pair.base))
        if reranks and not pair.fresh:
            nothing = without_reranker(given.settings)
            without = scored("without", "the pipeline without a reranker", None, nothing)
            before, named = opponent(without, before, splits.test)
            notes.append(f"before is the pipeline {named}")
        curve, chosen = None, wanted.weight
        if chosen is None:
            with work.stage("choose the weight") as tick:
                curve = merge_curve(
                    pair.base,
                    pair.tuned,
                    lambda folder: partial(measured, given, pair.used(folder), pair.leg),
                    splits.dev,
                    rest,
                    work=run.path / "merge",
                    weights=wanted.weights,
                    max_loss=given.max_loss,
                    queries=wanted.queries,
                    documents=wanted.documents,
                    seed=wanted.seed,
                    progress=tick,
                )
            chosen = curve.chosen
        run.step("merge", lambda: str(merge_folders(pair.base, pair.tuned, chosen, work.model).name))
        after = scored("tuned", "the merged model", work.model, pair.used(work.model))
        notes = [f"{chosen:g} x tuned + {1 - chosen:g} x base", *notes]
        proof = prove(before, after, splits.test, rest, max_loss=given.max_loss, notes=[*splits.notes, *notes])
        proof.save(run.path)
        lines = pair.lines(work.model)
        taken = replace(wanted, weight=chosen)
        write_card(work, pair.kind, taken, proof, curve=curve, notes=notes, toml=lines[3:])
        return Merged(work.model, pair.kind, chosen, curve, proof, splits, notes, lines)
