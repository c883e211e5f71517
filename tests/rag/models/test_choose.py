"""Which model a demo takes."""

from __future__ import annotations

from pathlib import Path

from rag.models.choose import choose_model
from tests.rag.llms.fake_llm_servers import FakeOllama

NOBODY = {"OLLAMA_HOST": "127.0.0.1:9", "XDG_CACHE_HOME": "/nowhere"}


def test_a_running_ollama_comes_first() -> None:
    server = FakeOllama()
    server.models = ["bge-m3:latest", "llama3.2:3b", "qwen3:8b"]
    try:
        environ = {**NOBODY, "OLLAMA_HOST": server.url}
        assert choose_model(None, environ=environ).llm == {"provider": "ollama", "model": "llama3.2:3b"}
        choice = choose_model(None, preferred="qwen3:8b", environ=environ)
        server.models = ["bge-m3:latest"]
        assert choose_model(None, environ=environ).llm == {"provider": "none"}
    finally:
        server.close()
    assert choice.llm == {"provider": "ollama", "model": "qwen3:8b"}
    assert "an Ollama server is running" in choice.words[0]


def test_nothing_there_is_said() -> None:
    assert choose_model(None, environ=NOBODY).llm == {"provider": "none"}


def test_what_cannot_be_fetched_is_said(tmp_path: Path) -> None:
    choice = choose_model("no-such-model", environ={**NOBODY, "XDG_CACHE_HOME": str(tmp_path)})
    assert choice.llm == {"provider": "none"}
    assert "could not be fetched: unknown model 'no-such-model'" in choice.words[0]
    assert "the documents' own sentences instead" in choice.words[1]
