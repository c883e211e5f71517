"""A real model in this process: SmolLM2 through llama.cpp, and its OpenAI-compatible wire."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from llama_index.core.base.llms.types import ChatMessage

from indexes.errors import LLMError, LLMModelNotFoundError, MissingExtraError
from rag.llms import build_llm, explain_llm_error, named_model, usage_of, why_no_llm, with_max_tokens
from rag.llms.llama_cpp import LlamaCpp, free_threads, model_path
from rag.llms.openai_like import OpenAILikeLLM, arguments, http_clients
from rag.settings import LLMSettings

ASK = [
    ChatMessage(role="system", content="Answer in one short sentence."),
    ChatMessage(role="user", content="What is the capital of France?"),
]
SETTINGS = LLMSettings(provider="llama_cpp", model="smollm2", context_window=1024, max_tokens=24, temperature=0)


def test_it_answers(smollm2: LlamaCpp) -> None:
    response = smollm2.chat(ASK)
    assert "Paris" in (response.message.content or "")
    usage = usage_of(response)
    assert usage["model"] == "smollm2.gguf"
    assert usage["prompt_tokens"] > 10
    assert 0 < usage["completion_tokens"] <= 24
    assert usage["tokens_per_second"] > 0
    assert usage["prompt_ms"] > 0


def test_streaming_gives_the_same_in_pieces(smollm2: LlamaCpp) -> None:
    parts = list(smollm2.stream_chat(ASK))
    assert len(parts) > 3
    assert parts[-1].message.content == smollm2.chat(ASK).message.content
    assert usage_of(parts[-1])["completion_tokens"] > 0


def test_async_and_two_at_once(smollm2: LlamaCpp) -> None:
    async def ask() -> list[str]:
        async def streamed() -> str:
            return "".join([part.delta or "" async for part in await smollm2.astream_chat(ASK)])

        async def whole() -> str:
            return (await smollm2.achat(ASK)).message.content or ""

        return list(await asyncio.gather(streamed(), whole()))

    for _ in range(2):  # two event loops
        first, second = asyncio.run(ask())
        assert "Paris" in first
        assert "Paris" in second


def test_an_abandoned_stream_does_not_block_the_next(smollm2: LlamaCpp) -> None:
    stream = smollm2.stream_chat(ASK)
    next(stream)
    stream.close()
    assert "Paris" in (smollm2.chat(ASK).message.content or "")


def test_a_shorter_answer_shares_the_model(smollm2: LlamaCpp) -> None:
    short = with_max_tokens(smollm2, 3)
    usage = usage_of(short.chat(ASK))
    assert usage["completion_tokens"] == 3
    assert usage["finish_reason"] == "length"
    assert smollm2.metadata.num_output == 24


@pytest.mark.usefixtures("dead_proxy")
def test_no_proxy_before_it(smollm2: LlamaCpp) -> None:
    fresh = OpenAILikeLLM(
        **arguments(SETTINGS, str(smollm2.api_base), str(smollm2.api_key)),
        **http_clients(str(smollm2.api_base), 30.0),
    )
    assert "Paris" in (fresh.chat(ASK).message.content or "")


def test_the_port_needs_the_key(smollm2: LlamaCpp) -> None:
    stranger = OpenAILikeLLM(
        **arguments(SETTINGS, str(smollm2.api_base), "guess"), **http_clients(str(smollm2.api_base), 30.0)
    )
    with pytest.raises(Exception) as caught:
        stranger.chat(ASK)
    assert "answered 401" in str(explain_llm_error(caught.value, SETTINGS))


def test_a_prompt_over_the_context_is_refused_not_cut(smollm2: LlamaCpp) -> None:
    with pytest.raises(Exception) as caught:
        smollm2.chat([ChatMessage(role="user", content="word " * 2000)])
    error = explain_llm_error(caught.value, SETTINGS)
    assert type(error) is LLMError
    assert "lower retrieval.top_n or retrieval.window, or raise llm.context_window" in str(error)


def test_context_is_never_more_than_the_model_was_trained_with() -> None:
    llm = build_llm(SETTINGS.model_copy(update={"context_window": 65536}))
    assert isinstance(llm, LlamaCpp)
    try:
        assert llm.metadata.context_window == 8192
    finally:
        llm.close()


def test_close_ends_it_for_copies_too() -> None:
    llm = build_llm(SETTINGS.model_copy(update={"context_window": 512}))
    assert isinstance(llm, LlamaCpp)
    copy = with_max_tokens(llm, 5)
    llm.close()
    llm.close()
    with pytest.raises(Exception) as caught:
        copy.chat(ASK)
    assert "this process cannot be reached" in str(explain_llm_error(caught.value, SETTINGS))


def test_it_is_quiet_and_exits_without_close() -> None:
    code = (
        "import sys; from rag.llms import build_llm; from rag.settings import LLMSettings; "
        "llm = build_llm(LLMSettings(provider='llama_cpp', model='smollm2', context_window=512, max_tokens=4)); "
        "llm.complete('Hello'); assert 'openai' not in sys.modules"  # importing it takes longer than a short answer
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_missing_file_and_broken_file(tmp_path: Path) -> None:
    with pytest.raises(LLMModelNotFoundError, match=r"there is no model file '.*nowhere.gguf'"):
        build_llm(SETTINGS.model_copy(update={"model": str(tmp_path / "nowhere.gguf")}))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model" * 100)
    with pytest.raises(LLMError, match=r"llama.cpp cannot load '.*broken.gguf'"):
        build_llm(SETTINGS.model_copy(update={"model": str(broken)}))


def test_a_missing_package_says_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(MissingExtraError, match=r"run: pip install 'ragwright\[offline\]'"):
        build_llm(SETTINGS)


def test_a_model_is_named_by_path_by_fetched_name_or_auto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auto = SETTINGS.model_copy(update={"model": "auto"})
    assert model_path("smollm2").is_file() and model_path(str(model_path("smollm2"))).is_file()
    assert build_llm(auto) is None and "rag model fetch qwen2.5-coder-1.5b" in why_no_llm(auto)
    with pytest.raises(LLMModelNotFoundError, match=r"has not been fetched; run: rag model fetch qwen2\.5-coder-0\.5b"):
        model_path("Qwen2.5-Coder-0.5B")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    models = tmp_path / "ragwright" / "models"
    models.mkdir(parents=True)
    for name in ("qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"):
        (models / f"{name}.gguf").write_bytes(b"GGUF")
        assert named_model(auto).model == name
    assert model_path("auto").name == "qwen2.5-coder-1.5b.gguf"
    assert named_model(SETTINGS) is SETTINGS


def test_threads_are_those_that_nobody_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(16)))
    for busy, threads in ((0.2, 8), (11.0, 5), (40.0, 1)):
        monkeypatch.setattr("os.getloadavg", lambda busy=busy: (busy, 0.0, 0.0))
        assert free_threads() == threads
