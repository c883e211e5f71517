"""Prompts of small models, and prompts of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from llama_index.core.prompts import PromptTemplate

from indexes.errors import SettingsError
from indexes.nodes.record import SentenceRecord
from rag.answer.language import Language
from rag.answer.prompt.layouts import (
    LAYOUTS,
    REFUSAL_LINE,
    Layout,
    billions,
    layout_of,
    layout_template,
    with_refusal_line,
)
from rag.answer.prompt.prompts import context_text
from rag.answer.prompt.templates import AnswerPrompts, read_prompt_file
from rag.retrieval.candidate import Passage
from rag.settings import AnswerSettings, LLMSettings, Settings


def settings(model: str = "qwen3:8b", **answer: object) -> Settings:
    return Settings(llm=LLMSettings(model=model), answer=AnswerSettings.model_validate(answer))


@pytest.mark.parametrize(
    ("model", "size", "layout"),
    [
        ("qwen2.5-coder-1.5b", 1.5, "plain"),
        ("models/Qwen3-0.6B-Q8_0.gguf", 0.6, "plain"),
        ("qwen3:4b", 4.0, "plain"),
        ("qwen3:8b", 8.0, "rules"),
        ("qwen3:30b-a3b", 30.0, "rules"),
        ("llama3.2:3b-instruct-q4_K_M", 3.0, "plain"),
        ("some-model", None, "rules"),
    ],
)
def test_small_models_are_asked_plainly(model: str, size: float | None, layout: Layout) -> None:
    assert (billions(model), layout_of(settings(model))) == (size, layout)
    assert layout_of(settings(model, layout="both")) == "both"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_refusal_line_leaves_what_stands_before_it(layout: Layout, language: Language) -> None:
    user = str(layout_template(layout, language).format_messages(context_str="[1] x", query_str="Q?")[-1].content)
    asked = with_refusal_line(user, language)
    assert REFUSAL_LINE[language] in asked and REFUSAL_LINE[language] not in user
    same = next((i for i, (a, b) in enumerate(zip(user, asked, strict=False)) if a != b), len(user))
    assert same >= user.rindex("Q?") + 2  # a server with a prefix cache reads only what follows the question
    assert user.count("Q?") == (2 if layout == "both" else 1)


def test_rows_of_tables_are_records_where_wanted() -> None:
    head = "| Fruit | Price |\n| --- | --- |"
    rows = [
        SentenceRecord("d", n, f"Prices — Fruit: {fruit}; Price: {price}", start=n * 50, end=n * 50 + 20, after="\n",
                       kind="table", raw=f"| {fruit} | {price} |", head=head)
        for n, (fruit, price) in enumerate([("Pear", "3"), ("Plum", "5")])
    ]  # fmt: skip
    passage = Passage(1, rows, [], 1.0)
    assert "| Pear | 3 |" in context_text([passage])
    records = context_text([passage], "records")
    assert "Fruit: Pear; Price: 3\nPrices — Fruit: Plum; Price: 5" in records and "|" not in records


def test_prompts_are_shown_and_replaced() -> None:
    prompts = AnswerPrompts(settings("qwen3:1.7b"))
    assert sorted(prompts.as_dict()) == [
        "refine_template_en",
        "refine_template_zh",
        "text_qa_template_en",
        "text_qa_template_zh",
    ]
    mine = PromptTemplate("{context_str}\n\nQ: {query_str}\nA:")
    prompts.update({"text_qa_template_en": mine})
    assert prompts.qa("en") is mine and prompts.qa("zh") is not mine
    prompts.update({"text_qa_template": mine})
    assert prompts.qa("zh") is mine
    (message,) = prompts.messages("Why?", [], "zh")
    assert str(message.content).endswith("Q: Why?\nA:")
    with pytest.raises(SettingsError, match=r"lacks \{context_str\}"):
        prompts.update({"text_qa_template": PromptTemplate("{query_str}")})
    with pytest.raises(SettingsError, match="unknown prompt 'nonsense'"):
        prompts.update({"nonsense": mine})


def test_a_prompt_file(tmp_path: Path) -> None:
    file = tmp_path / "prompts.toml"
    file.write_text(
        '[en]\nsystem = "Be brief."\nuser = "{context_str}\\n{query_str}"\n'
        '[zh]\nuser = "{context_str}\\n问：{query_str}"\n',
        encoding="utf-8",
    )
    prompts = AnswerPrompts(settings(prompt_file=file))
    system, user = prompts.messages("Why?", [], "en")
    assert (system.content, user.content) == ("Be brief.", "\nWhy?")
    assert str(prompts.messages("为什么？", [], "zh")[-1].content) == "\n问：为什么？"
    for text, words in (
        ("[fr]\nuser = '{context_str}{query_str}'", "unknown table 'fr'"),
        ("[en]\nusr = 'x'", "unknown key 'en.usr'"),
        ("[en", "is not TOML"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError, match=words):
            read_prompt_file(file)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_prompt_file(tmp_path / "none.toml")
