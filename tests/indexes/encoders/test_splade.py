"""SPLADE beside a dense model: the weights of its own formula, names and headings among the words, an index of both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from indexes import build_index
from indexes.encoders import build_encoder
from indexes.encoders.cache import cached
from indexes.encoders.paired import PairedEncoder
from indexes.encoders.splade import Splade, sparse_head
from indexes.errors import EncoderError, SettingsError
from indexes.settings.sections import IndexSettings
from rag import build_retriever, load_settings
from rag.settings import Settings
from tests.tiny_models import tiny_bert, tiny_splade

TEXTS = [
    "The lamp of the tower is lit at dusk.",
    "Rye bread is baked before dawn, and nobody in the village sleeps then.",
    "Boats leave at noon.",
]
HEADINGS = ["Lighthouse", "Bakery", "Ferry"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_splade(tmp_path_factory.mktemp("splade") / "model", [*TEXTS, *HEADINGS, "Which when who village"])


@pytest.fixture(scope="module")
def settings(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(
        encoder={"provider": "minilm", "model": "minilm", "device": "cpu"},
        sparse={"kind": "splade", "model": str(model), "window": 0},
        rerank={"provider": "none"},
        llm={"provider": "none"},
        store={"path": str(tmp_path_factory.mktemp("store"))},
    )


@pytest.fixture(scope="module")
def encoder(settings: Settings) -> PairedEncoder:
    found = build_encoder(settings)
    assert isinstance(found, PairedEncoder)
    return found


@pytest.fixture(scope="module")
def index(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    folder = tmp_path_factory.mktemp("village")
    for heading, text in zip(HEADINGS, TEXTS, strict=True):
        (folder / f"{heading.lower()}.md").write_text(f"# {heading}\n\n{text}\n", encoding="utf-8")
    with build_index(folder, settings=settings) as built:
        yield built


def test_a_terms_weight_is_the_largest_over_the_tokens_of_the_masked_language_model(
    model: Path, encoder: PairedEncoder
) -> None:
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer, network = AutoTokenizer.from_pretrained(model), AutoModelForMaskedLM.from_pretrained(model).eval()
    assert encoder.lexical is not None
    for text, found in zip(TEXTS, encoder.lexical.encode_documents(TEXTS), strict=True):
        with torch.inference_mode():
            logits = network(**tokenizer(text, return_tensors="pt")).logits[0]
        wanted = torch.log1p(torch.relu(logits)).max(0).values.numpy()
        assert found.indices.tolist() == np.flatnonzero(wanted).tolist()
        np.testing.assert_allclose(found.values, wanted[found.indices], rtol=1e-4, atol=1e-5)


def test_texts_are_read_in_batches_and_come_back_in_their_order(encoder: PairedEncoder) -> None:
    lexical = encoder.lexical
    assert isinstance(lexical, Splade)
    many = [TEXTS[number % 3] * (1 + number % 2) for number in range(20)]
    lexical._budget = 32
    for text, found in zip(many, lexical.encode_documents(many), strict=True):
        (alone,) = lexical.encode_documents([text])
        assert found.indices.tolist() == alone.indices.tolist()
        np.testing.assert_allclose(found.values, alone.values, atol=1e-5)
    assert lexical.encode_documents([]) == []


def test_the_index_records_it_and_the_sparse_leg_finds_by_words_and_headings(index: object, settings: Settings) -> None:
    retrieval = settings.retrieval.model_copy(update={"fusion": "sparse"})
    retriever = build_retriever(index, settings=settings.model_copy(update={"retrieval": retrieval}))  # type: ignore[arg-type]
    for question, file in (("lamp dusk", "lighthouse"), ("rye bread", "bakery"), ("boats noon", "ferry")):
        assert file in retriever.search(question).candidates[0].record.doc_id.lower()
    # No sentence holds the word: the heading's own vector is part of the sentence's.
    assert "bakery" in retriever.search("bakery").candidates[0].record.doc_id.lower()
    assert index.encoder.fingerprint.sparse.startswith("splade:")  # type: ignore[attr-defined]


def test_a_text_is_encoded_once(encoder: PairedEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cached(encoder, tmp_path)
    expected = first.encode_documents(TEXTS).sparse
    first.close()
    monkeypatch.setattr(Splade, "_encode", lambda *_: pytest.fail("encoded again"))
    again = cached(encoder, tmp_path)
    found = again.encode_documents(TEXTS).sparse
    again.close()
    assert expected is not None and found is not None
    for one, other in zip(expected, found, strict=True):
        assert one.indices.tolist() == other.indices.tolist() and one.values.tolist() == other.values.tolist()


def test_what_cannot_be_a_sparse_encoder_is_refused(tmp_path: Path) -> None:
    def built(model: str | None) -> None:
        build_encoder(
            IndexSettings.model_validate(
                {
                    "encoder": {"provider": "minilm", "model": "minilm", "device": "cpu"},
                    "sparse": {"kind": "splade", "model": model},
                }
            )
        )

    with pytest.raises(SettingsError, match=r"sparse\.kind = 'splade' needs sparse\.model"):
        built(None)
    with pytest.raises(EncoderError, match="neither a folder nor a hub name"):
        built("./nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EncoderError, match="cannot be loaded as a sparse encoder"):
        built(str(tmp_path / "empty"))
    dense = tiny_bert(tmp_path / "dense", TEXTS)  # sentence-transformers would put a random head on it
    with pytest.raises(EncoderError, match="no head that gives terms"):
        built(str(dense))
    module = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
    (dense / "modules.json").write_text(json.dumps([module]), encoding="utf-8")
    with pytest.raises(EncoderError, match="no head that gives terms"):
        built(str(dense))
    module["type"] = "mine.SparsePooling"
    (dense / "modules.json").write_text(json.dumps([module]), encoding="utf-8")
    assert sparse_head(dense) == "SparsePooling"
    code = tiny_splade(tmp_path / "code", TEXTS)
    (code / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": "mine.Tokenizer"}}', encoding="utf-8")
    with pytest.raises(EncoderError, match="runs code of its own"):
        built(str(code))
