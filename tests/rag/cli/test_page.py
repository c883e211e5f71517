"""Where lines break, what of a long text is shown, and which of its words are bold."""

from __future__ import annotations

import pytest

from indexes.text.characters import columns
from rag.cli.matches import matched_spans
from rag.cli.output import place
from rag.cli.page import OFF, ON, Flow, cut, snippet, table, wrapped

MIXED = (
    "A window is the run of sentences around a hit. [1] 窗口（window）是命中句前后的若干句，默认是左右各三句。[2] See "
    "https://example.org/a/very/long/address/that/does/not/fit/on/any/line/of/this/page for more.\n\n"
    "第二段：宽度在提问时选择，因此不必重新建立索引；“宽度”可以是零。[1][3]"
)


@pytest.mark.parametrize("width", [20, 33, 40, 80])
def test_no_line_is_too_long_and_nothing_is_lost(width: int) -> None:
    shown = wrapped(MIXED, width, "  ")
    lines = shown.split("\n")
    assert all(columns(line) <= width for line in lines)
    assert "".join(shown.split()) == "".join(MIXED.split())
    assert all(line.startswith("  ") for line in lines if line)
    assert not any(line.lstrip().startswith(("，", "。", "）", "；", "”", "[2]")) for line in lines)
    assert not any(line.endswith(("（", "“")) for line in lines)


def test_pieces_give_the_same_lines_as_the_whole() -> None:
    for step in (1, 2, 7):
        flow = Flow(30)
        shown = "".join(flow.feed(MIXED[at : at + step]) for at in range(0, len(MIXED), step)) + flow.finish()
        assert shown == wrapped(MIXED, 30)
        assert flow.rows == shown.count("\n")


def test_a_pipe_gets_unbroken_lines() -> None:
    assert wrapped(MIXED, None) == MIXED
    assert wrapped("a  b\n  c", None) == "a  b\n  c"


def test_a_hanging_indent() -> None:
    assert wrapped("one two three", 9, "  ", first="- ") == "- one two\n  three"
    assert wrapped("one two three", 7, "  ", first="") == "one two\n  three"


def test_the_snippet_holds_the_matched_words() -> None:
    text = "Nothing of the kind is here. " * 20 + "Overlapping windows are merged into one passage. " + "Blah. " * 40
    spans = matched_spans("How is a window merged?", text)
    shown = snippet(text, spans, 100)
    assert f"{ON}windows{OFF} are {ON}merged{OFF}" in shown
    assert shown.startswith("…") and shown.endswith("…")
    assert columns(shown.replace(ON, "").replace(OFF, "")) <= 100
    assert snippet("short", [], 100) == "short"


def test_matched_words_of_chinese_in_either_script() -> None:
    text = "這裡說明窗口的寬度，预设为三句。"
    found = {text[start:end] for start, end in matched_spans("窗口的宽度是多少？", text)}
    assert found == {"窗口", "寬度"}
    assert matched_spans("窗口", "") == []
    assert [text for text in ("1920", "GBK") if matched_spans("When was GBK 1920 made?", text)] == ["1920", "GBK"]


def test_a_place_fits_its_line() -> None:
    source, heading = "a/long/way/down/to/the/guide/of/windows.md", "Handbook > Windows > 窗口的宽度与合并"
    assert place(source, heading, 3) == f"{source} › Handbook › Windows › 窗口的宽度与合并, page 3"
    for room in (70, 50, 40, 24, 12):
        shown = place(source, heading, 3, room=room)
        assert columns(shown) <= room
    assert place(source, heading, 3, room=50).startswith("…/") and "windows.md" in place(source, heading, 3, room=50)
    assert place("a.md", heading, None, room=33) == "a.md › 窗口的宽度与合并"


def test_columns_of_a_table_stand_under_each_other() -> None:
    lines = table([("名称", "12", "x"), ("name", "3", "yy")])
    assert lines == ["名称  12  x", "name  3   yy"]
    assert table([]) == []
    assert cut("窗口的宽度", 7) == "窗口的…"
