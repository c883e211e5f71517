"""OCR by the program tesseract, where it is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from indexes.errors import SettingsError
from indexes.readers import ocr, read_file
from indexes.readers.outline import notes_of
from indexes.settings.sections import ReadSettings
from tests.indexes.readers.pdf.test_pdf import scanned


def picture(path: Path) -> Path:
    """A page with nothing but a picture of words."""
    from fpdf import FPDF

    image = Image.new("RGB", (1000, 160), "white")
    ImageDraw.Draw(image).text((30, 40), "Owls hunt at night", fill="black", font=ImageFont.load_default(72))
    image.save(path.with_suffix(".png"))
    pdf = FPDF()
    pdf.add_page()
    pdf.image(str(path.with_suffix(".png")), x=10, y=10, w=180)
    pdf.output(str(path))
    return path


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_tesseract_reads_a_scanned_page(tmp_path: Path) -> None:
    document = read_file(picture(tmp_path / "a.pdf"), settings=ReadSettings(ocr="tesseract"))[0]
    assert document.text == "Owls hunt at night"
    assert notes_of(document) == ["the text of page 1 is by OCR"]


def test_without_tesseract_the_way_to_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ocr.languages() is None
    with pytest.raises(SettingsError, match="apt-get install tesseract-ocr"):
        read_file(scanned(tmp_path / "a.pdf"), settings=ReadSettings(ocr="tesseract"))


def test_blanks_between_chinese_characters_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "猫 头 鹰 eats 老鼠 。\\n\\f"
    program = tmp_path / ocr.TESSERACT
    program.write_text(
        f"#!/bin/sh\nif [ $1 = --list-langs ]; then echo eng; else cat > /dev/null; printf '{said}'; fi\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    document = read_file(picture(tmp_path / "a.pdf"), settings=ReadSettings(ocr="tesseract"))[0]
    assert set(document.text.split("\n")) - {""} == {"猫头鹰 eats 老鼠。"}
