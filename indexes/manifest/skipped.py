"""Files that could not be read, with the reasons, as the last run that looked at each said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from indexes.manifest.manifest import Manifest

FACT = "skipped"
MOST = 500  # that are kept


def remember_skipped(manifest: Manifest, covers: Callable[[str], bool], now: Iterable[tuple[str, str, str]]) -> None:
    """Keep what a run could not read, in place of what earlier ones said of the same places.

    Args:
        covers: whether the run looked at a path.
        now: (path, name, reason) of each file that it skipped.
    """
    before = _rows(manifest)
    kept = [row for row in before if not covers(row[0])]
    rows = [*kept, *now][-MOST:]
    if rows != before:
        manifest.remember(FACT, json.dumps(rows, ensure_ascii=True))


def skipped_files(manifest: Manifest) -> list[tuple[str, str]]:
    """(name, reason) of each, by name."""
    return sorted((name, reason) for _, name, reason in _rows(manifest))


def _rows(manifest: Manifest) -> list[tuple[str, str, str]]:
    return [(str(path), str(name), str(reason)) for path, name, reason in json.loads(manifest.fact(FACT) or "[]")]
