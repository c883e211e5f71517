"""A terminal of a test: what was written, and what one would see of it."""

from __future__ import annotations

import io
import re

import pytest

STYLE = re.compile(r"\x1b\[[\d;]*m")


class Screen(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def written(self) -> str:
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined]

    @property
    def seen(self) -> str:
        """The text that stays: rows that were taken back are gone, styles are left out."""
        lines = [""]
        for part in re.split(r"(\x1b\[\d*A\r\x1b\[J|\r\x1b\[K|\n)", STYLE.sub("", self.written)):
            if part == "\n":
                lines.append("")
            elif part == "\r\x1b[K":
                lines[-1] = ""
            elif up := re.fullmatch(r"\x1b\[(\d*)A\r\x1b\[J", part):
                lines = [*lines[: len(lines) - 1 - int(up[1])], ""]
            else:
                lines[-1] += part
        return "\n".join(lines)


def screen(monkeypatch: pytest.MonkeyPatch, name: str, columns: int = 80) -> Screen:
    """Make ``sys.NAME`` a terminal of this width."""
    made = Screen()
    monkeypatch.setattr(f"sys.{name}", made)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", "40")
    return made
