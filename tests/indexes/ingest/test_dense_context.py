"""split.dense_context reaches the stored vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from llama_index.core.schema import Document

from indexes import build_index
from indexes.encoders import build_encoder
from indexes.nodes.record import point_id
from indexes.settings.sections import EncoderSettings, IndexSettings, SplitSettings, StoreSettings
from tests.indexes.encoders.dense_oracle import add_context

TEXT = "The kiln is fired on Mondays. It holds forty bowls. They cool for two days."


@pytest.mark.parametrize("of", ["window", "document"])
def test_stored_vectors_hold_a_share_of_their_surroundings(tmp_path: Path, of: str) -> None:
    settings = IndexSettings(
        encoder=EncoderSettings(provider="minilm", model="minilm"),
        split=SplitSettings(dense_context=0.5, dense_context_of=of),
        store=StoreSettings(path=tmp_path / "store"),
    )
    encoder = build_encoder(settings)
    with build_index([Document(id_="d", text=TEXT)], settings=settings, encoder=encoder) as index:
        ids = [point_id("d", place) for place in range(3)]
        records = index.client.retrieve(index.collection, ids=ids, with_vectors=True)
    stored = {str(record.id): record.vector for record in records}
    found = np.array([vector["dense"] if isinstance(vector, dict) else vector for vector in map(stored.get, ids)])
    sentences = [part + "." for part in TEXT.rstrip(".").split(". ")]
    sentences = [part.strip(".") + "." for part in sentences]
    plain = encoder.encode_documents(sentences).dense
    np.testing.assert_allclose(found, add_context(plain, [0, 0, 0], 0.5, 3), atol=0.02)  # kept as float16
    assert np.abs(found - plain).max() > 0.02
