"""Form fields and annotations of a PDF: values after their labels, notes after the text of the page."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from indexes.readers.pdf.layout import Line
from indexes.readers.pdf.strings import HALVES

_TICKS = ("yes", "no")
_INNER = re.compile(r"(?:^|\.)[\w\[\]-]*\d[\w\[\]-]*$|[_\[\]#]")  # a field name that is not meant for people
_MOST = 2000  # annotations read per page


@dataclass(slots=True)
class _Field:
    name: str
    value: str
    tick: bool | None  # whether a check box or radio button is set
    box: tuple[float, float, float, float]


def add_annotations(lines: list[Line], page: Any, form: Any) -> list[Line]:
    """Return the page's lines with the values of its form fields, followed by its notes.

    A value follows the label to its left, else the one above it; without a label it follows the field's name.

    Args:
        form: pypdfium2's form environment; None if the file has no form.
    """
    from pypdfium2 import raw

    count = raw.FPDFPage_GetAnnotCount(page.raw)
    if count <= 0:
        return lines
    notes: list[str] = []
    fields: list[_Field] = []
    for index in range(min(count, _MOST)):
        annotation = raw.FPDFPage_GetAnnot(page.raw, index)
        if not annotation:
            continue
        try:
            kind = raw.FPDFAnnot_GetSubtype(annotation)
            if kind == raw.FPDF_ANNOT_WIDGET:
                if form is not None and (found := _field(annotation, form)) is not None:
                    fields.append(found)
            elif kind not in (raw.FPDF_ANNOT_LINK, raw.FPDF_ANNOT_POPUP) and (words := _string(annotation, "Contents")):
                notes.append(words)
        finally:
            raw.FPDFPage_CloseAnnot(annotation)
    for field in fields:
        lines = _with_field(lines, field)
    return lines + [line for words in dict.fromkeys(notes) for line in (Line(""), Line(f"Note: {words}"))]


def _field(annotation: Any, form: Any) -> _Field | None:
    from pypdfium2 import raw

    kind = raw.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in (raw.FPDF_FORMFIELD_UNKNOWN, raw.FPDF_FORMFIELD_PUSHBUTTON, raw.FPDF_FORMFIELD_SIGNATURE):
        return None
    name = _form_string(raw.FPDFAnnot_GetFormFieldAlternateName, annotation, form) or _form_string(
        raw.FPDFAnnot_GetFormFieldName, annotation, form
    )
    value = " ".join(_form_string(raw.FPDFAnnot_GetFormFieldValue, annotation, form).split())
    tick = None
    if kind in (raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON):
        tick = bool(raw.FPDFAnnot_IsChecked(form, annotation))
    elif not value:
        return None
    rect = raw.FS_RECTF()
    raw.FPDFAnnot_GetRect(annotation, ctypes.byref(rect))
    return _Field(name, value, tick, (rect.left, min(rect.bottom, rect.top), rect.right, max(rect.bottom, rect.top)))


def _with_field(lines: list[Line], field: _Field) -> list[Line]:
    left, bottom, right, top = field.box
    middle, height = (bottom + top) / 2, max(top - bottom, 6.0)
    placed = [(index, line) for index, line in enumerate(lines) if line.text and line.placed]
    level = [
        (index, line)
        for index, line in placed
        if line.bottom - 0.4 * line.height < middle < line.top + 0.4 * line.height
    ]
    before = max((item for item in level if item[1].right <= left + 3), key=lambda item: item[1].right, default=None)
    after = min((item for item in level if item[1].left >= right - 3), key=lambda item: item[1].left, default=None)
    if field.tick is not None:
        beside = after is not None and after[1].left - right < 30
        if (before is not None and before[1].text.endswith((":", "：", "?", "？"))) or not beside:
            if before is None:
                return [*lines, Line(""), Line(f"{field.name}: {_TICKS[not field.tick]}", *field.box)]
            return _put(lines, before[0], _TICKS[not field.tick], field)
        assert after is not None  # noqa: S101
        mark = "[x] " if field.tick else "[ ] "
        index, line = after
        return [
            *lines[:index],
            Line(mark + line.text, left, line.bottom, line.right, line.top, line.joined),
            *lines[index + 1 :],
        ]
    if before is not None:
        return _put(lines, before[0], field.value, field)
    above = (item for item in placed if item[1].left < right and item[1].right > left)
    near = (item for item in above if -2 <= item[1].bottom - top < 1.5 * height)
    over = min(near, key=lambda item: item[1].bottom, default=None)
    if over is not None:
        return _put(lines, over[0], field.value, field)
    name = "" if _INNER.search(field.name) else field.name
    return [*lines, Line(""), Line(f"{name}: {field.value}" if name else field.value, *field.box)]


def _put(lines: list[Line], index: int, words: str, field: _Field) -> list[Line]:
    """Put words after a label, on a separate line."""
    line = lines[index]
    label = line.text.rstrip("_.…． ") or line.text
    colon = "" if label.endswith((":", "：", "?", "？")) else ":"
    filled = Line(f"{label}{colon} {words}", line.left, line.bottom, max(line.right, field.box[2]), line.top)
    following = lines[index + 1 : index + 2]
    parted = [] if following and not following[0].text else [Line("")]
    above = [Line("")] if index and lines[index - 1].text else []
    return [*lines[:index], *above, filled, *parted, *lines[index + 1 :]]


def _form_string(get: Callable[..., int], annotation: Any, form: Any) -> str:
    return _decoded(lambda buffer, size: get(form, annotation, buffer, size))


def _string(annotation: Any, key: str) -> str:
    from pypdfium2 import raw

    words = _decoded(lambda buffer, size: raw.FPDFAnnot_GetStringValue(annotation, key.encode(), buffer, size))
    return " ".join(words.split())


def _decoded(get: Callable[[Any, int], int]) -> str:
    """Return the text that pdfium writes into a buffer of UTF-16."""
    size = get(None, 0)
    if not 2 < size < 1 << 20:
        return ""
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    get(buffer, size)
    return bytes(buffer)[: size - 2].decode("utf-16-le", HALVES).strip("\0")
