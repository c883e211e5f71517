"""Jupyter notebooks (.ipynb): Markdown cells as Markdown, code cells as code; outputs are left out."""

from __future__ import annotations

import json
from typing import Any

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder
from indexes.readers.decode import decode
from indexes.readers.plain.markdown import add_markdown
from indexes.readers.source_file import SourceFile

_REMEDY = "open and save it again in Jupyter, or leave it out"


def read(file: SourceFile) -> Extract:
    """Read a Jupyter notebook.

    >>> cells = '{"cells": [{"cell_type": "markdown", "source": "# Care"}, {"cell_type": "code", "source": "1"}]}'
    >>> [(section.kind, section.place) for section in read(SourceFile("a.ipynb", data=cells.encode())).sections]
    [('heading', 'cell 1'), ('code', 'cell 2')]
    """
    text, encoding = decode(file, file.read_bytes())
    try:
        notebook = json.loads(text)
    except ValueError as error:
        raise ReaderError(f"'{file}' is damaged or not a notebook ({error})", remedy=_REMEDY) from error
    cells = _cells(notebook)
    if cells is None:
        raise ReaderError(f"'{file}' is not a notebook: it has no cells", remedy=_REMEDY)
    builder = OutlineBuilder()
    title = None
    for number, cell in enumerate(cells, start=1):
        source = cell.get("source", cell.get("input", ""))
        source = "".join(map(str, source)) if isinstance(source, list) else str(source)
        builder.place = f"cell {number}"
        kind = cell.get("cell_type")
        if kind == "code":
            builder.code(source)
        elif kind == "heading":  # notebook format 3
            builder.heading(int(cell.get("level") or 1), source)
        elif kind == "markdown":
            found = add_markdown(builder, source, file)
            title = title or found
        elif source.strip():
            builder.paragraph(source)
    return builder.build({"title": title, "encoding": encoding})


def _cells(notebook: Any) -> list[dict[str, Any]] | None:
    if not isinstance(notebook, dict):
        return None
    cells = notebook.get("cells")
    if cells is None and isinstance(notebook.get("worksheets"), list):
        sheets = [sheet for sheet in notebook["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets for cell in sheet.get("cells") or []]
    if not isinstance(cells, list):
        return None
    return [cell for cell in cells if isinstance(cell, dict)]
