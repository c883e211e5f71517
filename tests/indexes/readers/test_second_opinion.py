"""What a reader that is not ours finds in Office files, we find too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from indexes.readers import read_file
from indexes.readers.outline import outline_of
from tests.indexes.readers.office.test_office import pptx_of, rich_docx
from tests.indexes.readers.tables.golden import GOLDEN
from tests.indexes.readers.tables.test_golden import docx, pptx, xlsx

office_oxide = pytest.importorskip("office_oxide")
WORD = re.compile(r"[^\W_]+")
LEFT_OUT = {  # on purpose: headers and footers, what a review deleted, hidden slides, names of placeholders
    "docx": {"Confidential", "header", "Footer", "words", "gone"},
    "pptx": {"Secret", "Slide", "Notes", "Chart", "Categories"},
}


def lost(path: Path) -> Counter[str]:
    """Words that the other reader finds and we do not."""
    theirs = Counter(WORD.findall(office_oxide.extract_text(str(path))))
    ours = Counter[str]()
    for document in read_file(path):
        ours.update(WORD.findall(document.text))
        ours.update(
            word for section in outline_of(document) for title in section.heading for word in WORD.findall(title)
        )
    return Counter({word: count for word, count in (theirs - ours).items() if word not in ours})


@pytest.mark.parametrize("make", [rich_docx, pptx_of])
def test_no_word_is_lost(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    kind = "docx" if make is rich_docx else "pptx"
    found = lost(make(tmp_path / f"a.{kind}"))
    assert set(found) <= LEFT_OUT[kind], found


@pytest.mark.parametrize("make", [docx, xlsx, pptx])
def test_no_word_of_a_table_is_lost(tmp_path: Path, make: Callable[..., Path]) -> None:
    for number, golden in enumerate(GOLDEN[::5]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert not lost(make(folder, golden)), golden.name


def test_the_comparison_can_fail(tmp_path: Path) -> None:
    path = rich_docx(tmp_path / "a.docx")
    assert "Confidential" in lost(path)
