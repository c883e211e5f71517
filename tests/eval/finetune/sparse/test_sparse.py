"""``finetune sparse`` on a tiny SPLADE model: trained, stopped and continued, proved on both sides, served."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from eval.cli.main import main
from eval.datasets import load_dataset
from eval.finetune.embedder.rows import pair_columns
from eval.finetune.lessons.training_set import Example, TrainingSet
from eval.finetune.sparse.options import SparseOptions
from eval.finetune.sparse.run import finetune_sparse
from eval.finetune.sparse.train import load_base, losses_of, train
from eval.finetune.training.trainer import TrainingFolder
from indexes.encoders.loading.probe import UNLIKE
from indexes.encoders.splade import Splade
from indexes.errors import EncoderError
from rag import load_settings
from tests.eval.finetune.embedder.harbour import documents, questions, tiny_encoder, write_harbour
from tests.eval.finetune.embedder.test_embedder import data
from tests.eval.finetune.stopping import Stop
from tests.tiny_models import tiny_splade

QUICK = SparseOptions(epochs=3, batch=8, lr=5e-3, dtype="float32", device="cpu", evaluations=2, patience=0)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sparse")
    write_harbour(folder / "harbour")
    texts = [f"{title} {text}" for title, text in documents().values()] + [text for text, _ in questions().values()]
    tiny_splade(folder / "tiny", [*texts, *UNLIKE])
    tiny_encoder(folder / "dense")
    return folder


def run_training(place: Path, out: Path, options: SparseOptions = QUICK, stop_at: int = 0) -> Any:
    rows, pool = data(place / "harbour")

    def tick(step: int, _: int) -> None:
        if step == stop_at:
            raise Stop

    out.mkdir(exist_ok=True)
    return train(place / "tiny", "tiny", rows, pool, TrainingFolder(out, out / "model"), options, progress=tick)


def serving(model: Path) -> Splade:
    return Splade(load_settings(**{"sparse.kind": "splade", "sparse.model": str(model), "encoder.device": "cpu"}))


def test_a_stopped_training_continues_to_the_same_figures(place: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    with pytest.raises(Stop):
        run_training(place, tmp_path / "stopped", stop_at=5)  # of 9 steps; checkpoints are made after 2, 4, ...
    assert list((tmp_path / "stopped/checkpoints").glob("checkpoint-*")) and not (tmp_path / "stopped/model").exists()
    whole, continued = run_training(place, tmp_path / "whole"), run_training(place, tmp_path / "stopped")
    assert (continued.curve, continued.best_step) == (whole.curve, whole.best_step) and whole.steps == 9
    losses = [row["loss"] for row in whole.curve if "loss" in row]
    assert losses[-1] < losses[0] / 2  # it learned
    one, other = (load_file(tmp_path / name / "model/model.safetensors") for name in ("whole", "stopped"))
    assert all((one[name] == other[name]).all() for name in one)


def call(*arguments: object) -> Result:
    return CliRunner(env={"RAG_PROFILE": "offline"}).invoke(main, ["finetune", "sparse", *map(str, arguments)])


def test_the_command_proves_both_sides_and_the_index_serves_it(
    place: Path, tmp_path: Path, forbid_scoring: Callable[[], None]
) -> None:
    out = tmp_path / "out"
    dense = ("encoder.provider=sentence_transformer", f"encoder.model={place / 'dense'}", "encoder.device=cpu")
    given = [place / "harbour", "--base", place / "tiny", "--out", out, "--cache", tmp_path / "cache"]
    given += ["--epochs", 1, "--batch", 8, "--lr", "5e-3", "--merge", 0.5, "--pairs", 10]
    given += [part for one in dense for part in ("--set", one)]
    first = call(*given)
    assert first.exit_code in (0, 4), first.output
    sides = first.stdout.partition("MAP of each side")[2]
    assert [line.split()[0] for line in sides.splitlines()[2:4]] == ["hybrid", "sparse"]
    assert "both sides together, which decides" in first.stdout and "MRR@10" in first.stdout
    assert "mean number of terms per question (of 20):" in first.stdout
    proofs = [json.loads((folder / "proof.json").read_text()) for folder in (out, out / "sparse")]
    assert all(proof["in_domain"]["queries"] == 20 for proof in proofs)
    assert (first.exit_code == 0) is proofs[0]["better"]
    card = (out / "model/README.md").read_text()
    assert 'kind = "splade"' in card and "sparse side: " in card and "SparseEncoder(" in card
    left = {path.name for path in out.iterdir()}
    assert "trained" in left and not [name for name in left if name.startswith(("checkpoints", "trained-"))]
    before, after = (
        serving(folder).encode_queries(["Where did the Heron land salt?"])[0]
        for folder in (place / "tiny", out / "model")
    )
    assert before.values.tolist() != after.values.tolist()
    forbid_scoring()  # the same call again measures nothing, and shows the same
    again = call(*given)
    assert (again.stdout, again.exit_code) == (first.stdout, first.exit_code)
    assert "was started with pipeline.sparse.window" in call(*given, "--set", "sparse.window=1").stderr
    assert "was started with document_flops" in call(*given, "--document-flops", 0).stderr


def test_a_teacher_s_scores_are_learned_by_the_librarys_own_loss(place: Path) -> None:
    read = load_dataset(place / "harbour", "train")
    texts = {name: passage.content for name, passage in read.corpus.items()}
    names = list(texts)[:3]
    taught = TrainingSet([Example("q", "Who?", (names[0],), tuple(names[1:]))], texts)
    rows = pair_columns(taught, {"q": dict(zip(names, (5.0, 1.0, 2.0), strict=True))}, most=7)
    model = load_base(place / "tiny", "tiny", QUICK)
    losses = losses_of(
        model, {"taught": rows, "labelled": {"question": []}}, replace(QUICK, temperature=1.0, query_flops=0.5)
    )
    assert {(loss.document_regularizer_weight, loss.query_regularizer_weight) for loss in losses.values()} == {
        (3e-5, 0.5)
    }
    assert [type(loss.loss).__name__ for loss in losses.values()] == [
        "SparseDistillKLDivLoss",
        "SparseMultipleNegativesRankingLoss",
    ]
    vectors = [torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0]]), torch.tensor([[0.5, 0.0]])]
    teacher, student = torch.softmax(torch.tensor([[5.0, 1.0]]), 1), torch.log_softmax(torch.tensor([[2.0, 0.5]]), 1)
    expected = torch.nn.functional.kl_div(student, teacher, reduction="batchmean")
    found = losses["taught"].loss.compute_loss_from_embeddings(vectors, torch.tensor([rows["label"][0]]))
    assert found.item() == pytest.approx(expected.item())


def test_what_has_no_head_that_gives_terms_is_refused_before_anything_is_scored(place: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="is not a SPLADE model: it has no head that gives terms"):
        finetune_sparse(place / "harbour", str(place / "dense"), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    other = tmp_path / "other"
    other.mkdir()
    module = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.router.Router"}
    (other / "modules.json").write_text(json.dumps([module]))
    with pytest.raises(EncoderError, match="its head is Router"):
        finetune_sparse(place / "harbour", str(other), out=tmp_path / "out")
