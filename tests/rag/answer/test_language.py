"""The prompt's language follows the question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answer.language import detect_language, foreign_language, is_english

CHINESE = [
    "BGE-M3 怎么安装？",
    "孙悟空是谁",
    "Qdrant 和 Ollama 有什么区别？",
    "如何设置 OLLAMA_HOST 和 num_ctx 参数？",
    "安装 Python",
    "rag ingest 命令报错",
    "什么是 hybrid search？",
    "请解释 what is the meaning of life 这句话",
    "“How are you” 用中文怎么说？",
    "香港特別行政區在哪裡？",
    "你好",
    "の是什么意思？",
    "3.5 寸硬盘",
]
ENGLISH = [
    "How do I install BGE-M3?",
    "Who is 孙悟空?",
    "What does 缘分 mean?",
    "What is the plot of 西游记 about?",
    'What does "你好吗" mean in English?',
    "hello",
    "",
    "12345",
    "???",
    "この製品の保証期間はどのくらいですか？",
    "한국의 수도는 어디입니까?",
    "¿Cómo se instala?",
    "Wie heißt der Autor?",
]


@pytest.mark.parametrize("text", CHINESE)
def test_chinese(text: str) -> None:
    assert detect_language(text) == "zh"


@pytest.mark.parametrize("text", ENGLISH)
def test_english(text: str) -> None:
    assert detect_language(text) == "en"


@given(st.text(max_size=60))
def test_any_text_gets_one_language_and_always_the_same(text: str) -> None:
    assert detect_language(text) in ("en", "zh")
    assert detect_language(text) == detect_language(text)


@given(st.text(alphabet="天地玄黄宇宙洪荒日月盈昃辰宿列张", min_size=1, max_size=20))
def test_pure_chinese_is_chinese(text: str) -> None:
    assert detect_language(text) == "zh"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Wie heißt der Autor?", "German"),
        ("Was kostet eine Jahreskarte für den Zoo?", "German"),
        ("Combien coûte la carte annuelle du zoo ?", "French"),
        ("¿Cuánto cuesta la tarjeta anual del zoo?", "Spanish"),
        ("Quanto costa la tessera annuale dello zoo e dove si compra?", "Italian"),
        ("Who is the author of Der Steppenwolf?", None),
        ("What was the war of 1870?", None),
        ("Los Angeles and La Paz", None),
        ("Der Spiegel", None),
        ("港口几点开放？", None),
        ("", None),
    ],
)
def test_other_european_languages(text: str, language: str | None) -> None:
    assert foreign_language(text) == language


def test_an_english_sentence() -> None:
    assert is_english("The pass costs 40 euros.") and is_english("It is open from 9 to 17 on weekdays")
    for text in ("Der Pass kostet 40 Euro.", "40 euros", "Anna Berg", "La carte est valable un an.", "票价是40欧元。"):
        assert not is_english(text)
