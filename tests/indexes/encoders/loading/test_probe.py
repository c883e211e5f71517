"""A model folder that is not whole, or that brings code, is refused in one sentence, and no code of it runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexes.encoders.base import Encoded, SparseVector
from indexes.encoders.bge_m3 import BgeM3
from indexes.encoders.loading.probe import check_tells_apart, check_vocabulary, refuse_code
from indexes.encoders.sentence_transformer import SentenceTransformerModel
from indexes.encoders.vectors import EMPTY_SPARSE
from indexes.errors import EncoderError, RerankerError
from indexes.settings.sections import EncoderSettings
from rag.rerankers.cross_encoder import load_cross_encoder
from rag.rerankers.llm_based import load_llm_reranker
from rag.settings import RerankSettings

KINDS: list[Callable[[EncoderSettings], object]] = [BgeM3, SentenceTransformerModel]


@pytest.fixture
def folder(m3_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(m3_folder, tmp_path / "model"))


def settings(folder: Path) -> EncoderSettings:
    return EncoderSettings(model=str(folder), device="cpu", dtype="float32")


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_without_its_tokenizer_is_refused(folder: Path, kind: Callable[[EncoderSettings], object]) -> None:
    for file in [*folder.glob("tokenizer*"), *folder.glob("*.model"), *folder.glob("vocab*")]:
        file.unlink()
    with pytest.raises(EncoderError, match=r"tokenizer|same vector|no term|cannot be loaded"):
        kind(settings(folder))


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_weights_are_explained(folder: Path, kind: Callable[[EncoderSettings], object]) -> None:
    weights = next(folder.glob("model*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(EncoderError, match="cannot be loaded as a"):
        kind(settings(folder))


def test_a_model_of_one_vector_is_refused(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = next(folder.glob("model*.safetensors"))
    state = load_file(weights)
    flat = {name: value * 0 if "output" in name or "embeddings" in name else value for name, value in state.items()}
    save_file(flat, weights, metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=r"the same vector|no usable vector"):
        BgeM3(settings(folder))


def test_what_a_probe_refuses() -> None:
    alike, apart = np.full((2, 4), 0.5, np.float32), np.eye(2, 4, dtype=np.float32)
    term = SparseVector(np.array([3], np.uint32), np.ones(1, np.float32))
    with pytest.raises(EncoderError, match="the same vector"):
        check_tells_apart(Encoded(alike), model="m")
    with pytest.raises(EncoderError, match="finds no term in two texts"):
        check_tells_apart(Encoded(apart, [EMPTY_SPARSE, EMPTY_SPARSE]), model="m")
    check_tells_apart(Encoded(apart, [EMPTY_SPARSE, term]), model="m")
    for tokens in (5, 200):  # of a missing tokenizer, and of another model's
        with pytest.raises(EncoderError, match=rf"knows {tokens} tokens, but the model has embeddings for 100"):
            check_vocabulary(range(tokens), 100, model="m")
    check_vocabulary(range(90), 100, model="m")


def evil(folder: Path) -> Path:
    """Code that leaves a mark wherever it runs, in each of the ways in which a folder can bring it."""
    mark = folder / "it-ran"
    (folder / "evil.py").write_text(f"open({str(mark)!r}, 'w').close()\nclass Evil: ...\n", encoding="utf-8")
    return mark


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "modules.json"])
@pytest.mark.parametrize("kind", KINDS)
def test_code_of_a_folder_never_runs(folder: Path, kind: Callable[[EncoderSettings], object], file: str) -> None:
    mark = evil(folder)
    place = folder / file
    if file == "modules.json":
        place.write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "evil.Evil"}]), encoding="utf-8")
    else:
        content = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
        content["auto_map"] = {
            "AutoConfig": "evil.Evil",
            "AutoModel": "evil.Evil",
            "AutoTokenizer": ["evil.Evil", None],
        }
        place.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(EncoderError, match=r"code of its own .*encoder.trust_remote_code = true"):
        kind(settings(folder))
    for load in (load_cross_encoder, load_llm_reranker):
        with pytest.raises(RerankerError, match=r"rerank.trust_remote_code = true"):
            load(RerankSettings(model=str(folder), device="cpu"))
    refuse_code(folder, "x", trusted=True, section="encoder")
    assert not mark.exists()
