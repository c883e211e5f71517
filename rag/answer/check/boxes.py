r"""An answer in a box of LaTeX, as models trained on mathematics write it: of ``\boxed{40 euros [1]}`` the content."""

from __future__ import annotations

import re

_OPEN = re.compile(r"(?P<around>\$\$?|\\\(|\\\[)?\s*\\boxed\s*\{")
_MAY_OPEN = re.compile(r"(?:\$\$?|\\[(\[])\s*(?:\\[a-z]{0,8}\s*)?$|\\[a-z]{0,8}\s*$")
_INSIDE = re.compile(r"\\(?:text|mathrm|textbf|mathbf)\s*\{|\\(?P<escaped>[%$&#_])|\\[,;! ]|\\?[{}]")
_MAY_GO_ON = re.compile(r"\\[a-z]{0,8}\s*$")
_CLOSE = re.compile(r"\s*(?:\$\$?|\\[)\]])")
_MAY_CLOSE = re.compile(r"\s*[$\\]?")


class Unboxed:
    r"""Take an answer out of its box, in text that is fed in pieces; joined, the returned pieces are the whole text.

    Code between backticks is not changed.

    >>> box = Unboxed()
    >>> box.feed(r"It costs $\boxed{\text{40 euros}}$ [1].") + box.finish()
    'It costs 40 euros [1].'
    """

    def __init__(self) -> None:
        self._held = ""
        self._ticks = 0
        self._depth: list[bool] = []  # open braces of the box: whether each is dropped with its partner
        self._around = False  # dollars or the like surround the box
        self._closing = False  # the box has just ended

    def feed(self, text: str) -> str:
        """Add a piece; return the text that is ready."""
        if not (self._held or self._depth or self._closing or "$" in text or "\\" in text):
            self._ticks += text.count("`")
            return text
        self._held += text
        return self._ready(final=False)

    def finish(self) -> str:
        """Return the rest of the text."""
        return self._ready(final=True)

    def _ready(self, *, final: bool) -> str:
        given = ""
        while self._held:
            if self._closing:
                close = _CLOSE.match(self._held)
                if not final and _MAY_CLOSE.fullmatch(self._held):
                    break
                self._held = self._held[close.end() :] if close else self._held
                self._closing = False
            found = _INSIDE.search(self._held) if self._depth else _OPEN.search(self._held)
            if found is None:
                waits = None if final else (_MAY_GO_ON if self._depth else _MAY_OPEN).search(self._held)
                cut = waits.start() if waits else len(self._held)
                given += self._take(cut)
                break
            given += self._take(found.start())
            part, self._held = self._held[: len(found.group())], self._held[len(found.group()) :]
            given += self._inside(part, found) if self._depth else self._open(part, found)
        return given

    def _take(self, length: int) -> str:
        given, self._held = self._held[:length], self._held[length:]
        self._ticks += given.count("`")
        return given

    def _open(self, part: str, found: re.Match[str]) -> str:
        if self._ticks % 2:
            return part
        self._depth, self._around = [True], found.group("around") is not None
        blank = part.removeprefix(found.group("around") or "")
        return blank[: len(blank) - len(blank.lstrip())] if not self._around else ""

    def _inside(self, part: str, found: re.Match[str]) -> str:
        if found.group("escaped"):
            return found.group("escaped")
        if part.endswith("{") and part not in ("{", "\\{"):
            self._depth.append(True)
            return ""
        if part == "{":
            self._depth.append(False)
            return part
        if part == "}":
            dropped = self._depth.pop()
            self._closing = not self._depth and self._around
            return "" if dropped else part
        return part if part in ("\\{", "\\}") else " "
