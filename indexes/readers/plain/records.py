"""JSON (.json, .jsonl, .ndjson): the text at a path set by the user, or everything.

``read.json_field`` is a path such as ``body``, ``meta.title`` or ``items[].body``; ``[]`` means each element of a list.
In a list (or JSON lines) the path starts at each record. Without a path, records of short values become a table, others
paragraphs of ``key: value``. The place is the line ("line 17") or the element ("[16]").
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from indexes.display import counted
from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder
from indexes.readers.decode import decode
from indexes.readers.source_file import SourceFile
from indexes.readers.tables.grid import PIECE_ROWS

_SHORT = 200  # longest value in a cell of a table, in characters
_MAX_COLUMNS = 40
_REMEDY = "mend it, or leave it out"
Record = tuple[str, Any]  # place, value


def read(file: SourceFile) -> Extract:
    r"""Read a JSON file.

    >>> from indexes.settings.sections import ReadSettings
    >>> records = b'{"items": [{"body": "It rains."}, {"body": "It snows."}]}'
    >>> read(SourceFile("a.json", data=records, settings=ReadSettings(json_field="items[].body"))).text
    'It rains.\n\nIt snows.'
    """
    text, encoding = decode(file, file.read_bytes())
    records, title = _records(file, text)
    builder = OutlineBuilder()
    if file.settings.json_field:
        _add_field(file, builder, records, file.settings.json_field)
    else:
        _add_all(builder, records)
    return builder.build({"title": title, "encoding": encoding})


def _records(file: SourceFile, text: str) -> tuple[list[Record], str | None]:
    """Return the records of the file in order, and its title if it has one."""
    if file.suffix == ".json":
        try:
            whole = json.loads(text)
        except ValueError as error:
            # In JSON lines with the suffix .json the first value ends early; anything else is damage.
            if "Extra data" not in str(error):
                raise ReaderError(f"'{file}' is damaged or not JSON ({error})", remedy=_REMEDY) from error
        else:
            if isinstance(whole, list):
                return [(f"[{index}]", item) for index, item in enumerate(whole)], None
            title = whole.get("title") if isinstance(whole, dict) else None
            return [("", whole)], title if isinstance(title, str) else None
    return list(_lines(file, text)), None


def _lines(file: SourceFile, text: str) -> Iterator[Record]:
    bad: list[int] = []
    good = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            bad.append(number)
            continue
        good += 1
        yield f"line {number}", value
    if bad and not good:
        raise ReaderError(f"'{file}' is damaged or not JSON: none of its lines can be read", remedy=_REMEDY)
    if bad:
        shown = ", ".join(map(str, bad[:10])) + (" and more" if len(bad) > 10 else "")
        file.note(f"{len(bad)} of its lines are not JSON and were left out: {shown}")


def _add_field(file: SourceFile, builder: OutlineBuilder, records: list[Record], path: str) -> None:
    steps = [step for part in path.split(".") for step in _steps(part)]
    without = 0
    for place, value in records:
        found = [item for item in _follow(value, steps) if item not in (None, "", [], {})]
        without += not found
        builder.place = place
        for item in found:
            builder.paragraph(item if isinstance(item, str) else _inline(item))
    if without == len(records):
        keys = sorted({key for _, value in records[:100] if isinstance(value, dict) for key in value})
        raise ReaderError(
            f"'{file}' has nothing at read.json_field '{path}'",
            remedy=f"its fields are: {', '.join(keys[:20])}" if keys else "its records have no fields",
        )
    if without:
        file.note(f"{without} of its {counted(len(records), 'record', verb='have')} nothing at '{path}'")


def _steps(part: str) -> Iterator[str]:
    name = part.rstrip("[]")
    if name:
        yield name
    yield from ["[]"] * part.count("[]")


def _follow(value: Any, steps: list[str]) -> Iterator[Any]:
    if not steps:
        yield value
    elif steps[0] == "[]":
        for item in value if isinstance(value, list) else ():
            yield from _follow(item, steps[1:])
    elif isinstance(value, dict) and steps[0] in value:
        yield from _follow(value[steps[0]], steps[1:])


def _add_all(builder: OutlineBuilder, records: list[Record]) -> None:
    table: list[Record] = []
    for place, value in records:
        if _is_flat(value):
            table.append((place, value))
            continue
        _add_rows(builder, table)
        table = []
        builder.place = place
        _add_value(builder, value)
    _add_rows(builder, table)


def _add_rows(builder: OutlineBuilder, records: list[Record]) -> None:
    """Add records as a table; a single record as lines."""
    if len(records) == 1:
        builder.place = records[0][0]
        _add_value(builder, records[0][1])
    else:
        _add_table(builder, records)


def _add_value(builder: OutlineBuilder, value: Any) -> None:
    """Add a record that is not a row: short fields as lines, long ones as paragraphs, lists of rows as tables."""
    if not isinstance(value, dict):
        builder.paragraph(value if isinstance(value, str) else _inline(value))
        return
    for key, item in value.items():
        if item in (None, "", [], {}):
            continue
        if isinstance(item, list) and len(item) > 1 and all(_is_flat(row) for row in item):
            builder.paragraph(f"{key}:")
            place = builder.place
            _add_table(builder, [(f"{place} {key}[{index}]".strip(), row) for index, row in enumerate(item)])
            builder.place = place
        elif isinstance(item, str) and len(item) > _SHORT:
            builder.paragraph(f"{key}:")
            builder.paragraph(item, glue="\n")
        else:
            builder.paragraph(f"{key}: {item if isinstance(item, str) else _inline(item)}", glue="\n")


def _is_flat(value: Any) -> bool:
    """Return whether a value can be a row of a table."""
    if not isinstance(value, dict) or not 1 < len(value) <= _MAX_COLUMNS:
        return False
    return all(
        not isinstance(item, (dict, list)) and (not isinstance(item, str) or (len(item) <= _SHORT and "\n" not in item))
        for item in value.values()
    )


def _add_table(builder: OutlineBuilder, records: list[Record]) -> None:
    """Add rows in pieces that repeat the head; a piece ends where the fields change completely."""
    at = 0
    while at < len(records):
        columns: dict[str, None] = {}
        end = at
        while end < len(records) and end - at < PIECE_ROWS:
            fields = records[end][1]
            if columns and not any(key in columns for key in fields):
                break
            columns |= dict.fromkeys(fields)
            end += 1
        rows = [[_inline(record.get(key)) for key in columns] for _, record in records[at:end]]
        first, last = records[at][0], records[end - 1][0]
        builder.place = first if first == last else f"{first} - {last}"
        builder.table([list(columns), *rows])
        at = end


def _inline(value: Any) -> str:
    """Return a value on one line: "a: 1; b: x, y"."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_inline(item)}" for key, item in value.items() if item not in (None, "", [], {}))
    if isinstance(value, list):
        return ", ".join(_inline(item) for item in value)
    return str(value)
