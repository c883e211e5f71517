"""The words of a Word paragraph or cell: runs, symbols, raised text, text boxes, diagrams, references to notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from docx.oxml.ns import qn
from lxml import etree  # type: ignore[import-untyped]

from indexes.readers.inline import in_symbol_font, is_symbol_font, lowered, raised, symbol
from indexes.readers.office.docx_styles import Styles, switched
from indexes.readers.source_file import SourceFile

_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}relIds"
_DATA = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}dm"
_BREAKS = {qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:tab"): "\t", qn("w:noBreakHyphen"): "-"}
_SKIPPED = frozenset(
    (qn("w:del"), qn("w:moveFrom"), qn("w:pPr"), qn("w:rPr"), qn("w:tblPr"), qn("w:tcPr"), qn("w:rt"), _FALLBACK)
)
_NOTE_KINDS = {qn("w:footnoteReference"): "footnotes", qn("w:endnoteReference"): "endnotes"}
_P, _TC, _R, _T, _TXBX, _SYM, _RPR, _RUBY = map(
    qn, ("w:p", "w:tc", "w:r", "w:t", "w:txbxContent", "w:sym", "w:rPr", "w:rt")
)
_CHECK_BOX, _DROP_DOWN = qn("w:checkBox"), qn("w:ddList")  # of Word 97's forms
_MATH_SCRIPTS = {f"{_MATH}sup": "^", f"{_MATH}sub": "_"}
_MATH_T, _MATH_DEN = f"{_MATH}t", f"{_MATH}den"
HIDDEN, STRUCK = "hidden passage", "struck-through passage"


class DocxWords:
    """The words of an element, its text boxes and diagrams, and the notes that it refers to.

    >>> from docx import Document
    >>> paragraph = Document().add_paragraph("It rains.")
    >>> paragraph.add_run(" It snows.").font.strike = True
    >>> DocxWords(paragraph._p, Styles(None)).text
    'It rains.'

    Args:
        element: the element, or several.
        styles: for text hidden or struck through by style.
        numbers: numbers of notes in the order of their references; extended here.
        file: counts text that is left out.
        label: returns the automatic number of a paragraph.
    """

    def __init__(
        self,
        element: etree._Element | Iterable[etree._Element],
        styles: Styles,
        numbers: dict[tuple[str, str], int] | None = None,
        file: SourceFile | None = None,
        label: Callable[[etree._Element], str | None] | None = None,
    ) -> None:
        self.boxes: list[etree._Element] = []
        self.diagrams: list[str] = []
        self.references: list[tuple[str, str]] = []
        self.bold = 0  # number of bold characters
        self._styles = styles
        self._numbers = {} if numbers is None else numbers
        self._file = file
        self._label = label
        self._parts: list[str] = []
        self._last_left = ""
        self._walk(element)
        self.text = "".join(self._parts).strip()

    def _walk(self, element: Iterable[etree._Element]) -> None:
        waiting = list(reversed(list(element)))
        while waiting:
            node = waiting.pop()
            tag = node.tag
            if tag == _R:
                kept = self._run(node)
                if kept:
                    waiting.extend(reversed(node))
            elif tag in (_T, _MATH_T):
                self._parts.append(node.text or "")
            elif tag in _BREAKS:
                self._parts.append(_BREAKS[tag])
            elif tag == _SYM:
                code = node.get(qn("w:char")) or ""
                self._parts.append(symbol(node.get(qn("w:font")), int(code, 16)) if _is_hex(code) else "")
            elif tag == _CHECK_BOX:
                self._parts.append("☒" if _is_ticked(node) else "☐")
            elif tag == _DROP_DOWN:
                self._parts.append(_chosen(node))
            elif tag == _TXBX:
                self.boxes.append(node)
            elif tag == _DIAGRAM:
                self.diagrams.append(node.get(_DATA) or "")
            elif tag in _NOTE_KINDS:
                key = (_NOTE_KINDS[tag], node.get(qn("w:id")) or "")
                number = self._numbers.setdefault(key, len(self._numbers) + 1)
                self._parts.append(f"[{number}]")
                self.references.append(key)
            elif tag in _MATH_SCRIPTS and node.getparent().tag != f"{_MATH}nary":
                self._parts.append(_MATH_SCRIPTS[tag])
                waiting.extend(reversed(node))
            elif tag == _MATH_DEN:
                self._parts.append("/")
                waiting.extend(reversed(node))
            elif tag not in _SKIPPED:
                if tag == _P:
                    self._parts.append("\n" + ((self._label(node) if self._label else None) or ""))
                elif tag == _TC:
                    self._parts.append(" ")
                waiting.extend(reversed(node))
            elif tag == _RUBY and self._file is not None:
                self._file.leave_out("reading of characters")

    def _run(self, run: etree._Element) -> bool:
        """Process a run; return whether its children must be read as usual."""
        properties = run.find(_RPR)
        paragraph = next(run.iterancestors(_P), None)
        around = self._styles.get(_style_id(paragraph, "w:pPr", "w:pStyle"))  # a style may hide whole paragraphs
        if properties is None:
            if not (around.vanish or around.strike):
                self._last_left = ""
                return True
            properties = etree.Element(_RPR)
        style = self._styles.get(_style_id(run, "w:rPr", "w:rStyle"))
        left = self._left_out(properties, style.vanish or around.vanish, style.strike or around.strike)
        if left:
            if self._file is not None and left != self._last_left and any(child.tag == _T for child in run):
                self._file.leave_out(left)
                self._last_left = left
            return False
        self._last_left = ""
        fonts = properties.find(qn("w:rFonts"))
        font = (fonts.get(qn("w:ascii")) or fonts.get(qn("w:hAnsi"))) if fonts is not None else None
        align = properties.find(qn("w:vertAlign"))
        where = align.get(qn("w:val")) if align is not None else None
        bold = switched(properties, "w:b")
        if bold or (bold is None and style.bold):
            self.bold += sum(len("".join((child.text or "").split())) for child in run if child.tag == _T)
        if where not in ("superscript", "subscript") and not is_symbol_font(font):
            return True
        if any(child.tag not in (_T, _RPR) for child in run):
            return True  # the mark of a note, a symbol
        words = "".join(child.text or "" for child in run if child.tag == _T)
        if font is not None and is_symbol_font(font):
            words = in_symbol_font(font, words)
        before = "".join(self._parts[-4:])
        if where == "superscript":
            words = raised(before, words)
        elif where == "subscript":
            words = lowered(before, words)
        self._parts.append(words)
        return False

    def _left_out(self, properties: etree._Element, vanish: bool, strike: bool) -> str:
        hidden = switched(properties, "w:vanish")
        if hidden or (hidden is None and vanish):
            return HIDDEN
        struck = [switched(properties, name) for name in ("w:strike", "w:dstrike")]
        if any(struck) or (struck[0] is None and strike):
            return STRUCK
        return ""


def _style_id(element: etree._Element | None, properties: str, name: str) -> str | None:
    found = None if element is None else element.find(f"{qn(properties)}/{qn(name)}")
    return found.get(qn("w:val")) if found is not None else None


def _is_ticked(box: etree._Element) -> bool:
    checked = switched(box, "w:checked")
    return bool(switched(box, "w:default") if checked is None else checked)


def _chosen(choices: etree._Element) -> str:
    entries = [entry.get(qn("w:val")) or "" for entry in choices.findall(qn("w:listEntry"))]
    result = choices.find(qn("w:result"))
    chosen = (result.get(qn("w:val")) or "0") if result is not None else "0"
    return entries[int(chosen)] if chosen.isdecimal() and int(chosen) < len(entries) else ""


def _is_hex(code: str) -> bool:
    try:
        return 0 < int(code, 16) < 0x110000
    except ValueError:
        return False
