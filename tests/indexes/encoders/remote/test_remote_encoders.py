"""Wire formats of Ollama and of OpenAI-compatible servers, against a real local HTTP server."""

from __future__ import annotations

import base64
import struct
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from indexes.encoders import build_encoder
from indexes.encoders.remote.ollama import OllamaModel
from indexes.encoders.remote.openai_api import OpenAIModel
from indexes.errors import EncoderError, SettingsError, TextError
from indexes.settings.sections import EncoderSettings, IndexSettings

LONG = 50  # characters the fake model reads


def vector(text: str) -> list[float]:
    return [float(len(text)), 1.0, 2.0, 0.5]


def fake_ollama(method: str, path: str, body: Any) -> tuple[int, Any]:
    if path == "/api/tags":
        return 200, {"models": [{"name": "nomic-embed-text:latest", "digest": "sha-of-nomic"}]}
    if body["model"] == "missing":
        return 404, {"error": 'model "missing" not found, try pulling it first'}
    texts = body["input"]
    if not body["truncate"] and any(len(text) > LONG for text in texts):
        return 400, {"error": "the input length exceeds the context length"}
    return 200, {"model": body["model"], "embeddings": [vector(text[:LONG]) for text in texts]}


def ollama(url: str, **more: object) -> OllamaModel:
    values = {"provider": "ollama", "model": "nomic-embed-text", "base_url": url, "timeout": 5} | more
    model = OllamaModel(EncoderSettings.model_validate(values), {})
    model.server.pause = lambda seconds: None
    return model


def test_ollama_request_and_answer(fake_server: Callable) -> None:
    server = fake_server(fake_ollama)
    model = ollama(server.url, num_gpu=0, keep_alive="1h", max_tokens=2048)
    encoded = model.embed(["雾", "harbour"], query=False)
    _, path, body, _ = server.requests[0]
    assert path == "/api/embed"
    assert body == {
        "model": "nomic-embed-text",
        "input": ["search_document: 雾", "search_document: harbour"],
        "truncate": False,
        "keep_alive": "1h",
        "options": {"num_gpu": 0, "num_ctx": 2048},
    }
    expected = np.array([vector("search_document: 雾"), vector("search_document: harbour")], np.float32)
    np.testing.assert_allclose(encoded.dense, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    model.embed(["why"], query=True)
    assert server.requests[-1][2]["input"] == ["search_query: why"]
    assert model.dim == 4 and model.weights == "sha-of-nomic" and model.max_tokens == 2048


def test_ollama_long_texts_are_cut_alone_and_reported(fake_server: Callable) -> None:
    server = fake_server(fake_ollama)
    texts = [f"text {i}" for i in range(150)]
    texts[70] = texts[149] = "x" * 80
    encoded = ollama(server.url, document_prompt="").embed(texts, query=False)
    assert encoded.truncated == (70, 149) and len(encoded) == 150
    expected = np.array([vector(text[:LONG]) for text in texts])
    np.testing.assert_allclose(encoded.dense, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    assert [r[2]["input"] for r in server.requests if r[2]["truncate"]] == [["x" * 80], ["x" * 80]]


def test_ollama_dimensions(fake_server: Callable) -> None:
    server = fake_server(fake_ollama)  # an old server ignores the key: cut here
    model = ollama(server.url, dimensions=2)
    dense = model.embed(["fog"], query=False).dense
    assert server.requests[0][2]["dimensions"] == 2 and dense.shape == (1, 2) and model.dim == 2
    assert np.linalg.norm(dense) == pytest.approx(1)


def test_busy_servers_are_asked_again(fake_server: Callable) -> None:
    answers = [(503, {"error": "server busy, please try again"}), (429, "slow down"), (200, {"embeddings": [[3, 4]]})]
    server = fake_server(lambda *request: answers.pop(0))
    assert ollama(server.url).embed(["fog"], query=False).dense.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)]]
    assert len(server.requests) == 3
    busy = fake_server(lambda *request: (503, {"error": "server busy"}))
    with pytest.raises(EncoderError, match=r"still busy after 4 retries \(503: server busy\)"):
        ollama(busy.url).embed(["fog"], query=False)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (500, {"error": "llama runner process has terminated"}),
            r"answered 500 \(llama runner process has",
        ),
        ((200, {"embeddings": []}), "sent 0 vectors for 2 texts"),
        ((200, {"message": "hello"}), "sent no vectors for 2 texts"),
        ((200, "<html>proxy</html>"), "sent no JSON: '<html>proxy</html>'"),
        ((200, {"embeddings": [[1.0], [1.0, 2.0]]}), "vectors of different lengths"),
        ((200, {"embeddings": [[], []]}), r"vectors of shape \(2, 0\)"),
        ((200, {"embeddings": [[1.0, 0.0], [0.0, 0.0]]}), "no usable vector for text 1"),
    ],
)
def test_ollama_faults_are_sentences(fake_server: Callable, answer: tuple[int, Any], words: str) -> None:
    server = fake_server(lambda *request: answer)
    with pytest.raises(EncoderError, match=words):
        ollama(server.url).embed(["fog", "mist"], query=False)


def test_a_server_whose_vectors_change_length_is_named(fake_server: Callable) -> None:
    answers = iter([[[1.0, 2.0]], [[1.0, 2.0, 3.0]]])
    model = ollama(fake_server(lambda *_: (200, {"embeddings": next(answers)})).url)
    model.embed(["one"], query=False)
    with pytest.raises(EncoderError, match="vectors of 3 values, but 2 before"):
        model.embed(["two"], query=False)


def test_ollama_missing_model_and_no_server(fake_server: Callable) -> None:
    server = fake_server(fake_ollama)
    with pytest.raises(EncoderError, match=r"does not have the model 'missing'.*; run: ollama pull missing"):
        ollama(server.url, model="missing").embed(["fog"], query=False)
    server.close()
    with pytest.raises(EncoderError, match=r"the connection was refused.*ollama serve.*OLLAMA_HOST"):
        ollama(server.url).embed(["fog"], query=False)


def test_ollama_slow_server(fake_server: Callable) -> None:
    def slow(*request: Any) -> tuple[int, Any]:
        time.sleep(1)
        return 200, {}

    with pytest.raises(EncoderError, match=r"did not answer within 0.1 s; .*encoder.timeout"):
        ollama(fake_server(slow).url, timeout=0.1).embed(["fog"], query=False)


def test_proxies_are_passed_by_for_loopback(fake_server: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert ollama(fake_server(fake_ollama).url).dim == 4


def test_ollama_in_an_encoder_is_lazy_and_fingerprinted(fake_server: Callable) -> None:
    server = fake_server(fake_ollama)
    values = {"encoder": {"provider": "ollama", "model": "nomic-embed-text"}, "sparse": {"kind": "none"}}
    encoder = build_encoder(IndexSettings.model_validate(values), environ={"OLLAMA_HOST": server.url})
    assert server.requests == []
    assert encoder.fingerprint.weights == "sha-of-nomic" and encoder.fingerprint.dim == 4
    assert encoder.encode_queries(["fog"]).sparse is None and encoder.lexical is None


def fake_openai(method: str, path: str, body: Any) -> tuple[int, Any]:
    if path != "/v1/embeddings" or body["model"] == "missing":
        return 404, {"error": {"message": "The model `missing` does not exist.", "type": "NotFoundError", "code": 404}}
    texts = body["input"]
    if any(len(text) > LONG for text in texts):
        return 400, {"error": {"message": "This model's maximum context length is 50 tokens.", "code": 400}}
    data = [
        {"index": i, "object": "embedding", "embedding": base64.b64encode(struct.pack("<4f", *vector(text))).decode()}
        for i, text in enumerate(texts)
    ]
    return 200, {"object": "list", "data": data[::-1], "usage": {"prompt_tokens": 3, "total_tokens": 3}}


def openai(url: str, environ: dict[str, str] | None = None, **more: object) -> OpenAIModel:
    values = {"provider": "openai", "model": "BAAI/bge-m3", "base_url": url, "timeout": 5} | more
    model = OpenAIModel(EncoderSettings.model_validate(values), environ or {})
    model.server.pause = lambda seconds: None
    return model


def test_openai_request_key_base64_and_order(fake_server: Callable) -> None:
    server = fake_server(fake_openai)
    texts = [f"text {'x' * (i % 7)}" for i in range(100)]
    encoded = openai(server.url, {"KEY": "s3cret"}, api_key_env="KEY", dimensions=4).embed(texts, query=False)
    expected = np.array([vector(text) for text in texts])
    np.testing.assert_allclose(encoded.dense, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    sent = server.requests[:2]  # both batches at once, in any order
    _, path, body, headers = max(sent, key=lambda request: len(request[2]["input"]))
    assert path == "/v1/embeddings" and headers["authorization"] == "Bearer s3cret"
    assert body == {"model": "BAAI/bge-m3", "encoding_format": "base64", "input": texts[:64], "dimensions": 4}
    assert openai(server.url + "/v1/").dim == 4
    assert "authorization" not in server.requests[-1][3]


def test_openai_float_answers_are_read(fake_server: Callable) -> None:
    server = fake_server(lambda *request: (200, {"data": [{"index": 0, "embedding": [3.0, 4.0]}]}))
    assert openai(server.url).embed(["fog"], query=True).dense.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)]]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (401, {"error": {"message": "Unauthorized"}}),
            r"answered 401 \(Unauthorized\).* RAG_API_KEY",
        ),
        ((200, {"data": [{"index": 5, "embedding": [1.0]}]}), "sent no vector for each of 1 text"),
        ((200, {"data": [{"index": 0, "embedding": "***"}]}), "sent no vector for each of 1 text"),
        ((500, {"error": {"message": "engine died"}}), r"answered 500 \(engine died\); see the server's log"),
    ],
)
def test_openai_faults_are_sentences(fake_server: Callable, answer: tuple[int, Any], words: str) -> None:
    with pytest.raises(EncoderError, match=words) as caught:
        openai(fake_server(lambda *request: answer).url, {"RAG_API_KEY": "s3cret"}).embed(["fog"], query=False)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "answer", [(400, {"error": "bad input"}), (500, {"error": "json: unsupported value: NaN"}), (200, None)]
)
def test_a_text_that_a_server_cannot_read_is_an_error_about_a_text(fake_server: Callable, answer: Any) -> None:
    """Ingestion then skips its document (``ingest.faulty_texts``); it is not asked for again and again."""
    bad = answer if answer[1] else (200, {"embeddings": [[1.0, 2.0], None]})
    server = fake_server(lambda *request: bad)
    with pytest.raises(TextError):
        ollama(server.url).embed(["fog", "mist"], query=False)
    assert len(server.requests) == 1


def test_openai_settings_and_long_texts(fake_server: Callable) -> None:
    server = fake_server(fake_openai)
    with pytest.raises(EncoderError, match=r"text 2 of 80 characters is longer than 'BAAI/bge-m3' reads .*max_chars"):
        openai(server.url).embed(["a", "b", "x" * 80, "c"], query=False)
    with pytest.raises(EncoderError, match="does not serve 'missing'"):
        openai(server.url, model="missing").embed(["a"], query=False)
    with pytest.raises(SettingsError, match=r"needs encoder.base_url"):
        OpenAIModel(EncoderSettings(provider="openai"), {})
