"""Soft hyphens and zero-width characters are in no text that is searched."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexes.nodes import iter_records
from indexes.readers import read_file
from indexes.readers.plain import long_text
from indexes.settings.sections import ReadSettings
from indexes.text.invisible import Removed, safe_cut, searched, without_invisible


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("up\u00adstream", "upstream"),
        ("water\u00ad\n  fall", "waterfall"),
        ("key\u200bhole \ufeff\u2060x", "keyhole x"),
        ("\u202babc\u202c", "abc"),
        ("half\u2011way", "half-way"),
        ("re\u200centry", "reentry"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian needs its joiner
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
        ("数\u200b据", "数据"),
    ],
)
def test_what_goes_and_what_stays(text: str, wanted: str) -> None:
    assert without_invisible(text) == wanted
    removed = Removed(text)
    for at, char in enumerate(text):
        if wanted.count(char) == text.count(char) == 1:
            assert wanted[removed.offset(at)] == char
    assert removed.offset(len(text)) == len(wanted)
    cut = safe_cut(text)
    assert without_invisible(text[:cut]) + without_invisible(text[cut:]) == wanted


def test_wrapped_chinese_is_searched_as_one_word() -> None:
    assert searched("开放至晚上十\n点。Two\nwords") == "开放至晚上十点。Two\nwords"


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.csv", "a.json"])
def test_every_format(tmp_path: Path, name: str) -> None:
    texts = {
        "a.txt": "第一章 总\u200b则\n\nThe river\u00adbank is wet. 图\u200b书。",
        "a.md": "# 总\u200b则\n\nThe river\u00adbank is wet. 图\u200b书。",
        "a.html": "<h1>总\u200b则</h1><p>The river&shy;bank is wet. 图&#8203;书。</p>",
        "a.csv": "text,more\nThe river\u00adbank is wet.,图\u200b书。",
        "a.json": '{"text": "The river\u00adbank is wet.", "more": "图\u200b书。"}',
    }
    path = tmp_path / name
    path.write_text(texts[name], encoding="utf-8")
    [document] = read_file(path)
    assert "riverbank" in document.text and "图书" in document.text
    for record in iter_records(document):
        assert "\u00ad" not in record.text and "\u200b" not in f"{record.text}{record.heading}"
        if record.raw is None:
            assert document.text[record.start : record.end] == record.text


def test_a_long_text_comes_out_the_same_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.txt"
    path.write_text(
        "第一章 开\u200b端\n\nA river\u00ad\nbank, می\u200cخواهم。\u200b\u200b图\u200b书馆。\n" * 40, encoding="utf-8"
    )
    whole = read_file(path)[0].text
    monkeypatch.setattr(long_text, "LONG_BYTES", 1)
    for size in (7, 64, 1000):
        monkeypatch.setattr(long_text, "BLOCK_BYTES", size)
        [stream] = long_text.read_parts(path, settings=ReadSettings(), on_skip=lambda name, reason: None)
        assert not hasattr(stream, "text")
        assert "".join(part.text for part in stream.parts) == whole  # type: ignore[union-attr]
