"""Long text files are read in parts: the same Document, and memory that does not grow with the file."""

from __future__ import annotations

import contextlib
import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indexes.errors import ReaderError
from indexes.readers import read_file
from indexes.readers.plain import long_text
from indexes.readers.stream import DocumentStream
from indexes.settings.sections import ReadSettings

LINES = [
    "第一章 出发", "第二节 归途", "CHAPTER IV", "Part 2: The Road", "1.2 Limits", "Part 2 of the story goes on here.",
    "", "", "The road was long.", "路很长，走了三天。", "\ufeff", "x" * 300, " \t", "第" + "长" * 90, "\x0c",
]  # fmt: skip


def streamed(path: Path, **read: object) -> DocumentStream:
    (document,) = long_text.read_parts(path, settings=ReadSettings(**read), on_skip=lambda name, reason: None)
    return document


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(LINES), min_size=1, max_size=60),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
    st.integers(3, 400),
    st.booleans(),
)
@example(["\ufeff"], "\n", 3, True)  # two marks: the second one is text
def test_parts_are_the_whole(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, block: int, mark: bool
) -> None:
    for suffix in (".txt", ".log"):
        path = tmp_path_factory.getbasetemp() / f"long{suffix}"
        text = end.join(lines) + "."
        path.write_bytes((b"\xef\xbb\xbf" if mark else b"") + text.encode())
        (whole,) = read_file(path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(long_text, "LONG_BYTES", 1)
            patch.setattr(long_text, "BLOCK_BYTES", block)
            found = streamed(path)
            parts = found.document()
        assert (parts.text, parts.metadata, parts.node_id) == (whole.text, whole.metadata, whole.node_id)


@pytest.mark.parametrize(
    "data",
    [
        "猫头鹰飞走了。".encode("gb18030") * 50,
        "The owl.\n".encode("utf-16"),
        b"text \0 binary" * 40,
        b"\x01\x02\x03 abc" * 40,
        "日本語".encode("iso2022_jp_2") * 20,
    ],
)
def test_what_is_no_plain_utf_8_is_read_whole(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_text, "LONG_BYTES", 1)
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with contextlib.suppress(ReaderError):  # some of them nothing can read
        (whole,) = read_file(path)
        assert streamed(path).document().text == whole.text
    assert long_text._stream(path, ReadSettings()) is None


def test_only_a_part_is_held(tmp_path: Path) -> None:
    draw = random.Random(3)
    path = tmp_path / "big.txt"
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < 9 << 20:
            file.write("".join(draw.choice(LINES[8:10]) for _ in range(2000)) + "\n" * draw.randrange(3))
    found = streamed(path)
    sizes = [len(part.text) for part in found.parts]
    assert len(sizes) > 30 and max(sizes) <= long_text.BLOCK_BYTES


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Python's own peak while a file of 2 MB and one of 8 MB are walked: a file held whole would take four times it."""
    path = tmp_path / "long.txt"
    most = []
    for megabytes in (2, 8):
        path.write_text("The road was long. 路很长，走了三天。\n\n" * (megabytes * 20_000), encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(long_text, "LONG_BYTES", 1)
            tracemalloc.start()
            stream = streamed(path)
            length = sum(len(part.text) for part in stream.parts)
            most.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert length > megabytes * 500_000
    assert most[1] < 1.3 * most[0]
    assert most[1] < 8 << 20
