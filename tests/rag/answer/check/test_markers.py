"""Citation markers: which brackets are markers, what is taken out, what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answer.check.markers import MarkerScanner, parse_numbers


def clean(text: str, valid: set[int]) -> tuple[str, list[str]]:
    scanner = MarkerScanner(valid)
    return scanner.feed(text) + scanner.finish(), scanner.removed


@pytest.mark.parametrize(
    ("inside", "numbers"),
    [
        ("1", [1]),
        ("1,2", [1, 2]),
        ("1, 2 , 3", [1, 2, 3]),
        ("1、2", [1, 2]),
        ("1；3", [1, 3]),
        ("1-3", [1, 2, 3]),
        ("1–2", [1, 2]),
        ("1至3", [1, 2, 3]),
        ("1-2, 5", [1, 2, 5]),
        ("^4", [4]),
        ("passage 2", [2]),
        ("Passages 1 and 2", [1, 2]),
        ("Source: 3", [3]),
        ("段落1、2", [1, 2]),
        ("文档 3", [3]),
        ("１，２", [1, 2]),
        ("3†store.md", [3]),
        ("1,1", [1]),
        ("2024", None),
        ("a", None),
        ("", None),
        ("0-9", None),
        ("3-1", None),
        ("1-100", None),
        ("x1", None),
        ("1.5", None),
        ("citation needed", None),
    ],
)
def test_what_is_a_marker(inside: str, numbers: list[int] | None) -> None:
    assert parse_numbers(inside) == numbers


@pytest.mark.parametrize(
    ("text", "expected", "removed"),
    [
        # valid markers stay as written; full-width and labelled ones become [n]
        ("It works [doc1].", "It works [1].", []),
        ("It works [Source 1, 2].", "It works [1][2].", []),
        ("窗口是三句[段落1]。", "窗口是三句[1]。", []),
        ("It works [1].", "It works [1].", []),
        ("It works[1][2].", "It works[1][2].", []),
        ("It works [1, 2].", "It works [1, 2].", []),
        ("窗口是三句【1】。", "窗口是三句[1]。", []),
        ("窗口是三句［１］。", "窗口是三句[1]。", []),
        ("窗口是三句「[1]」。", "窗口是三句「[1]」。", []),
        ("see [[2]].", "see [[2]].", []),
        # invented numbers go, with the blank before them
        ("It works [9].", "It works.", ["[9]"]),
        ("It works [9] well.", "It works well.", ["[9]"]),
        ("It works. [9] Next.", "It works. Next.", ["[9]"]),
        ("It works [9][1].", "It works [1].", ["[9]"]),
        ("It works [1] [9] now.", "It works [1] now.", ["[9]"]),
        ("It works [1, 9].", "It works [1].", ["[9]"]),
        ("It works [1-3].", "It works [1][2].", ["[3]"]),
        ("很好【9】。", "很好。", ["[9]"]),
        ("很好「[9]」。", "很好。", ["[9]"]),
        ("good ([9]).", "good.", ["[9]"]),
        ("good [[9]] day", "good day", ["[9]"]),
        ("[9] first", "first", ["[9]"]),
        ("a line\n[9]\nanother", "a line\nanother", ["[9]"]),
        ("a line [9]\nanother", "a line\nanother", ["[9]"]),
        ("a line [9]\n\nanother", "a line\n\nanother", ["[9]"]),
        ("last [9]", "last", ["[9]"]),
        ("zero [0].", "zero.", ["[0]"]),
        ("this default[9].", "this default.", ["[9]"]),
        ("(see the guide)[9].", "(see the guide).", ["[9]"]),
        # code and indexes are left alone
        ("use `x [9]` here", "use `x [9]` here", []),
        ("use ``a ` [9]`` here [9]", "use ``a ` [9]`` here", ["[9]"]),
        ("```\nrow [9]\n```\nend [9]", "```\nrow [9]\n```\nend", ["[9]"]),
        ("a lone ` tick\nend [9]", "a lone ` tick\nend", ["[9]"]),
        ("take a[9] and x[0]", "take a[9] and x[0]", []),
        ("take a[0][9]", "take a[0][9]", []),
        ("arr[9] = 1", "arr[9] = 1", []),
        ("sys.argv[9] and max_tokens[7]", "sys.argv[9] and max_tokens[7]", []),
        # other brackets are text
        ("born in [1999]", "born in [1999]", []),
        ("[sic] and [0-9]", "[sic] and [0-9]", []),
        ("open [1 and no end", "open [1 and no end", []),
        ("open [9\nnext [1]", "open [9\nnext [1]", []),
        ("- [ ] a task", "- [ ] a task", []),
        ("  white space  ", "white space", []),
        ("", "", []),
    ],
)
def test_cleaning(text: str, expected: str, removed: list[str]) -> None:
    assert clean(text, {1, 2}) == (expected, removed)


def test_index_rules() -> None:
    """One small letter: always an index. Other code: a citation only when every number is a passage's."""
    scanner = MarkerScanner({1})
    scanner.feed("a[1] and arr[1] and max_tokens[1] and default[1] and BGE-M3[1]")
    scanner.finish()
    assert len(scanner.markers) == 3


def test_marker_places() -> None:
    scanner = MarkerScanner({1, 2})
    text = scanner.feed(" 一【1】。 two [9] [1, 2].") + scanner.finish()
    assert [(text[m.start : m.end], m.numbers) for m in scanner.markers] == [("[1]", (1,)), ("[1, 2]", (1, 2))]


PIECES = st.sampled_from(
    ["[1]", "[9]", " [2]", "[1, 9]", "【1】", "［9］", "「[9]」", "[[1]]", "`", "```\n", "a[1]", "x", " ", "\n", "。",
     ".", "word", "句子", "[", "]", "(", ")", "[1-3]", "[^1]", "[2024]", "default[9]", "- ", "3"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=25).map("".join)


@pytest.mark.slow
@given(TEXTS, st.data())
def test_any_chunking_gives_the_same(text: str, data: st.DataObject) -> None:
    whole = MarkerScanner({1, 2})
    expected = whole.feed(text) + whole.finish()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    scanner = MarkerScanner({1, 2})
    got = "".join(scanner.feed(piece) for piece in pieces) + scanner.finish()
    assert (got, scanner.markers, scanner.removed) == (expected, whole.markers, whole.removed)


@pytest.mark.parametrize(
    ("text", "kept"), [("[- ", "[-"), ("[- \n", "[-"), ("x [a \n\n", "x [a"), ("[- [1]", "[- [1]")]
)
def test_blanks_behind_an_open_bracket_are_blanks(text: str, kept: str) -> None:
    assert clean(text, {1}) == (kept, [])


@given(TEXTS)
def test_text_without_invented_numbers_keeps_every_word(text: str) -> None:
    text = text.replace("`", "")  # code keeps its brackets
    got, removed = clean(text, set(range(1000)))
    assert removed == []
    squeeze = str.maketrans("【】［］", "[][]", "^")  # a label goes
    assert got.translate(squeeze) == text.translate(squeeze).strip()


@given(TEXTS)
def test_markers_point_at_brackets_of_known_numbers(text: str) -> None:
    scanner = MarkerScanner({1, 2})
    got = scanner.feed(text) + scanner.finish()
    for marker in scanner.markers:
        assert got[marker.start] == "[" and got[marker.end - 1] == "]"
        assert set(marker.numbers) <= {1, 2} and marker.numbers


@given(
    st.lists(st.sampled_from(("[1]", "[9]", "【9】", "[1,9]", "[7-9]", "word", "句子。", " ", ". ", "\n")), max_size=25)
)
def test_no_invented_number_is_left(pieces: list[str]) -> None:
    got, removed = clean("".join(pieces), {1})
    assert "9" not in got
    assert removed.count("[9]") == sum("9" in piece for piece in pieces)
