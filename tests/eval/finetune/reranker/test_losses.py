"""Each loss teaches a tiny cross-encoder which kind of note answers, from labels or from a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eval.finetune.lessons.training_set import Example, TrainingSet
from eval.finetune.reranker.options import RerankerOptions
from eval.finetune.reranker.rows import CandidateList, training_rows
from eval.finetune.reranker.train import start_model, train_reranker
from eval.finetune.training.request import base_folder
from eval.finetune.training.trainer import TrainingFolder
from tests.eval.finetune.harbour import ANSWER, KINDS, documents, questions, tiny_bert


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("losses")
    return start_model(tiny_bert(folder / "bert"), "bert", folder / "start", RerankerOptions(dtype="float32"))


def notes(place: int) -> tuple[str, str, str, list[str]]:
    """(id, question, the note that answers, the ship's other notes)."""
    query, (question, note) = list(questions().items())[place]
    ship = note.rpartition("-")[0]
    return query, question, note, [f"{ship}-{kind}" for kind in KINDS if kind != ANSWER]


def train_on_notes(start: Path, out: Path, loss: Any, epochs: int = 4) -> Any:
    """Twenty questions to train on and ten to choose by."""
    texts = {name: text for name, (_, text) in documents().items()}
    rows_of = [notes(place) for place in range(20)]
    mined = TrainingSet([Example(q, asked, (note,), tuple(others)) for q, asked, note, others in rows_of], texts)
    taught = {q: {note: 0.0} | dict.fromkeys(others, -2.0) for q, _, note, others in rows_of}
    training = RerankerOptions(
        loss=loss, epochs=epochs, negatives=3, lr=3e-3, evaluations=2, patience=0, dtype="float32"
    )
    scores = taught if loss == "margin_mse" else None
    rows = training_rows(mined, loss, negatives=3, epochs=epochs, seed=7, scores=scores)
    dev = []
    for place in range(20, 30):
        query, asked, note, others = notes(place)
        names = [*others, note]
        dev.append(CandidateList(query, asked, names, [texts[n] for n in names], [0.5] * 4, {note: 1}))
    return train_reranker(start, "bert", rows, dev, TrainingFolder(out, out / "model"), training)


@pytest.mark.parametrize("loss", ["bce", "lambda", "listnet", "margin_mse"])
def test_every_loss_learns(loss: Any, start: Path, tmp_path: Path) -> None:
    found = train_on_notes(start, tmp_path, loss)
    assert found.best_dev > found.first_dev + 0.3
    losses = [row["loss"] for row in found.curve if "loss" in row]
    assert losses[-1] < losses[0]
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_pairs_read_by_length_cost_what_the_library_says(start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same loss and gradients as over lists as they stand, in passes of little padding."""
    import torch
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder.losses import ListNetLoss

    from eval.finetune.reranker import losses as reranker_losses

    model = CrossEncoder(str(start), device="cpu", local_files_only=True).eval()
    texts = [text for _, text in documents().values()]
    lists = [["Alcon", texts[0], texts[1][:30]], [" ".join(texts[2:5]), "quay"], [texts[6], texts[7], "oak", "noon"]]
    inputs = [["Where?", "Where did the Alcon land her cargo?", "When?"], lists]
    labels = [torch.tensor([float(i == 1) for i, _ in enumerate(row)]) for row in lists]
    shapes: list[tuple[int, int]] = []
    real = model.forward

    def spied(features: dict[str, Any], **options: Any) -> Any:
        shapes.append(tuple(features["input_ids"].shape))
        return real(features, **options)

    def figures(loss: Any) -> tuple[float, torch.Tensor]:
        model.zero_grad()
        value = loss(inputs, labels)
        value.backward()
        return value.item(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    wanted, slope = figures(ListNetLoss(model, mini_batch_size=-1))
    monkeypatch.setattr(model, "forward", spied)
    monkeypatch.setattr(reranker_losses, "CPU_TOKENS", 48)
    by_length: Any = reranker_losses.ByLength(model)
    found, own_slope = figures(ListNetLoss(by_length, mini_batch_size=-1))
    assert found == pytest.approx(wanted, rel=1e-5) and found > 0.1
    torch.testing.assert_close(own_slope, slope, rtol=1e-4, atol=1e-6)
    assert sum(rows for rows, _ in shapes) == 9 and len(shapes) > 2
    assert all(rows == 1 or rows * width <= 48 for rows, width in shapes)
    assert [width for _, width in shapes] == sorted(width for _, width in shapes)


def test_an_encoder_becomes_a_cross_encoder_without_a_word_of_the_library(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start_model(base_folder("minilm"), "minilm", tmp_path / "start", RerankerOptions(dtype="float32", device="cpu"))
    assert (tmp_path / "start/model.safetensors").is_file() and not caplog.records
