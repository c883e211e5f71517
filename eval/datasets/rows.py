"""Reading rows: every bad one is collected with its line number, and all are reported before anything is used."""

from __future__ import annotations

import gzip
import json
import locale
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from indexes.errors import SourceError

MAX_SHOWN = 20  # bad rows named in one error


class BadRows:
    """Collects what is wrong, over one file or several, and raises once."""

    def __init__(self) -> None:
        self._found: dict[Path, list[str]] = {}

    def add(self, path: Path, line: int, problem: str) -> None:
        self._found.setdefault(path, []).append(f"line {line}: {problem}")

    def raise_if_any(self) -> None:
        """Raises:
        SourceError: naming every bad row (up to 20 a file) with its line.
        """
        if self._found:
            files = "; ".join(f"{path} has {bad_rows(rows)}" for path, rows in self._found.items())
            raise SourceError(files, remedy="mend these rows, or take them out")


def bad_rows(bad: list[str]) -> str:
    """ "2 bad rows (line 3: ...; line 9: ...)": every one, up to a screenful."""
    more = f"; and {len(bad) - MAX_SHOWN} more" if len(bad) > MAX_SHOWN else ""
    return f"{len(bad)} bad row{'s' if len(bad) > 1 else ''} ({'; '.join(bad[:MAX_SHOWN])}{more})"


def read_text(path: Path) -> str:
    """A text file as UTF-8, else in the locale's encoding, else GB18030 (LlamaIndex writes in the locale's).

    Raises:
        SourceError: it cannot be read in any of them.
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
    """(1-based line number, line) of the lines that hold something; only a line feed ends a line."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")


def json_rows(path: Path, bad: BadRows) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, row) of a JSONL file."""
    for number, line in lines(path):
        try:
            row = json.loads(line)
        except ValueError as error:
            bad.add(path, number, f"no JSON ({error})")
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            bad.add(path, number, f"a {type(row).__name__} instead of an object")


def text_field(row: dict[str, Any], key: str, *, optional: bool = False) -> str | None:
    """A text (or a number as one, for ids); None where it is missing or of another kind."""
    value = row.get(key)
    if value is None and optional:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def text_list(row: dict[str, Any], key: str) -> list[str] | None:
    """A list of texts, [] where missing; None where it is of another kind. A lone text counts as a list of one."""
    value = row.get(key, [])
    if isinstance(value, str):
        return [value]
    if value is None:
        return []
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def whole_number(value: Any) -> int | None:
    """An integer judgement (1, "1", "1.0"), None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if number.is_integer() else None


def write_jsonl(path: Path, rows: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=not _plain(row)) + "\n")


class KeptRows:
    """A file of JSON lines that grows: ``rows`` are those that stand in it, half a line at its end is forgotten.

    Args:
        what: a line is, for errors.
        remedy: what to do where it is none.

    Raises:
        SourceError: the file cannot be read, or a whole line is not a JSON object.
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
        whole = raw[: raw.rfind(b"\n") + 1]  # whoever wrote the rest was killed
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                self.rows.append(dict(json.loads(line)))
            except (ValueError, TypeError) as error:
                raise SourceError(f"line {number} of {path} is no {what} ({error})", remedy=remedy) from error
        self._file.seek(len(whole))
        if not read_only:
            self._file.truncate()

    def add(self, row: dict[str, Any]) -> None:
        """Write a row; it is in the file when this returns."""
        self.rows.append(row)
        self._file.write(json.dumps(row, ensure_ascii=not _plain(row)).encode() + b"\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _plain(row: dict[str, Any]) -> bool:
    """False for the rare row with a lone surrogate, which UTF-8 cannot hold: JSON escapes keep it."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
