"""A document that comes in parts becomes the same records as one that comes whole, and only a part of it is held."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core import Document

from indexes.nodes import build_splitter, iter_records
from indexes.nodes import sliding_sentences as sections
from indexes.nodes import sliding_text as text_window
from indexes.nodes.record import join_records
from indexes.readers.builder import OutlineBuilder
from indexes.readers.outline import OUTLINE_KEY, make_document, outline_of
from indexes.readers.stream import DocumentStream, Part, parts_of, stream_of
from indexes.settings.sections import SplitSettings
from indexes.text import records, sentences

SAYING = "The owl hunts at night. 猫头鹰夜里捕猎。它在白天睡觉！ e.g. the barn owl, Dr. Hu says “so”: 3.5 m etc."
WORDS = list(SAYING.split(" "))
MARKS = [
    "\n",
    "\n\n",
    " ",
    "",
    "\n# x\n",
    '"',
    "”",
    "…",
    "; ",
    "\t\n \n",
    "。。。",
    "Fig. 3 says",
    "\n- item",
    "`a`",
    "；",
    "\n- 品名：螺丝；数量：5 盒；\n  日期：1 月。好\n",
]


def take_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few thousand characters slide by in many steps."""
    monkeypatch.setattr(sentences, "LONGEST", 150)
    monkeypatch.setattr(sections, "LONGEST", 150)
    monkeypatch.setattr(sections, "AT_ONCE", 300)
    monkeypatch.setattr(sections, "LOOK_AHEAD", 260)
    monkeypatch.setattr(records, "RECORD_CHARS", 200)


def made_up(draw: random.Random, length: int) -> Document:
    """Headings, text over pages, tables and code, long and short, in any order."""
    builder = OutlineBuilder()
    page = 1
    for number in range(length):
        kind = draw.choice(("heading", "text", "text", "text", "page", "table", "code", "wall"))
        if kind == "heading":
            builder.heading(draw.randrange(1, 4), f"Part {number}")
        elif kind == "page":
            page += 1
        elif kind == "table":
            builder.table([["a", "b"], *[[draw.choice(WORDS), str(row)] for row in range(draw.randrange(9))]])
        elif kind == "code":
            builder.code("\n".join("x = 1; y = 2" * draw.randrange(9) for _ in range(draw.randrange(40))) + "z")
        elif kind == "wall":  # no end of a sentence far and wide
            builder.paragraph("".join(draw.choice("abc字 ,") for _ in range(draw.randrange(900))) + "x", page)
        else:
            size = draw.randrange(1, 200)
            words = (draw.choice(WORDS) + draw.choice(MARKS if draw.random() < 0.3 else [" "]) for _ in range(size))
            builder.paragraph("".join(words) + "x", page, glue=draw.choice(("\n\n", "\n")))
    extract = builder.build()
    return make_document("d", extract.text, extract.sections, {"title": "T", "notes": ["a note"]})


def in_parts(document: Document, size: int) -> DocumentStream:
    return DocumentStream("d", stream_of(document).metadata, parts_of(document.text, outline_of(document), size))


@pytest.mark.parametrize("mode", ["sentence", "fixed", "parent_child"])
def test_parts_change_nothing(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    take_small_steps(monkeypatch)
    for seed in range(40):
        draw = random.Random(seed)
        document = made_up(draw, draw.randrange(1, 30))
        split = build_splitter(SplitSettings(mode=mode, max_chars=120, chunk_chars=100, contextual="heading"))
        whole = list(split(document))
        for size in (1, 97, 400, 5000):
            if size > 1 or seed < 4:
                assert list(split(in_parts(document, size))) == whole, (seed, size)
        for record in whole:
            if record.raw is None:
                assert document.text[record.start : record.end] == record.text


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, *MARKS, "a" * 130, " " * 90, "\n" * 70]), max_size=400), st.integers(1, 500))
def test_one_long_text_in_parts(words: list[str], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        take_small_steps(patch)
        document = Document(id_="d", text="".join(words))
        assert list(iter_records(in_parts(document, size))) == list(iter_records(document))


@pytest.mark.parametrize(
    "text",
    [
        "# A title. " + "It goes on. " * 200 + "A last word\nand what follows.",  # the line began with "#" long ago
        'He said: "' + "猫头鹰飞走了。" * 300 + '最后一句。"他说完了。"然后呢。',  # the quotation began long ago
        "short line\n" * 3 + "A much longer line that is full of words up to its end. " * 30 + "End\nNext. One.",
        "x" + " " * 3000 + "y. Z." + "\n" * 3000 + "。" * 3000 + "a",
    ],
)
def test_what_lies_far_back_still_counts(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    take_small_steps(monkeypatch)
    document = Document(id_="d", text=text)
    whole = list(iter_records(document))
    for size in (50, 700):
        assert list(iter_records(in_parts(document, size))) == whole


def test_what_is_held_does_not_grow_with_the_text() -> None:
    line = "The keeper of note 7 counts the sheep again. 第七条说羊又数了一遍。\n"
    held: list[int] = []

    def parts(count: int) -> Iterator[Part]:
        for number in range(count):
            section = [sections.Section(0, count * 1000 * len(line))] if number == 0 else []
            yield Part(line * 1000, section)

    def records(count: int) -> int:
        window = text_window.TextWindow(parts(count))
        number = 0
        for run in text_window.iter_runs(window):
            for number, (text, _, _) in enumerate(sections.spans_of(window, run), start=1):  # noqa: B007
                held.append(len(text))
        return number

    assert records(100) == 200_000  # 6.5 million characters
    assert max(held) < 600_000


def test_text_without_an_end_is_cut_where_it_is_looked_at() -> None:
    text = "abcdefghij" * 60_000
    document = Document(id_="d", text=text)
    whole = list(iter_records(document, overlap=0))
    assert join_records(whole) == text
    assert list(iter_records(in_parts(document, 50_000), overlap=0)) == whole
    code = make_document("d", text, [sections.Section(0, len(text), kind="code")], {})
    assert OUTLINE_KEY in code.metadata
    assert join_records(list(iter_records(in_parts(code, 50_000), overlap=0))) == text
