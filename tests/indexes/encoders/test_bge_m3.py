"""Our forward pass against the real FlagEmbedding on a tiny XLM-R checkpoint."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from indexes.encoders.base import Encoder, SparseVector
from indexes.encoders.bge_m3 import BgeM3, LearnedLexical
from indexes.encoders.torch_runtime import cpu_computes_bfloat16
from indexes.errors import EncoderError
from indexes.settings.sections import EncoderSettings
from tests.indexes.encoders.encoder_fixtures import TEXTS


def encoder(folder: Path, **more: object) -> BgeM3:
    return BgeM3(EncoderSettings.model_validate({"model": str(folder), "device": "cpu", "dtype": "float32"} | more))


@pytest.fixture(scope="module")
def ours(m3_folder: Path) -> BgeM3:
    return encoder(m3_folder)


@pytest.fixture(scope="module")
def theirs(m3_folder: Path) -> dict:
    from FlagEmbedding import BGEM3FlagModel

    model = BGEM3FlagModel(str(m3_folder), use_fp16=False, devices="cpu")
    return model.encode(TEXTS, return_dense=True, return_sparse=True, return_colbert_vecs=False)


def as_dict(vector: SparseVector) -> dict[int, float]:
    return dict(zip(vector.indices.tolist(), vector.values.tolist(), strict=True))


@pytest.mark.parametrize("batch_tokens", [64, 4096])
def test_the_same_vectors_as_flag_embedding(m3_folder: Path, theirs: dict, batch_tokens: int) -> None:
    encoded = encoder(m3_folder, batch_tokens=batch_tokens).encode_documents(TEXTS)
    np.testing.assert_allclose(encoded.dense, theirs["dense_vecs"], atol=2e-6)
    assert encoded.sparse is not None and encoded.truncated == ()
    for vector, expected in zip(encoded.sparse, theirs["lexical_weights"], strict=True):
        wanted = {int(key): float(value) for key, value in expected.items()}
        assert as_dict(vector) == pytest.approx(wanted, abs=2e-6)
        assert len(vector) > 0 and vector.indices.dtype == np.uint32 and vector.values.dtype == np.float32
        assert (np.diff(vector.indices.astype(np.int64)) > 0).all()


def test_it_is_an_encoder_with_unit_rows(ours: BgeM3) -> None:
    assert isinstance(ours, Encoder)
    encoded = ours.encode_queries(TEXTS[:2])
    assert encoded.dense.shape == (2, ours.dim) == (2, 64) and encoded.dense.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(encoded.dense, axis=1), 1, atol=1e-6)
    empty = ours.encode_documents([])
    assert empty.dense.shape == (0, 64) and empty.sparse == []


def test_special_tokens_never_become_terms(ours: BgeM3) -> None:
    encoded = ours.encode_documents(["", "€€€", *TEXTS])
    assert encoded.sparse is not None and len(encoded.sparse[0]) == 0
    assert all(set(vector.indices.tolist()).isdisjoint({0, 1, 2, 3}) for vector in encoded.sparse)


def test_truncation_is_reported(ours: BgeM3, m3_folder: Path) -> None:
    long = "lighthouse keeper " * 200
    assert ours.max_tokens == 128
    assert ours.encode_documents(["short", long, "short"]).truncated == (1,)
    assert encoder(m3_folder, max_tokens=16).encode_queries([TEXTS[4]]).truncated == (0,)
    with pytest.raises(EncoderError, match=r"max_tokens = 900, but the model has positions for 128 tokens"):
        encoder(m3_folder, max_tokens=900)


@pytest.mark.skipif(not cpu_computes_bfloat16(), reason="this processor does not compute in bfloat16")
def test_bfloat16_stays_close(ours: BgeM3, m3_folder: Path) -> None:
    half = encoder(m3_folder, dtype="bfloat16").encode_documents(TEXTS)
    assert (half.dense * ours.encode_documents(TEXTS).dense).sum(axis=1).min() > 0.9995


def test_prompts_dimensions_and_fingerprint(ours: BgeM3, m3_folder: Path) -> None:
    other = encoder(m3_folder, query_prompt="The lighthouse ", dimensions=16)
    assert other.encode_queries(["keeper"]).dense.shape == (1, 16)
    whole = ours.encode_documents(["The lighthouse keeper"]).dense[:, :16]
    expected = whole / np.linalg.norm(whole)
    np.testing.assert_allclose(other.encode_queries(["keeper"]).dense, expected, atol=1e-6)
    assert ours.fingerprint.sparse == "learned" and ours.fingerprint.weights
    assert ours.fingerprint.digest != other.fingerprint.digest


def test_a_moved_folder_is_the_same_model(ours: BgeM3, m3_folder: Path, tmp_path: Path) -> None:
    moved = encoder(Path(shutil.copytree(m3_folder, tmp_path / "moved")))
    assert moved.fingerprint.digest == ours.fingerprint.digest


def test_many_threads_get_their_own_answers(ours: BgeM3) -> None:
    expected = [ours.encode_queries([text]).dense[0] for text in TEXTS]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: ours.encode_queries([text]).dense[0], TEXTS * 5))
    for i, row in enumerate(found):
        np.testing.assert_allclose(row, expected[i % len(TEXTS)], atol=1e-6)


def test_windows_take_the_largest_weight() -> None:
    a = SparseVector(np.array([2, 9], np.uint32), np.array([0.5, 0.1], np.float32))
    b = SparseVector(np.array([9, 11], np.uint32), np.array([0.4, 0.3], np.float32))
    empty = SparseVector(np.empty(0, np.uint32), np.empty(0, np.float32))
    assert as_dict(LearnedLexical().pool([a, empty, b])) == pytest.approx({2: 0.5, 9: 0.4, 11: 0.3})
    assert len(LearnedLexical().pool([empty])) == len(LearnedLexical().pool([])) == 0


def test_a_head_in_safetensors_is_read(ours: BgeM3, m3_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder = Path(shutil.copytree(m3_folder, tmp_path / "safe"))
    save_file(torch.load(folder / "sparse_linear.pt", weights_only=True), folder / "sparse_linear.safetensors")
    (folder / "sparse_linear.pt").unlink()
    sparse = encoder(folder).encode_documents(TEXTS[:1]).sparse
    expected = ours.encode_documents(TEXTS[:1]).sparse
    assert sparse and expected and as_dict(sparse[0]) == pytest.approx(as_dict(expected[0]))


class Harmful:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("harm-was-done"),))


def test_broken_checkpoints_are_named(m3_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(m3_folder, tmp_path / "broken"))
    torch.save({"weight": Harmful()}, folder / "sparse_linear.pt")
    with pytest.raises(EncoderError, match="cannot be read"):
        encoder(folder)
    assert not (tmp_path / "harm-was-done").exists()
    (folder / "sparse_linear.pt").unlink()
    with pytest.raises(EncoderError, match=r"no sparse_linear.pt.*sentence_transformer"):
        encoder(folder)
    (folder / "config.json").unlink()
    with pytest.raises(EncoderError, match="cannot be loaded as a model"):
        encoder(folder)


def test_unusable_vectors_and_texts_are_named(m3_folder: Path) -> None:
    broken = encoder(m3_folder)
    assert len(broken.encode_documents(["fine", "no\ud800"])) == 2  # one bad character ends no run
    with torch.no_grad():
        broken._network.embeddings.word_embeddings.weight.fill_(float("nan"))
    with pytest.raises(EncoderError, match="no usable vector for text 0"):
        broken.encode_documents(["keeper"])
