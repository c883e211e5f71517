"""Prove a training on several sides of the index: hybrid search, which decides, and each leg alone."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from eval.finetune.embedder.steps import EmbedderWork
from eval.finetune.proof.card import Kind, toml_lines
from eval.finetune.proof.proof import Proof
from eval.finetune.proof.tuned import TunedModel
from eval.finetune.weights.soup import soup_notes

if TYPE_CHECKING:
    from rag.settings import Settings


@dataclass
class TunedSides(TunedModel):
    """The result of a run, with a proof for each side; ``proof`` is that of hybrid search, which decides."""

    proofs: dict[str, Proof] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"sides": {side: proof.as_dict() for side, proof in self.proofs.items()}}


@dataclass
class SidesWork(EmbedderWork):
    """The steps of an embedder's run, with each of ``sides`` measured before and after."""

    kind: ClassVar[Kind]
    sides: ClassVar[tuple[str, ...]]  # the first decides
    sides_note: ClassVar[str] = ""  # what a reader must know about them

    @abstractmethod
    def weights_of(self, settings: Settings) -> Path:
        """Return the folder of the model to tune, given a pipeline's settings."""

    def notes_of(self) -> list[str]:
        """Return further notes on the tuned model."""
        return []

    def proved(self) -> TunedSides:
        from eval.finetune.proof.card import write_card
        from eval.finetune.proof.proof import prove

        before = self.scores("base", self.settings_of(None))
        mined, candidates, report = self.mined()
        each = self.trainings(mined, candidates)
        curve = self.merged()
        after = self.scores("tuned", self.settings_of(self.model))
        notes = [*mined.notes, *dict.fromkeys(note for one in each for note in one.notes), *soup_notes(each)]
        notes += [*(curve.notes if curve else []), *self.notes_of()]
        lines = [*self.splits.notes, *notes, *filter(None, [self.sides_note])]
        test, max_loss = self.splits.test, self.request.max_loss
        proofs = {
            side: prove(before[side], after[side], test, self.others, max_loss=max_loss, notes=lines)
            for side in self.sides
        }
        proof = proofs[self.sides[0]]
        for side in self.sides[1:]:
            if proofs[side].verdict.startswith("worse"):
                proof.warnings.append(f"the {side} side alone is {proofs[side].verdict}")
        for side, one in proofs.items():
            one.save(self.run.path if side == self.sides[0] else self.run.path / side)
        verdicts = [f"{side} side: {proofs[side].verdict}" for side in self.sides[1:]]
        noted = [*verdicts, *notes]
        write_card(self, self.kind, self.options, proof, data_hash=mined.hash, curve=curve, notes=noted)
        self.clear("checkpoints*", f"{self.trained_folder.name}-*")
        use, seconds = toml_lines(self.kind, self.model.resolve()), self.run.seconds
        return TunedSides(self.model, proof, self.splits, each[0], report, notes, use, seconds, curve, proofs=proofs)

    def scores(self, name: str, settings: Settings) -> dict[str, dict[str, Any]]:
        """Return side -> runs of one model on the test questions and elsewhere; each index is built once."""
        from indexes.encoders.torch_runtime import weights_digest

        weights, found = weights_digest(self.weights_of(settings)), {}
        for side in self.sides:
            measure, depends = self.measure(side, settings)
            found[side] = self.scored(f"{name}/{side}", f"the {name} model ({side})", measure, [weights, *depends])
        return found
