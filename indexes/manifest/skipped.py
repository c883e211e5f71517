"""Files that could not be read, with the reason from the last run that tried."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from indexes.manifest.manifest import Manifest

FACT = "skipped"
MOST = 500  # files kept


def remember_skipped(manifest: Manifest, covers: Callable[[str], bool], now: Iterable[tuple[str, str, str]]) -> None:
    """Record the files that a run skipped, replacing earlier records of the paths that it covers.

    >>> manifest = Manifest(":memory:")
    >>> remember_skipped(manifest, lambda path: True, [("/docs/b.pdf", "b.pdf", "it is encrypted")])
    >>> remember_skipped(manifest, lambda path: False, [("/docs/a.pdf", "a.pdf", "it is damaged")])
    >>> skipped_files(manifest)
    [('a.pdf', 'it is damaged'), ('b.pdf', 'it is encrypted')]

    Args:
        covers: whether the run covers a path.
        now: (path, name, reason) of each skipped file.
    """
    before = _rows(manifest)
    kept = [row for row in before if not covers(row[0])]
    rows = [*kept, *now][-MOST:]
    if rows != before:
        manifest.remember(FACT, json.dumps(rows, ensure_ascii=True))


def skipped_files(manifest: Manifest) -> list[tuple[str, str]]:
    """Return (name, reason) of each skipped file, ordered by name.

    >>> manifest = Manifest(":memory:")
    >>> remember_skipped(manifest, lambda path: True, [("/docs/b.pdf", "b.pdf", "it is encrypted")])
    >>> skipped_files(manifest)
    [('b.pdf', 'it is encrypted')]
    """
    return sorted((name, reason) for _, name, reason in _rows(manifest))


def _rows(manifest: Manifest) -> list[tuple[str, str, str]]:
    return [(str(path), str(name), str(reason)) for path, name, reason in json.loads(manifest.fact(FACT) or "[]")]
