"""What all doors have in common: addresses, headers, refusals in the form of each door, and what nobody is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from indexes.errors import FilterError, RagWrightError, SettingsError, SourceError, StoreError, TextError
from rag.serve.errors import STATUS, Problem, problem_of

OPENAI = [
    ("bad_request", 400, "invalid_request_error", None),
    ("too_long", 400, "invalid_request_error", "context_length_exceeded"),
    ("unsupported_value", 400, "invalid_request_error", "unsupported_value"),
    ("no_key", 401, "authentication_error", "invalid_api_key"),
    ("bad_key", 401, "authentication_error", "invalid_api_key"),
    ("collection_not_found", 404, "invalid_request_error", "model_not_found"),
    ("too_large", 413, "invalid_request_error", "request_too_large"),
    ("busy", 429, "rate_limit_error", "overloaded"),
    ("internal", 500, "api_error", "internal_error"),
    ("llm_unreachable", 502, "api_error", "llm_unreachable"),
    ("llm_model_not_found", 502, "api_error", "llm_model_not_found"),
    ("llm_timeout", 504, "api_error", "llm_timeout"),
    ("loading", 503, "unavailable_error", "loading"),
    ("draining", 503, "unavailable_error", "draining"),
    ("locked", 503, "unavailable_error", "loading"),
]
DIFY = [
    ("no_key", 403, 1001),
    ("bad_key", 403, 1002),
    ("collection_not_found", 404, 2001),
    ("bad_request", 400, 1003),
    ("busy", 429, 1004),
    ("internal", 500, 1005),
    ("deadline", 504, 1005),
]


@pytest.mark.parametrize(("code", "status", "kind", "word"), OPENAI)
def test_refusals_as_openai_clients_know_them(code: Any, status: int, kind: str, word: str | None) -> None:
    problem = Problem(code, "it failed", "do this", param="model")
    assert problem.status("openai") == status
    error = problem.body("openai")["error"]
    assert error == {"message": "it failed; do this", "type": kind, "param": "model", "code": word}
    headers = problem.headers("openai")
    assert ("Retry-After" in headers) is (status in (429, 503))
    assert ("x-should-retry" in headers) is (code == "llm_model_not_found")


@pytest.mark.parametrize(("code", "status", "number"), DIFY)
def test_refusals_as_dify_knows_them(code: Any, status: int, number: int) -> None:
    problem = Problem(code, "it failed")
    assert (problem.status("dify"), problem.body("dify")) == (status, {"error_code": number, "error_msg": "it failed"})


def test_refusals_of_our_own_api() -> None:
    assert Problem("locked", "x").status("api") == 409 and 422 not in STATUS.values()
    assert Problem("busy", "x", retry_after=90).headers("api")["Retry-After"] == "30"
    assert Problem("no_key", "x").headers("mcp")["WWW-Authenticate"] == "Bearer"
    assert "WWW-Authenticate" not in Problem("no_key", "x").headers("dify")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FilterError, "bad_request"),
        (SettingsError, "bad_request"),
        (SourceError, "bad_request"),
        (TextError, "bad_request"),
        (StoreError, "internal"),
    ],
)
def test_the_kind_of_an_error_decides_its_code_and_not_its_words(kind: type[RagWrightError], code: str) -> None:
    for text in ("the filter 'page' cannot be applied by Qdrant", "it went wrong"):
        assert problem_of(kind(text, remedy="look")).code == code


def test_slashes_too_many_lead_to_the_same_place(serve: Callable[..., TestClient]) -> None:
    client = serve()
    asked = {"question": "Notice?", "collection": "handbook"}
    for path in ("/api/v1/search", "//api/v1/search", "/api/v1/search/", "///api/v1/search//"):
        found = client.post(f"http://127.0.0.1:8321{path}", json=asked, follow_redirects=False)
        assert found.status_code == 200, path
    assert client.get("http://127.0.0.1:8321//v1/models/").json()["object"] == "list"


def test_a_value_that_cannot_be_read_is_400_in_the_form_of_its_door(serve: Callable[..., TestClient]) -> None:
    client = serve()
    refused = client.get("/api/v1/collections/handbook/documents", params={"offset": "many"})
    assert refused.status_code == 400 and refused.json()["error"]["code"] == "bad_request"
    assert "offset" in refused.json()["error"]["message"]
    missing = client.delete("/v1/models")
    assert missing.status_code == 404 and set(missing.json()["error"]) == {"message", "type", "param", "code"}


def test_headers_that_every_answer_has_and_that_none_has_by_itself(serve: Callable[..., TestClient]) -> None:
    client = serve()
    for path in ("/api/v1/collections", "/v1/models", "/", "/api/v1/nothing"):
        found = client.get(path, headers={"origin": "https://chat.example"})
        assert found.headers["cache-control"] == "no-store", path
        assert found.headers["x-content-type-options"] == "nosniff" and found.headers["x-request-id"]
        assert "access-control-allow-origin" not in found.headers and "server" not in found.headers


def test_only_an_admin_sees_paths(serve: Callable[..., TestClient], served_store: Path) -> None:
    client = serve({"boss": (("admin",), ("*",)), "reader": (("read",), ("*",))})
    asked, own = {"knowledge_id": "handbook", "query": "Notice?"}, {"question": "Notice?", "collection": "handbook"}
    for name, full in (("boss", True), ("reader", False)):
        key = {"authorization": f"Bearer {client.keys[name]}"}  # type: ignore[attr-defined]
        rows = client.get("/api/v1/collections/handbook/documents", headers=key).json()["documents"]
        details = client.get(f"/api/v1/collections/handbook/documents/{rows[0]['id']}", headers=key).json()
        assert details.get("path", "none").startswith("/") is full
        answers = [
            client.post("/retrieval", json=asked, headers=key),
            client.post("/api/v1/search", json=own, headers=key),
        ]
        assert all(str(served_store.parent) not in answer.text for answer in answers)


def test_a_name_that_is_asked_for_is_no_label(serve: Callable[..., TestClient]) -> None:
    client = serve(metrics_open=True)
    body = {"model": "nobody-knows-it", "messages": [{"role": "user", "content": "Notice?"}]}
    assert client.post("/v1/chat/completions", json=body).status_code == 404
    page = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert page.headers["content-type"].startswith("application/openmetrics-text") and page.text.endswith("# EOF\n")
    assert "nobody-knows-it" not in page.text
    labels = {"route": "chat", "collection": "other", "status": "error", "code": "404"}
    metrics = client.app.state.metrics  # type: ignore[attr-defined]
    assert metrics.registry.get_sample_value("ragwright_requests_total", labels) == 1


@pytest.mark.parametrize("keys", [None, {"one": (("read",), ("*",))}])
def test_no_other_way_to_log_in_is_offered(serve: Callable[..., TestClient], keys: Any) -> None:
    """Claude Code prefers an advertised OAuth to a configured header, and then shows no tools."""
    client = serve(keys)
    for path in ("oauth-protected-resource", "oauth-authorization-server", "oauth-protected-resource/mcp"):
        assert client.get(f"/.well-known/{path}").status_code == 404


def test_the_cookie_is_secure_behind_tls(serve: Callable[..., TestClient]) -> None:
    client = serve({"me": (("read", "ask"), ("*",))})
    form = {"key": client.keys["me"]}  # type: ignore[attr-defined]
    for scheme, secure in (("https", True), ("http", False)):
        headers = {"x-forwarded-proto": scheme}
        cookie = client.post("/login", data=form, headers=headers, follow_redirects=False).headers["set-cookie"]
        assert ("Secure" in cookie) is secure and "HttpOnly" in cookie
