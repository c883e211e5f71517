"""Read rows: bad ones are collected with their line numbers, and reported together before any row is used."""

from __future__ import annotations

import gzip
import json
import locale
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from indexes.display import counted
from indexes.errors import SourceError

MAX_SHOWN = 20  # bad rows named in one error


class BadRows:
    """Collect the faults of one or several files, and raise one error.

    >>> bad = BadRows()
    >>> bad.add(Path("queries.jsonl"), 3, 'needs "_id"')
    >>> bad.raise_if_any()
    Traceback (most recent call last):
    indexes.errors.SourceError: queries.jsonl has 1 bad row (line 3: needs "_id"); correct or remove these rows
    """

    def __init__(self) -> None:
        self._found: dict[Path, list[str]] = {}

    def add(self, path: Path, line: int, problem: str) -> None:
        """Record a bad row; ``line`` counts from 1."""
        self._found.setdefault(path, []).append(f"line {line}: {problem}")

    def raise_if_any(self) -> None:
        """Raise if there are bad rows.

        Raises:
            SourceError: names the bad rows (up to 20 per file) with their lines.
        """
        if self._found:
            files = "; ".join(f"{path} has {bad_rows(rows)}" for path, rows in self._found.items())
            raise SourceError(files, remedy="correct or remove these rows")


def bad_rows(bad: list[str]) -> str:
    """Return a short text on the bad rows, with up to 20 of them.

    >>> bad_rows(["line 3: no text", "line 9: no id"])
    '2 bad rows (line 3: no text; line 9: no id)'
    """
    more = f"; and {len(bad) - MAX_SHOWN} more" if len(bad) > MAX_SHOWN else ""
    return f"{counted(len(bad), 'bad row')} ({'; '.join(bad[:MAX_SHOWN])}{more})"


def read_text(path: Path) -> str:
    """Read a text file (.gz too) as UTF-8, else in the locale's encoding, which LlamaIndex writes, else as GB18030.

    >>> _ = (folder / "old.txt").write_bytes("六点开门".encode("gb18030"))
    >>> read_text(folder / "old.txt")
    '六点开门'

    Raises:
        SourceError: the file cannot be read, or is in none of these encodings.
    """
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error}", remedy="check the path") from error
    for encoding in ("utf-8-sig", locale.getpreferredencoding(False), "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise SourceError(f"{path} is not text in UTF-8", remedy="convert it to UTF-8")


def lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Yield (1-based line number, line) of the lines that are not blank; only a line feed ends a line.

    >>> _ = (folder / "a.txt").write_text("first\n\nthird\n")
    >>> list(lines(folder / "a.txt"))
    [(1, 'first'), (3, 'third')]
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")


def json_rows(path: Path, bad: BadRows) -> Iterator[tuple[int, dict[str, Any]]]:
    r"""Yield (1-based line number, row) of a JSONL file, and add its faults to ``bad``.

    >>> _ = (folder / "rows.jsonl").write_text('{"_id": "q1"}\n\n["a list, no object"]\n')
    >>> list(json_rows(folder / "rows.jsonl", BadRows()))  # the fault of line 3 is recorded, not raised
    [(1, {'_id': 'q1'})]
    """
    for number, line in lines(path):
        try:
            row = json.loads(line)
        except ValueError as error:
            bad.add(path, number, f"not JSON ({error})")
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            bad.add(path, number, f"a {type(row).__name__} instead of an object")


def text_field(row: dict[str, Any], key: str, *, optional: bool = False) -> str | None:
    """Return a field that is a text, or an integer (an id) as text; None if it is missing or of another type.

    Args:
        optional: return "" if it is missing.

    >>> text_field({"_id": 7}, "_id"), text_field({}, "title", optional=True), text_field({"_id": 0.5}, "_id")
    ('7', '', None)
    """
    value = row.get(key)
    if value is None and optional:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def text_list(row: dict[str, Any], key: str) -> list[str] | None:
    """Return a field that is a list of texts; [] if it is missing, None if it is of another type.

    >>> text_list({"pos": "Three months."}, "pos"), text_list({}, "neg"), text_list({"neg": [7]}, "neg")
    (['Three months.'], [], None)
    """
    value = row.get(key, [])
    if isinstance(value, str):
        return [value]
    if value is None:
        return []
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def whole_number(value: Any) -> int | None:
    """Return a judgement as an integer, None if it is not one.

    >>> [whole_number(value) for value in (1, "1", "1.0", "0.5", "good")]
    [1, 1, 1, None, None]
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if number.is_integer() else None


def write_jsonl(path: Path, rows: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> None:
    r"""Write rows as JSON lines in UTF-8, and create the folder if needed.

    >>> write_jsonl(folder / "new" / "rows.jsonl", [{"question": "几点开门？"}])
    >>> (folder / "new" / "rows.jsonl").read_text(encoding="utf-8")
    '{"question": "几点开门？"}\n'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=not _plain(row)) + "\n")


class KeptRows:
    """A file of JSON lines to append to. ``rows`` are those in the file; an incomplete last line is dropped.

    Args:
        what: name of a line with its article, for errors.
        remedy: remedy for errors.

    Raises:
        SourceError: the file cannot be read, or a complete line is not a JSON object.

    >>> with KeptRows(folder / "scores.jsonl", "a score", "delete the file") as kept:
    ...     kept.add({"score": 0.5})
    >>> with KeptRows(folder / "scores.jsonl", "a score", "delete the file") as kept:
    ...     kept.rows
    [{'score': 0.5}]
    """

    def __init__(self, path: Path, what: str, remedy: str, *, read_only: bool = False) -> None:
        self.path, self.rows = path, list[dict[str, Any]]()
        try:
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("rb" if read_only else "r+b" if path.exists() else "w+b")
            raw = self._file.read()
        except OSError as error:
            raise SourceError(f"{path} cannot be read ({error.strerror})", remedy=remedy) from error
        whole = raw[: raw.rfind(b"\n") + 1]  # the process that wrote the rest was killed
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                self.rows.append(dict(json.loads(line)))
            except (ValueError, TypeError) as error:
                raise SourceError(f"line {number} of {path} is not {what} ({error})", remedy=remedy) from error
        self._file.seek(len(whole))
        if not read_only:
            self._file.truncate()

    def add(self, row: dict[str, Any]) -> None:
        """Append a row; it is in the file when this returns."""
        self.rows.append(row)
        self._file.write(json.dumps(row, ensure_ascii=not _plain(row)).encode() + b"\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _plain(row: dict[str, Any]) -> bool:
    """Return False for the rare row with a lone surrogate, which UTF-8 cannot encode and JSON escapes preserve."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
