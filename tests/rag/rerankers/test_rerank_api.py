"""Remote rerankers over a real socket: what goes out, what comes back, and every way it can fail."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from indexes.errors import RerankerError
from rag.rerankers import build_reranker
from rag.rerankers.api import ApiReranker, connect_reranker, rerank_url
from rag.settings import RerankSettings
from tests.rag.rerankers.rerank_fixtures import PASSAGES, FakeRerankServer


def connect(url: str, environ: dict[str, str] | None = None, **changes: object) -> ApiReranker:
    values = {"provider": "api", "model": "bge-reranker-v2-m3", "base_url": url, "timeout": 5.0, **changes}
    return connect_reranker(RerankSettings.model_validate(values), environ or {})


def test_wire_format(rerank_server: FakeRerankServer) -> None:
    reranker = connect(f"{rerank_server.url}/v1", {"MY_KEY": "s3cret"}, api_key_env="MY_KEY")
    scores = reranker.score("which one?", PASSAGES[:4])
    (request,) = rerank_server.requests
    assert request["path"] == "/v1/rerank"
    assert request["headers"]["Authorization"] == "Bearer s3cret"
    assert request["body"] == {
        "model": "bge-reranker-v2-m3",
        "query": "which one?",
        "documents": PASSAGES[:4],
        "top_n": 4,
    }
    expected = np.array([len(text) / 1000 for text in PASSAGES[:4]], np.float32)
    np.testing.assert_allclose(scores.raw, expected)
    np.testing.assert_allclose(scores.probability, expected)


def test_no_key_no_header_and_no_documents_no_request(rerank_server: FakeRerankServer) -> None:
    reranker = connect(rerank_server.url)
    assert len(reranker.score("q", [])) == 0
    assert rerank_server.requests == []
    reranker.score("q", ["a"])
    assert "Authorization" not in rerank_server.requests[0]["headers"]


def test_document_may_be_missing(rerank_server: FakeRerankServer) -> None:
    rerank_server.with_document = False
    assert len(connect(rerank_server.url).score("q", ["a", "bb"])) == 2


def test_logits_become_probabilities_by_sigmoid(rerank_server: FakeRerankServer) -> None:
    rerank_server.logits = True
    scores = connect(rerank_server.url).score("q", ["a" * 38, "b" * 43])
    np.testing.assert_allclose(scores.raw, [-2, 3])
    np.testing.assert_allclose(scores.probability, [0.1192029, 0.9525741], atol=1e-6)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://h:8000", "http://h:8000/rerank"),
        ("http://h:8000/", "http://h:8000/rerank"),
        ("http://h:8000/v1", "http://h:8000/v1/rerank"),
        ("https://api.cohere.com/v2/", "https://api.cohere.com/v2/rerank"),
        ("http://h/v1/rerank", "http://h/v1/rerank"),
    ],
)
def test_addresses(base: str, url: str) -> None:
    assert rerank_url(base) == url


def test_busy_server_is_asked_again(rerank_server: FakeRerankServer) -> None:
    rerank_server.status, rerank_server.failures, rerank_server.recovers = 429, 2, True
    rerank_server.headers = {"retry-after": "0"}
    assert len(connect(rerank_server.url).score("q", ["a"])) == 1
    assert len(rerank_server.requests) == 3


def test_a_server_that_stays_busy_is_reported(rerank_server: FakeRerankServer) -> None:
    rerank_server.status, rerank_server.headers = 503, {"retry-after": "0"}
    with pytest.raises(RerankerError, match=r"is still busy after 2 retries \(503"):
        connect(rerank_server.url).score("q", ["a"])
    assert len(rerank_server.requests) == 3


def test_a_long_retry_after_is_reported_not_waited_for(rerank_server: FakeRerankServer) -> None:
    rerank_server.status, rerank_server.headers = 429, {"retry-after": "3600"}
    with pytest.raises(RerankerError, match="answered 429"):
        connect(rerank_server.url).score("q", ["a"])
    assert len(rerank_server.requests) == 1


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (401, {"message": "bad key"}, r"answered 401 \(bad key\).*RAG_API_KEY"),
        (404, {"detail": "Not Found"}, r"answered 404 \(Not Found\).*base_url"),
        (400, {"error": {"message": "too long", "code": 400}}, r"answered 400 \(too long\)"),
        (422, {"error": "unprocessable"}, r"answered 422 \(unprocessable\)"),
        (500, b"<html>oops</html>", r"answered 500 \(<html>oops</html>\); see the server's log"),
    ],
)
def test_refusals_are_one_sentence(rerank_server: FakeRerankServer, status: int, error: object, sentence: str) -> None:
    rerank_server.status, rerank_server.error = status, error
    with pytest.raises(RerankerError, match=sentence):
        connect(rerank_server.url).score("q", ["a"])
    assert len(rerank_server.requests) == 1


@pytest.mark.parametrize(
    "mangle",
    [
        lambda answer: {"data": answer["results"]},
        lambda answer: {"results": answer["results"][:-1]},
        lambda answer: {"results": [{"index": 7, "relevance_score": 0.1}]},
        lambda answer: {"results": [{"index": -1, "relevance_score": 0.1}]},
        lambda answer: {"results": [{"index": 0}]},
        lambda answer: {"results": "none"},
        lambda answer: {"results": None},
        lambda answer: {"results": [{**result, "relevance_score": 1e999} for result in answer["results"]]},
        lambda answer: [1, 2],
        lambda answer: b"not json",
    ],
)
def test_unusable_answers_are_refused(rerank_server: FakeRerankServer, mangle: object) -> None:
    rerank_server.mangle = mangle
    with pytest.raises(RerankerError):
        connect(rerank_server.url).score("q", ["a", "b"])


def test_slow_server(rerank_server: FakeRerankServer) -> None:
    rerank_server.delay = 30
    with pytest.raises(RerankerError, match=r"did not answer within 0.2 s; raise rerank.timeout"):
        connect(rerank_server.url, timeout=0.2).score("q", ["a"])


def test_server_down_names_the_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(RerankerError, match=rf"{url}/rerank cannot be reached"):
        connect(url).score("q", ["a"])


def test_no_address_is_a_settings_matter() -> None:
    with pytest.raises(RerankerError, match=r"rerank.base_url is not set"):
        build_reranker(RerankSettings(provider="api"))


def test_a_proxy_never_stands_before_loopback(rerank_server: FakeRerankServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert len(connect(rerank_server.url).score("q", ["a"])) == 1
