"""Rich text (.rtf): paragraphs, headings by style or outline level, tables, the numbers of lists, raised text.

Left out: pictures, headers and footers, comments; hidden and struck-through text, counted. (RTF specification 1.9.1)
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder, collapse_lines
from indexes.readers.inline import lowered, raised
from indexes.readers.source_file import SourceFile
from indexes.readers.tables.cells import Cell, spread
from indexes.readers.tables.grid import TablePlace, add_table

_TOKEN = re.compile(
    rb"\\([a-z]{1,32})(-?\d{1,10})?[ ]?|\\'([0-9a-fA-F]{2})|\\([^a-z])|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.DOTALL
)
_DESTINATIONS = """
fonttbl colortbl stylesheet listtable listoverridetable revtbl rsidtbl generator pict object themedata datastore falt
colorschememapping latentstyles header headerl headerr headerf footer footerl footerr footerf annotation atnid atnauthor
atndate atnref atnicn atntime atnparent xmlnstbl mmathPr bkmkstart bkmkend fldinst filetbl nonshppict wgrffmtfilter
shpinst sp panose keywords operator subject doccomm company category manager comment
"""
_SKIPPED = frozenset(_DESTINATIONS.split())
_CHARS = {"tab": "\t", "line": "\n", "emdash": "—", "endash": "–", "bullet": "•", "lquote": "‘", "rquote": "’",
          "ldblquote": "“", "rdblquote": "”", "emspace": " ", "enspace": " ", "qmspace": " "}  # fmt: skip
_CHARSETS = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 134: "gb18030", 136: "cp950", 161: "cp1253",
    162: "cp1254", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip
_HEADING = re.compile(r"(?:heading|标题|überschrift|titre) ?([1-9])", re.IGNORECASE)
_DEEPEST = 5000


@dataclass(slots=True)
class _State:
    """The settings of a group; inner groups start with a copy."""

    skip: bool = False
    part: str = ""  # "fonttbl", "stylesheet", "title", "author"
    encoding: str = "cp1252"
    after_unicode: int = 1  # characters to skip after \\u
    script: str = ""
    struck: bool = False
    hidden: bool = False
    bold: bool = False
    font: int = 0


def read(file: SourceFile) -> Extract:
    r"""Read a rich text file.

    >>> read(SourceFile("a.rtf", data=rb"{\rtf1\ansi It \b rains\b0 .\par We stay in.}")).text
    'It rains.\n\nWe stay in.'
    """
    data = file.read_bytes()
    if not data.lstrip()[:5] == b"{\\rtf":
        raise ReaderError(f"'{file}' is damaged or not rich text", remedy="open and save it again, or leave it out")
    reading = _RtfReading(file, data)
    reading.run()
    return reading.builder.build({"title": reading.found.get("title", ""), "author": reading.found.get("author", "")})


class _RtfReading:
    def __init__(self, file: SourceFile, data: bytes) -> None:
        self.file, self.data = file, data
        self.builder = OutlineBuilder()
        self.state = _State()
        self.stack: list[_State] = []
        self.base = "cp1252"
        self.fonts: dict[int, str] = {}
        self.defined = 0  # the font that the font table currently defines
        self.levels: dict[int, int] = {}  # style -> heading level
        self.style = 0
        self.words: list[str] = []
        self.raw = b""  # bytes waiting for the rest of a character
        self.level: int | None = None
        self.in_table = False
        self.cells: list[Cell] = []
        self.rows: list[tuple[int, list[Cell], bool]] = []
        self.merges: list[str] = []  # for the cells of the current row
        self.found: dict[str, str] = {}
        self.passing = 0  # characters still to skip
        self.bold = self.plain = 0

    def run(self) -> None:
        for match in _TOKEN.finditer(self.data):
            word, number, hexed, sign, brace, text = match.groups()
            if brace == b"{":
                self._settle()
                if len(self.stack) > _DEEPEST:
                    raise RecursionError
                self.stack.append(replace(self.state))
            elif brace == b"}":
                self._settle()
                self._end_group()
            elif word:
                self._control(word.decode("ascii"), int(number) if number is not None else None)
            elif hexed:
                if self.passing:
                    self.passing -= 1
                else:
                    self.raw += bytes([int(hexed, 16)])
            elif sign:
                self._sign(sign)
            elif text:
                cut = min(self.passing, len(text))
                self.passing -= cut
                self.raw += text[cut:]
        self._settle()
        self._paragraph()
        self._table()

    def _end_group(self) -> None:
        if self.state.part in ("title", "author"):
            self.found.setdefault(self.state.part, " ".join("".join(self.words).split()))
            self.words.clear()
        elif self.state.part == "style":
            name = "".join(self.words).strip().rstrip(";")
            self.words.clear()
            if match := _HEADING.match(name):
                self.levels[self.style] = int(match.group(1))
            elif name.lower() in ("title", "标题"):
                self.levels[self.style] = 0
            self.style = 0
        if self.stack:
            self.state = self.stack.pop()

    def _settle(self) -> None:
        """Decode the waiting bytes."""
        raw, self.raw = self.raw, b""
        if not raw:
            return
        state = self.state
        if state.skip or state.part in ("fonttbl", "stylesheet"):
            return
        words = raw.decode(self.fonts.get(self.state.font) or self.base, "replace")
        self._add(words)

    def _add(self, words: str) -> None:
        state = self.state
        if state.skip or state.part in ("fonttbl", "stylesheet"):
            return
        if state.part in ("title", "author", "style"):
            self.words.append(words)
            return
        if state.hidden or state.struck:
            if words.strip():
                self.file.leave_out("hidden passage" if state.hidden else "struck-through passage")
            return
        if state.script:
            words = (raised if state.script == "super" else lowered)("".join(self.words[-4:]), words)
        count = len("".join(words.split()))
        self.bold, self.plain = self.bold + count * state.bold, self.plain + count * (not state.bold)
        self.words.append(words)

    def _sign(self, sign: bytes) -> None:
        if sign == b"*":
            self.state.skip = True  # an optional destination
        elif sign == b"~":
            self.raw += b" "
        elif sign == b"_":
            self.raw += b"-"
        elif sign in (b"\\", b"{", b"}"):
            self.raw += sign
        elif sign in (b"\n", b"\r"):
            self._control("par", None)

    def _control(self, word: str, number: int | None) -> None:
        if word == "bin":
            return
        if word == "u" and number is not None:
            self._settle()
            self._add(chr(number % 65536))
            self.passing = self.state.after_unicode
            return
        self._settle()
        state = self.state
        on = number != 0
        if word in _SKIPPED:
            state.skip = word not in ("fonttbl", "stylesheet")
            state.part = word if not state.skip else state.part
        elif word in ("title", "author") and not state.skip:
            state.part = word
        elif word == "listtext":
            state.skip = False  # the number of a list item as shown
        elif state.part == "fonttbl":
            if word == "f" and number is not None:
                self.defined = number
            elif word == "fcharset" and number in _CHARSETS:
                self.fonts[self.defined] = _CHARSETS[number]
        elif state.part in ("stylesheet", "style"):
            if word == "s" and number is not None:
                self.style, state.part = number, "style"
        elif word == "ansicpg" and number:
            self.base = _encoding(number)
        elif word == "uc" and number is not None:
            state.after_unicode = max(number, 0)
        elif word in _CHARS:
            self._add(_CHARS[word])
        elif word in ("f", "deff") and number is not None:
            state.font = number
        elif word in ("strike", "striked"):
            state.struck = on
        elif word == "v":
            state.hidden = on
        elif word == "b":
            state.bold = on
        elif word in ("super", "sub", "nosupersub"):
            state.script = "" if word == "nosupersub" or not on else word
        elif word == "plain":
            state.script, state.struck, state.hidden, state.bold = "", False, False, False
        else:
            self._layout(word, number)

    def _layout(self, word: str, number: int | None) -> None:
        if self.state.skip:
            return
        if word == "footnote":
            self._add(" [")
        elif word in ("par", "sect", "page"):
            if self.in_table:
                self.words.append(" ")
            else:
                self._paragraph()
        elif word == "pard":
            self.level, self.in_table = None, False
        elif word == "s" and number is not None:
            self.level = self.levels.get(number)
        elif word == "outlinelevel" and number is not None and number < 9:
            self.level = number + 1
        elif word == "intbl":
            self.in_table = True
        elif word == "trowd":
            self.merges = []
        elif word in ("clmgf", "clmrg", "clvmgf", "clvmrg"):
            self.merges.append(word)
        elif word == "cellx":
            self.merges.append("|")
        elif word == "cell":
            words = " ".join("".join(self.words).split())
            self.cells.append(Cell(words, bold=bool(words) and self.bold > 0 and not self.plain))
            self.words.clear()
            self.bold = self.plain = 0
        elif word == "row":
            self.rows.append((0, self._merged(), False))
            self.cells = []
            self.in_table = False

    def _merged(self) -> list[Cell]:
        """Return the cells of a row; a cell merged into the previous one widens it."""
        marks = "".join(f" {mark} " for mark in self.merges).split("|")
        cells: list[Cell] = []
        for index, cell in enumerate(self.cells):
            mark = marks[index] if index < len(marks) else ""
            if "clmrg" in mark and cells:
                cells[-1].across += 1
            elif "clvmrg" in mark and self.rows and index < len(self.rows[-1][1]):
                cells.append(Cell(self.rows[-1][1][index].text))
            else:
                cells.append(cell)
        return cells

    def _paragraph(self) -> None:
        words = collapse_lines("".join(self.words))
        self.words.clear()
        self.bold = self.plain = 0
        self._table()
        if words and self.level is not None:
            self.builder.heading(self.level, words)
        elif words:
            self.builder.paragraph(words)

    def _table(self) -> None:
        rows, self.rows = self.rows, []
        if rows:
            add_table(self.builder, spread(rows), TablePlace())


def _encoding(codepage: int) -> str:
    name = {65001: "utf-8", 936: "gb18030", 10000: "mac_roman"}.get(codepage, f"cp{codepage}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"
