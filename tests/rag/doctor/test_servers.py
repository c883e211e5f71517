"""The doctor before servers that are down, wrong, locked, or well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from indexes.http import HttpAnswer
from rag.doctor import ollama
from rag.doctor.check import Check, Probe, proxy_in_the_way
from rag.doctor.ollama import check_ollama
from rag.doctor.openai_server import check_openai
from rag.settings import Settings

TAGS = {"models": [{"name": "qwen3:8b", "size": 5_000_000_000}, {"name": "bge-m3:latest"}]}
SHOW = {"model_info": {"general.architecture": "qwen3", "qwen3.context_length": 4096}}
Serve = Callable[[dict[str, Any]], Any]


def probe(environ: dict[str, str] | None = None, timeout: float = 2.0) -> Probe:
    return Probe(Settings(), environ or {}, timeout)


def named(checks: list[Check], name: str) -> Check:
    return next(check for check in checks if check.name == name)


def test_a_well_ollama(serve: Serve) -> None:
    server = serve({"GET /api/tags": (200, TAGS), "POST /api/show": (200, SHOW)})
    checks = check_ollama(probe(), "llm", configured=server.url, model="qwen3:8b", context_window=4096)
    assert [(check.name, check.status) for check in checks] == [
        ("llm server", "ok"),
        ("llm model", "ok"),
        ("llm context", "ok"),
    ]
    assert server.requests[1] == {
        "call": "POST /api/show",
        "authorization": None,
        "body": {"model": "qwen3:8b"},
    }


def test_a_model_without_tag_means_latest(serve: Serve) -> None:
    server = serve({"GET /api/tags": (200, TAGS)})
    checks = check_ollama(probe(), "encoder", configured=server.url, model="bge-m3")
    assert named(checks, "encoder model").status == "ok"


def test_model_not_pulled(serve: Serve) -> None:
    server = serve({"GET /api/tags": (200, TAGS)})
    check = named(check_ollama(probe(), "llm", configured=server.url, model="llama3.2"), "llm model")
    assert check.status == "fail"
    assert "qwen3:8b" in check.found
    assert check.remedy == f"OLLAMA_HOST={server.url} ollama pull llama3.2"


def test_context_smaller_than_configured(serve: Serve) -> None:
    server = serve({"GET /api/tags": (200, TAGS), "POST /api/show": (200, SHOW)})
    checks = check_ollama(probe(), "llm", configured=server.url, model="qwen3:8b", context_window=8192)
    check = named(checks, "llm context")
    assert check.status == "fail"
    assert "4096" in check.found and "8192" in check.found
    assert "RAG_LLM_CONTEXT_WINDOW=4096" in check.remedy


def test_refused(closed_port: int) -> None:
    (check,) = check_ollama(probe(), "llm", configured=f"http://127.0.0.1:{closed_port}", model="x")
    assert check.status == "fail"
    assert "refused" in check.found
    assert "ollama serve" in check.remedy


def test_wrong_ollama_host_while_one_answers_at_the_usual_place(
    serve: Serve, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve({"GET /api/tags": (200, TAGS)})
    monkeypatch.setattr(ollama, "DEFAULT_URL", server.url)  # the real port may be in use on a developer's machine
    environ = {"OLLAMA_HOST": f"0.0.0.0:{closed_port}"}
    check = named(check_ollama(probe(environ), "llm", configured=None, model="qwen3:8b"), "llm server")
    assert check.status == "fail"
    assert "OLLAMA_HOST" in check.found and server.url in check.found
    assert check.remedy == f"export OLLAMA_HOST={server.url}"


def test_a_scheme_without_port_means_port_80(monkeypatch: pytest.MonkeyPatch) -> None:
    for host, also in (("127.0.0.1", []), ("box", ["http://box:11434"])):
        asked: list[str] = []

        def ask(url: str, *_: Any, asked: list[str] = asked, **__: Any) -> HttpAnswer:
            asked.append(url)
            return HttpAnswer(problem="refused", detail="nothing listens there")

        monkeypatch.setattr(ollama, "ask_once", ask)
        check = named(check_ollama(probe(), "llm", configured=f"http://{host}", model="x"), "llm server")
        assert check.status == "fail"
        assert asked == [f"http://{host}:80", *also, "http://127.0.0.1:11434"]


def test_silence(silent_url: str) -> None:
    check = named(check_ollama(probe(timeout=0.2), "llm", configured=silent_url, model="x"), "llm server")
    assert check.status == "fail"
    assert "no answer within 0.2 s" in check.found


def test_something_else_answers(serve: Serve) -> None:
    server = serve({"GET /api/tags": (200, b"<html>It works!</html>")})
    check = named(check_ollama(probe(), "llm", configured=server.url, model="x"), "llm server")
    assert check.status == "fail"
    assert "is not Ollama" in check.found


def test_proxy_before_this_machine_is_a_warning_and_bypassed(
    serve: Serve, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = f"http://user:word@127.0.0.1:{closed_port}"
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server = serve({"GET /api/tags": (200, TAGS)})
    checks = check_ollama(probe({"HTTP_PROXY": proxy}), "llm", configured=server.url, model="qwen3:8b")
    assert named(checks, "llm server").status == "ok"
    check = named(checks, "llm proxy")
    assert check.status == "warn"
    assert "word" not in check.found
    assert "NO_PROXY=127.0.0.1" in check.remedy


def test_proxy_in_the_way_of_another_machine(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = f"http://127.0.0.1:{closed_port}"
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    url = "http://models.example:11434"
    check = named(check_ollama(probe({"HTTP_PROXY": proxy}), "llm", configured=url, model="x"), "llm server")
    assert check.status == "fail"
    assert "HTTP_PROXY" in check.found
    assert "NO_PROXY=models.example" in check.remedy


def test_proxy_that_answers_itself(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve({"GET http://models.example:11434/api/tags": (503, {"error": "gateway"})})
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "")
    checks = check_ollama(probe({"HTTP_PROXY": proxy.url}), "llm", configured="http://models.example:11434", model="x")
    assert "503" in named(checks, "llm server").found
    assert "NO_PROXY=models.example" in named(checks, "llm server").remedy


@pytest.mark.parametrize(
    ("rules", "bypassed"),
    [
        ("", False),
        ("*", True),
        ("127.0.0.1,localhost", True),
        ("localhost", False),
        ("127.0.0.1:11434", True),
        ("127.0.0.1:80", False),
    ],
)
def test_no_proxy_rules(rules: str, bypassed: bool) -> None:
    environ = {"http_proxy": "http://proxy:3128", "no_proxy": rules}
    assert (proxy_in_the_way("http://127.0.0.1:11434", environ) is None) is bypassed
    assert proxy_in_the_way("https://127.0.0.1:11434", environ) is None  # http_proxy is for http alone


def test_no_proxy_domains() -> None:
    for rules in ("example.org", ".example.org"):
        assert proxy_in_the_way("http://a.example.org:1", {"ALL_PROXY": "http://p", "NO_PROXY": rules}) is None
    assert proxy_in_the_way("http://example.com", {"ALL_PROXY": "http://p", "NO_PROXY": "example.org"})


MODELS = {"object": "list", "data": [{"id": "Qwen/Qwen3-8B", "object": "model", "max_model_len": 4096}]}


def openai(url: str | None, environ: dict[str, str] | None = None, **changes: Any) -> list[Check]:
    options: dict[str, Any] = {
        "base_url": url,
        "model": "Qwen/Qwen3-8B",
        "api_key_env": "RAG_API_KEY",
        "context_window": 4096,
        **changes,
    }
    return check_openai(probe(environ), "llm", **options)


def test_a_well_openai_server_gets_the_key(serve: Serve) -> None:
    server = serve({"GET /v1/models": (200, MODELS)})
    checks = openai(f"{server.url}/v1", {"RAG_API_KEY": "k"})
    assert {check.status for check in checks} == {"ok"}
    assert server.requests[0]["authorization"] == "Bearer k"


def test_openai_context_and_model(serve: Serve) -> None:
    server = serve({"GET /v1/models": (200, MODELS)})
    check = named(openai(f"{server.url}/v1", context_window=8192), "llm context")
    assert check.status == "fail" and "RAG_LLM_CONTEXT_WINDOW=4096" in check.remedy
    check = named(openai(f"{server.url}/v1", model="other"), "llm model")
    assert check.status == "fail" and "Qwen/Qwen3-8B" in check.found


def test_openai_without_v1_is_explained(serve: Serve) -> None:
    server = serve({"GET /v1/models": (200, MODELS)})
    (check,) = openai(server.url)
    assert check.status == "fail"
    assert check.remedy == f"export RAG_LLM_BASE_URL={server.url}/v1"


@pytest.mark.parametrize(("environ", "part"), [({}, "not set"), ({"RAG_API_KEY": "wrong-key"}, "does not accept")])
def test_openai_key(serve: Serve, environ: dict[str, str], part: str) -> None:
    server = serve({"GET /v1/models": (401, {"error": {"message": "bad key"}})})
    (check,) = openai(f"{server.url}/v1", environ)
    assert check.status == "fail"
    assert part in check.found and "RAG_API_KEY" in check.found
    assert "wrong-key" not in check.found + check.remedy


def test_openai_refused_and_missing_address(closed_port: int) -> None:
    (check,) = openai(f"http://127.0.0.1:{closed_port}/v1")
    assert "refused" in check.found
    assert check.remedy == f"vllm serve Qwen/Qwen3-8B --port {closed_port}"
    (check,) = openai(None)
    assert "llm.base_url is not set" in check.found
    (check,) = openai("127.0.0.1:8000/v1")
    assert check.status == "fail" and "http://host:port" in check.remedy


def test_rerank_server_without_a_list_is_fine(serve: Serve) -> None:
    server = serve({})
    (check,) = openai(server.url, models_optional=True, context_window=None)
    assert check.status == "ok"


def test_the_missing_port_of_ollama_host_is_named(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    monkeypatch.setattr(ollama, "DEFAULT_URL", f"http://127.0.0.1:{closed_port}")
    checks = check_ollama(probe({"OLLAMA_HOST": "http://127.0.0.2"}), "llm", configured=None, model="x")
    check = named(checks, "llm server")
    assert check.status == "fail"
    assert "without a port it means port 80" in check.remedy
