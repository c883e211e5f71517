"""Tables are searched row by row in words, and read as Markdown."""

from __future__ import annotations

from llama_index.core import Document

from indexes.nodes import SentenceRecord, iter_records
from indexes.nodes.cutting import Limits
from indexes.nodes.record import dense_text, join_records
from indexes.nodes.tables import cells_of, iter_rows
from indexes.readers.outline import Section, make_document
from indexes.readers.tables.cells import Cell, spread
from rag.retrieval.candidate import Passage

HEAD = "| 名称 | 价格 |\n| --- | --- |"


def table(markdown: str, before: str = "", **section: object) -> Document:
    text = before + markdown
    sections = [Section(len(before), len(text), kind="table", **section)]  # type: ignore[arg-type]
    if before:
        sections.insert(0, Section(0, len(before)))
    return make_document("d", text, sections, {})


def rows(document: Document) -> list[SentenceRecord]:
    return [record for record in iter_records(document) if record.kind == "table"]


def test_a_row_says_its_headers_under_the_heading() -> None:
    found = rows(table(f"{HEAD}\n| 梨 | 3 |\n|  |  |\n| 苹果 |  |", heading=("价目",)))
    assert [record.text for record in found] == ["价目 — 名称: 梨; 价格: 3", "价目 — 名称: 苹果"]
    assert found[0].raw == "| 梨 | 3 |" and found[0].head == HEAD


def test_caption_of_the_section_the_line_above_or_the_first_row() -> None:
    body = f"{HEAD}\n| 梨 | 3 |"
    assert rows(table(body, caption="水果"))[0].text == "水果 — 名称: 梨; 价格: 3"
    assert rows(table(body, before="Table 2: fruit\n\n"))[0].text == "Table 2: fruit — 名称: 梨; 价格: 3"
    captioned = "| 表内标题 |  |\n| --- | --- |\n| 名称 | 价格 |\n| 梨 | 3 |"
    [row] = rows(table(captioned))
    assert row.text == "表内标题 — 名称: 梨; 价格: 3"
    assert join_records([row]) == captioned


def test_key_value_tables_and_tables_without_a_head() -> None:
    keys = "|  |  |\n| --- | --- |\n| Author | Ada |\n| Year | 1843 |"
    assert [record.text for record in rows(table(keys))] == ["Author: Ada", "Year: 1843"]
    assert [record.text for record in rows(table("| a | b |\n| c | d |"))] == ["a; b", "c; d"]
    assert [record.text for record in rows(table(HEAD))] == ["名称; 价格"]


def test_the_answer_reads_the_table_with_its_head_wherever_the_window_begins() -> None:
    lines = [f"| 第{i}种 | {i} |" for i in range(6)]
    found = rows(table("\n".join([HEAD, *lines])))
    assert Passage(1, found[2:5], [], 1.0).text == "\n".join([HEAD, *lines[2:5]])
    back = [SentenceRecord.from_payload(record.to_payload()) for record in found]
    assert join_records(back) == join_records(found)
    assert [SentenceRecord.from_node(record.to_node()) for record in found] == found


def test_a_long_cell_is_cut_with_its_header() -> None:
    long = "很长的说明，" * 40
    document = table(f"{HEAD}\n| 梨 | {long} |")
    found = list(iter_records(document, max_chars=100))
    assert len(found) > 2
    assert all(record.text.startswith("价格: ") for record in found[1:])
    assert join_records(found) == document.text


def test_escaped_bars_belong_to_the_cell() -> None:
    assert cells_of(r"| a \| b | c |") == ["a | b", "c"]
    assert rows(table("| x |\n| --- |\n| a \\| b |"))[0].text == "x: a | b"


def test_dense_text_puts_the_place_before_a_sentence() -> None:
    record = SentenceRecord("d", 0, "必须书面通知。", metadata={"title": "合同", "heading": "第一章 > 第二节"})
    assert dense_text(record, "none") == "必须书面通知。"
    assert dense_text(record, "title") == "合同\n必须书面通知。"
    assert dense_text(record, "heading") == "第一章 > 第二节\n必须书面通知。"
    deep = SentenceRecord("d", 0, "X.", metadata={"heading": " > ".join(["很长的标题" * 10] * 5)})
    assert len(dense_text(deep, "heading")) < 170
    assert dense_text(SentenceRecord("d", 0, "X."), "heading") == "X."


def test_a_head_longer_than_the_encoder_reads_leaves_room_for_values() -> None:
    long = "very long head " * 150
    limits = Limits(max_tokens=64, count_tokens=lambda texts: [len(text.split()) + 2 for text in texts])
    markdown = f"| {long} | {long} |\n| --- | --- |\n" + "| some words here | and some more |\n" * 20
    found = list(iter_rows(markdown, 0, len(markdown), label="a label " * 40, limits=limits))
    assert len(found) <= 40
    assert all(len(row.text) < 400 and len(row.head or "") < 2200 for row in found)
    assert all("some" in row.text for row in found)


def test_copies_of_merged_cells_are_bounded() -> None:
    table = [(0, [Cell("x" * 5000, across=40, down=900), Cell("own")], False)]
    table += [(0, [Cell(f"row {number}")], False) for number in range(900)]
    rows = list(spread(table))
    assert rows[0].cells[0] == "x" * 5000
    assert rows[-1].cells[-1] == "row 899"
    assert sum(len(cell) for row in rows for cell in row.cells) < 250_000
