"""The encoding cache of ingestion and evaluation: the model's own vectors, once, and how long a question took."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core.schema import Document

from indexes.encoders import build_encoder
from indexes.encoders.base import CountsTokens, Encoded, Encoder
from indexes.encoders.cache import CachedEncoder, CachedPaired, cached
from indexes.encoders.paired import PairedEncoder
from indexes.nodes import build_splitter
from indexes.settings.sections import IndexSettings, SplitSettings

TEXTS = ["One.", "Two two.", "One.", "三。", "half \ud800 a pair"]


class FakeModel:
    """A ``DenseModel`` of random vectors that keeps what it was asked."""

    model, weights, dim, max_tokens, pooling = "fake", "1", 64, 16, "mean"
    prompts = {"query": "q: ", "document": ""}

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        self.asked += texts
        time.sleep(0.02 * query)
        rows = np.random.default_rng(len(self.asked)).normal(size=(len(texts), self.dim)).astype(np.float32)
        return Encoded(rows, None, tuple(i for i, text in enumerate(texts) if len(text) > self.max_tokens))


def paired(**sparse: Any) -> tuple[FakeModel, PairedEncoder]:
    from indexes.encoders.bm25 import Bm25

    model = FakeModel()
    return model, PairedEncoder(model, Bm25(IndexSettings(sparse=sparse).sparse))


def learned(folder: Path) -> Encoder:
    return build_encoder(IndexSettings.model_validate({"encoder": {"provider": "bge_m3", "model": str(folder)}}))


def test_vectors_come_back_bit_for_bit(tmp_path: Path) -> None:
    model, encoder = paired()
    with_cache = cached(encoder, tmp_path)
    assert isinstance(with_cache, CachedPaired) and cached(with_cache, None) is with_cache
    assert with_cache.fingerprint == encoder.fingerprint
    first = with_cache.encode_documents([*TEXTS, "x" * 20])
    assert len(model.asked) == 5 and first.truncated == (5,)
    assert (with_cache.stats.found, with_cache.stats.encoded) == (1, 5)
    with_cache.close()
    again = with_cache.encode_documents([*TEXTS, "x" * 20])  # it opens again
    with_cache.close()
    other_model, other = paired(k1=1.7)  # BM25's parameters change no vector
    third = cached(other, tmp_path).encode_documents([*TEXTS, "x" * 20])
    assert len(model.asked) == 5 and other_model.asked == []
    for encoded in (again, third):
        np.testing.assert_array_equal(encoded.dense, first.dense)
        assert encoded.truncated == (5,)
        assert [s.indices.tolist() for s in encoded.sparse or []] == [s.indices.tolist() for s in first.sparse or []]


def test_a_learned_sparse_side_is_kept_too(tmp_path: Path, m3_folder: Path) -> None:
    encoder = learned(m3_folder)
    first, again = (cached(encoder, tmp_path).encode_documents(TEXTS[:4]) for _ in range(2))
    direct = encoder.encode_documents(TEXTS[:4])
    np.testing.assert_allclose(first.dense, direct.dense, atol=2e-2)  # bfloat16, other batches
    np.testing.assert_array_equal(first.dense, again.dense)
    for one, other, plain in zip(first.sparse or [], again.sparse or [], direct.sparse or [], strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        assert one.indices.tolist() == other.indices.tolist() == plain.indices.tolist()


def test_headings_are_for_the_dense_side_and_not_for_bm25(tmp_path: Path) -> None:
    model, encoder = paired()
    encoded = cached(encoder, tmp_path).encode_documents(["Harbour. The ferry."], ["The ferry."])
    assert model.asked == ["Harbour. The ferry."]
    assert encoder.lexical is not None and encoded.sparse is not None
    assert encoded.sparse[0].indices.tolist() == encoder.lexical.encode_documents(["ferry"])[0].indices.tolist()


def test_a_question_is_no_document_and_tells_its_time_again(tmp_path: Path) -> None:
    model, encoder = paired()
    with_cache = cached(encoder, tmp_path)
    with_cache.encode_documents(["One."])
    with_cache.encode_queries(["One."])
    assert model.asked == ["One.", "One."]
    first = with_cache.last_query_ms
    assert first >= 20
    with_cache.encode_queries(["One."])
    assert len(model.asked) == 2 and with_cache.last_query_ms >= 0.9 * first


def test_nothing_is_kept_where_nothing_shall_be(tmp_path: Path) -> None:
    for folder, limit in ((None, None), (tmp_path, 0)):
        model, encoder = paired()
        with_cache = cached(encoder, folder, limit_mb=limit)
        for _ in range(2):
            assert len(with_cache.encode_documents(["One.", "One."])) == 2
        assert model.asked == ["One.", "One."], "once in each call"
        with_cache.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [1, None])
def test_the_oldest_go_when_a_limit_is_passed(tmp_path: Path, limit: int | None) -> None:
    """Without one, as in an evaluation, nothing is ever removed."""
    model, encoder = paired()
    with_cache = cached(encoder, tmp_path, limit_mb=limit)
    with_cache.encode_documents([f"Sentence {number}." for number in range(10_000)])
    assert with_cache.vectors.path is not None
    with_cache.close()
    size = with_cache.vectors.path.stat().st_size
    assert (size <= 1 << 20) == (limit is not None)
    asked = len(model.asked)
    with_cache.encode_documents(["Sentence 9999."])
    assert len(model.asked) == asked
    with_cache.encode_documents(["Sentence 0."])
    assert len(model.asked) == asked + (limit is not None)


def test_files_of_version_0_1_0_are_replaced(tmp_path: Path, m3_folder: Path) -> None:
    _, encoder = paired()
    both = learned(m3_folder)
    assert encoder.lexical is not None
    first = replace(encoder.fingerprint, sparse=encoder.lexical.parameters_under(1))
    for fingerprint in (first, both.fingerprint):
        with closing(sqlite3.connect(tmp_path / f"{fingerprint.digest}.sqlite")) as old:
            old.execute("CREATE TABLE vectors (key BLOB PRIMARY KEY, dense BLOB NOT NULL, sparse BLOB, truncated INT)")
    for one in (encoder, both):
        with_cache = cached(one, tmp_path)
        assert len(with_cache.encode_documents(["One."])) == 1
        with_cache.close()
    assert not (tmp_path / f"{first.digest}.sqlite").exists(), "it is named by its model alone now"
    assert len(list(tmp_path.glob("*.sqlite"))) == 2


def test_tokens_are_counted_and_cut_as_the_model_does(tmp_path: Path, m3_folder: Path) -> None:
    plain = learned(m3_folder)
    with_cache = cached(plain, tmp_path)
    assert isinstance(with_cache, CachedEncoder) and isinstance(with_cache, CountsTokens)
    long = " ".join(["the ferry waited until the horn had sounded three times,"] * 40)
    assert with_cache.count_tokens([long, ""]) == plain.count_tokens([long, ""])  # type: ignore[attr-defined]
    cut, other = (
        [r.text for r in build_splitter(SplitSettings(), e)(Document(text=long))] for e in (with_cache, plain)
    )
    assert len(cut) > 1 and cut == other
    assert not with_cache.encode_documents(cut).truncated


def test_what_an_evaluation_of_version_0_1_0_kept_is_found(tmp_path: Path) -> None:
    model, encoder = paired()
    with_cache = cached(encoder, tmp_path)
    key, vector = hashlib.sha256(b"1dOne.").digest()[:16], np.arange(64, dtype="<f4")
    assert with_cache.vectors.path is not None
    with_cache.vectors.path.unlink()
    with closing(sqlite3.connect(with_cache.vectors.path)) as old:
        columns = "key BLOB PRIMARY KEY, dense BLOB, indices BLOB, weights BLOB, cut INTEGER, ms REAL"
        old.execute(f"CREATE TABLE vectors ({columns}) WITHOUT ROWID")
        old.execute("INSERT INTO vectors VALUES (?, ?, NULL, NULL, 0, 3.5)", (key, vector.tobytes()))
        old.commit()
    with_cache.close()
    encoded = cached(encoder, tmp_path).encode_documents(["One.", "Two."])
    np.testing.assert_array_equal(encoded.dense[0], vector)
    assert model.asked == ["Two."]
