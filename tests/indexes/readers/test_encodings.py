"""Encodings recognised by mark, declaration and content, for text, HTML and csv; guesses are noted."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from opencc import OpenCC

from indexes.errors import ReaderError
from indexes.readers.euc_tw import decode_euc_tw
from indexes.readers.guess_encoding import decode_as, guess_legacy
from indexes.readers.outline import notes_of
from tests import ROOT
from tests.indexes.readers.reader_files import put, read_one

ZH = "数据库的备份每天晚上两点开始，备份失败时系统会发送邮件给管理员。请在三天之内处理。"
TW = "資料庫的備份每天晚上兩點開始，備份失敗時系統會發送郵件給管理員。請在三天之內處理。"
JA = "データベースのバックアップは毎日午前二時に始まります。失敗した場合は管理者に通知されます。"
KO = "데이터베이스 백업은 매일 오전 두 시에 시작됩니다. 실패하면 관리자에게 알립니다."


def euc_tw(text: str) -> bytes:
    """Encoded by the table that decodes; compared with iconv in a test of its own."""
    table = {}
    for plane, prefix in ((1, b""), (2, b"\x8e\xa2")):
        assert plane
        for row in range(0xA1, 0xFF):
            for cell in range(0xA1, 0xFF):
                code = prefix + bytes((row, cell))
                table.setdefault(decode_euc_tw(code), code)
    return b"".join(table.get(char) or char.encode("ascii") for char in text)


CASES = [
    (ZH, "gb2312", "gb18030"),
    (ZH, "gbk", "gb18030"),
    (ZH, "gb18030", "gb18030"),
    (ZH, "utf-16-le", "utf-16-le"),
    (ZH, "utf-16-be", "utf-16-be"),
    (ZH, "utf-32-le", "utf-32-le"),
    (ZH, "utf-32-be", "utf-32-be"),
    (ZH, "utf-16", "utf-16"),
    (ZH, "utf-32", "utf-32"),
    (TW, "big5", "big5"),
    (TW, "euc-tw", "euc-tw"),
    (TW, "utf-16-le", "utf-16-le"),
    (JA, "shift_jis", "shift_jis"),
    (JA, "euc_jp", "euc_jp"),
    (JA, "iso2022_jp", "iso2022_jp_2"),
    (KO, "euc_kr", "euc_kr"),
]


def encoded(text: str, encoding: str) -> bytes:
    return euc_tw(text) if encoding == "euc-tw" else text.encode(encoding)


@pytest.mark.parametrize(("text", "encoding", "found"), CASES)
@pytest.mark.parametrize("lines", [False, True], ids=["one line", "lines"])
def test_text_by_content(tmp_path: Path, text: str, encoding: str, found: str, lines: bool) -> None:
    text = "\n".join([text, "PostgreSQL 16", text]) if lines else text
    document = read_one(put(tmp_path, "a.txt", encoded(text, encoding)))
    assert document.text == text
    assert document.metadata["encoding"] == found
    assert notes_of(document) == []


@pytest.mark.parametrize(("text", "encoding", "found"), CASES)
def test_csv_by_content(tmp_path: Path, text: str, encoding: str, found: str) -> None:
    document = read_one(put(tmp_path, "a.csv", encoded(f"id,text\n1,{text}\n2,{text}\n", encoding)))
    assert document.text.splitlines()[2] == f"| 1 | {text} |"
    assert document.metadata["encoding"] == found


@pytest.mark.parametrize(
    ("text", "encoding", "charset"),
    [
        (ZH, "gbk", "gb2312"),
        (ZH, "gb18030", "GBK"),
        (TW, "big5", "big5"),
        (TW, "euc-tw", "x-euc-tw"),
        (JA, "shift_jis", "Shift_JIS"),
        (JA, "iso2022_jp", "iso-2022-jp"),
        (KO, "euc_kr", "euc-kr"),
        ("Ça déjà vu", "latin1", "iso-8859-1"),
    ],
)
@pytest.mark.parametrize("form", ["meta", "http-equiv", "xml"])
def test_html_by_declaration(tmp_path: Path, text: str, encoding: str, charset: str, form: str) -> None:
    head = {
        "meta": f'<meta charset="{charset}">',
        "http-equiv": f'<meta http-equiv="Content-Type" content="text/html; charset={charset}">',
        "xml": f'<?xml version="1.0" encoding="{charset}"?>',
    }[form]
    html = head.encode() + b"<p>" + encoded(text, encoding) + b"</p>"
    document = read_one(put(tmp_path, "a.html", html))
    assert document.text == text
    assert document.metadata["encoding"].lower() == charset.lower()
    assert notes_of(document) == []


def test_html_that_declares_the_wrong_encoding_is_read_by_its_content(tmp_path: Path) -> None:
    wrong = read_one(put(tmp_path, "a.html", b'<meta charset="gb2312"><p>' + (TW * 3).encode("big5")))
    assert wrong.text == TW * 3
    assert "reads as big5" in notes_of(wrong)[0]
    utf8 = read_one(put(tmp_path, "b.html", f'<meta charset="gb2312"><p>{ZH}'.encode()))
    assert utf8.text == ZH and "encoding" not in utf8.metadata


def test_a_guess_that_is_not_certain_is_noted(tmp_path: Path) -> None:
    for name, data, text in (
        ("latin.txt", "Ça, c'est déjà vu.".encode("latin1"), "Ça, c'est déjà vu."),
        ("short.txt", "日本".encode("shift_jis"), None),
    ):
        document = read_one(put(tmp_path, name, data))
        assert text is None or document.text == text
        assert "is a guess" in notes_of(document)[0], name
        assert document.metadata["encoding"] in notes_of(document)[0]


def test_the_user_may_say_it(tmp_path: Path) -> None:
    path = put(tmp_path, "a.txt", "日本".encode("shift_jis"))
    document = read_one(path, encoding="shift_jis")
    assert document.text == "日本" and notes_of(document) == []
    with pytest.raises(ReaderError, match="not in the encoding 'utf-8'"):
        read_one(path, encoding="utf-8")
    with pytest.raises(ReaderError, match="there is no encoding 'klingon'"):
        read_one(path, encoding="klingon")


def test_broken_characters_are_counted_not_hidden(tmp_path: Path) -> None:
    document = read_one(put(tmp_path, "a.txt", (ZH * 40).encode("gbk") + b"\xff\xff\n"))
    assert document.text.startswith(ZH)
    assert any(" replaced" in note for note in notes_of(document))


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x00\x00\x01" * 30, bytes(range(256)) * 20, b"\x00" * 400 + b"x"])
def test_binary_is_no_text(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ReaderError, match="binary"):
        read_one(put(tmp_path, "a.txt", data))


def test_euc_tw_refuses_what_it_does_not_know() -> None:
    assert decode_as(b"abc", "EUC-TW") == "abc"
    with pytest.raises(UnicodeDecodeError):
        decode_as(b"\x8e\xa5\xa1\xa1", "euc-tw")


@pytest.mark.skipif(shutil.which("iconv") is None, reason="iconv is not installed")
def test_euc_tw_equals_iconv() -> None:
    codes = [bytes((row, cell)) for row in range(0xC4, 0xFE) for cell in range(0xA1, 0xFF)]
    codes += [b"\x8e\xa2" + bytes((row, cell)) for row in range(0xA1, 0xF2) for cell in range(0xA1, 0xFF)]
    data = b"\n".join(codes)
    done = subprocess.run(["iconv", "-c", "-f", "EUC-TW", "-t", "UTF-8"], input=data, capture_output=True)
    if not done.stdout:
        pytest.skip("this iconv does not know EUC-TW")
    theirs = done.stdout.decode().split("\n")
    ours = decode_euc_tw(data).split("\n")
    differ = [(a, b) for a, b in zip(theirs, ours, strict=True) if a and a != b]
    assert len(differ) <= 4, differ  # compatibility ideographs that Big5 has twice


def test_a_long_ascii_beginning_hides_nothing(tmp_path: Path) -> None:
    for text, encoding, found in ((ZH, "gbk", "gb18030"), (TW, "big5", "big5"), (JA, "shift_jis", "shift_jis")):
        data = b"2024-01-01 INFO started\n" * 8000 + text.encode(encoding) + b"\n" + b"2024-01-02 INFO ended\n" * 8000
        document = read_one(put(tmp_path, "a.log", data))
        assert text in document.text and document.metadata["encoding"] == found and notes_of(document) == []


@pytest.mark.parametrize("codec", ["gb18030", "big5"])
def test_short_texts_are_read_more_surely_than_by_charset_normalizer(codec: str) -> None:
    """The race behind docs/en/what-we-use.md: run with ``pytest -s``."""
    from charset_normalizer import from_bytes

    guide = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "zh").glob("[a-z]*.md")))
    text = "".join(re.findall(r"[\u4e00-\u9fff，。、；：]+", guide))
    if codec == "big5":
        text = "".join(char for char in OpenCC("s2t").convert(text) if char.encode("big5", "ignore"))
    samples = [text[start : start + 15] for start in range(0, 60 * 487, 487)]
    ours = theirs = 0
    for sample in samples:
        data = sample.encode(codec)
        ours += decode_as(data, guess_legacy(data).encoding) == sample
        theirs += str(from_bytes(data).best()) == sample
    print(f"\n{codec}: {ours} of {len(samples)} texts of 15 characters are read right; charset-normalizer {theirs}")
    assert len(samples) == 60 and ours >= 59 and ours > theirs
