"""Read pictures of text with the program tesseract, if installed (``read.ocr = "tesseract"``)."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from typing import Any

from indexes.errors import ReaderError, SettingsError
from indexes.text.characters import CJK

TESSERACT = "tesseract"
INSTALL = "apt-get install tesseract-ocr tesseract-ocr-chi-sim"
_LANGUAGES = ("chi_sim", "eng")
_SECONDS = 100  # limit for one page
_CJK = re.compile(f"[{CJK}]")


def languages() -> list[str] | None:
    """Return the supported languages that tesseract has; None if it is not installed."""
    program = shutil.which(TESSERACT)
    if program is None:
        return None
    try:
        listed = subprocess.run([program, "--list-langs"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = set(listed.stdout.split())
    return [language for language in _LANGUAGES if language in found]


class Tesseract:
    """Returns the text of a page, given as a PIL image.

    Raises:
        SettingsError: tesseract is not installed, or has none of the supported languages.
    """

    def __init__(self) -> None:
        found = languages()
        if not found:
            lacks = "is not installed" if found is None else f"has none of the languages {', '.join(_LANGUAGES)}"
            raise SettingsError(f"read.ocr names tesseract, which {lacks}", remedy=f"run: {INSTALL}")
        self.languages = "+".join(found)

    def __call__(self, image: Any) -> str:
        picture = io.BytesIO()
        image.convert("L").save(picture, "PNG")
        command = [TESSERACT, "stdin", "stdout", "-l", self.languages]
        try:
            done = subprocess.run(command, input=picture.getvalue(), capture_output=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise ReaderError(
                f"tesseract took longer than {_SECONDS} s for a page", remedy="leave the file out"
            ) from error
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise ReaderError(
                f"tesseract failed ({said[-1] if said else f'exit code {done.returncode}'})",
                remedy=f"run: {TESSERACT} --list-langs",
            )
        return _joined(done.stdout.decode("utf-8", "replace"))


def _joined(text: str) -> str:
    """Remove the blanks that tesseract puts between Chinese characters."""
    out: list[str] = []
    for line in text.replace("\f", "").splitlines():
        words = line.split()
        kept = ""
        for word in words:
            beside = kept and word and _CJK.match(kept[-1]) and _CJK.match(word[0])
            kept += word if not kept or beside else f" {word}"
        out.append(kept)
    return "\n".join(out)
