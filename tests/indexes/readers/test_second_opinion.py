"""What a reader that is not ours finds in Office and PDF files, we find too: in all documents of the suite."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pdfminer.high_level import extract_text
from pdfminer.pdfexceptions import PDFException

from indexes.errors import ReaderError
from indexes.readers import read_file
from indexes.readers.outline import outline_of
from indexes.text.characters import compatible
from tests.docs.format_samples import SAMPLES
from tests.indexes.readers.office.test_office import pptx_of, rich_docx
from tests.indexes.readers.tables.golden import GOLDEN
from tests.indexes.readers.tables.test_golden import docx, pptx, xlsx

office_oxide = pytest.importorskip("office_oxide")
WORD = re.compile(r"[^\W_]+")
LEFT_OUT = {  # on purpose
    # headers and footers, what a review deleted, what is struck through
    ".docx": {"Confidential", "header", "Footer", "words", "gone", "Gone"},
    # hidden slides, what is struck through, names of placeholders
    ".pptx": {"Secret", "Slide", "Notes", "Chart", "Title", "Categories", "Gone"},
    # hidden sheets, columns and rows; 42 is shown as 00042
    ".xlsx": {"Secret", "Hidden", "town", "A", "Old", "3", "x7", "x8", "x9", "42"},
    # running heads; 106 is 10^6
    ".pdf": {"Lease", "the", "mill", "Page", "1", "2", "106"},
}
FILES = {SAMPLES[sample][0]: sample for sample in SAMPLES if sample[0] in ("Word", "PowerPoint", "Excel", "PDF")}


def lost(path: Path) -> Counter[str]:
    """Words that the other reader finds and we do not."""
    found = extract_text(str(path)) if path.suffix == ".pdf" else office_oxide.extract_text(str(path))
    theirs = Counter(WORD.findall(compatible(found)))
    ours = Counter[str]()
    for document in read_file(path):
        ours.update(WORD.findall(compatible(document.text)))
        ours.update(
            word for section in outline_of(document) for title in section.heading for word in WORD.findall(title)
        )
    return Counter({word: count for word, count in (theirs - ours).items() if word not in ours})


@pytest.mark.parametrize("make", [rich_docx, pptx_of])
def test_no_word_is_lost(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    kind = ".docx" if make is rich_docx else ".pptx"
    found = lost(make(tmp_path / f"a{kind}"))
    assert set(found) <= LEFT_OUT[kind], found


@pytest.mark.parametrize("make", [docx, xlsx, pptx])
def test_no_word_of_a_table_is_lost(tmp_path: Path, make: Callable[..., Path]) -> None:
    for number, golden in enumerate(GOLDEN):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert not lost(make(folder, golden)), golden.name


@pytest.mark.parametrize("make", FILES, ids=[" ".join(sample) for sample in FILES.values()])
def test_no_word_of_the_guides_samples_is_lost(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    try:
        found = lost(path)
    except (ReaderError, PDFException) as error:
        pytest.skip(f"one of both does not read it: {error}")
    assert set(found) <= LEFT_OUT[path.suffix], found


def test_the_comparison_can_fail(tmp_path: Path) -> None:
    path = rich_docx(tmp_path / "a.docx")
    assert "Confidential" in lost(path)
