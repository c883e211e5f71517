"""Remove quotes of deleted documents from users' feedback (``rag serve`` with ``serve.feedback``)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from indexes.files import beside, file_errors
from indexes.lock import POLL, try_lock
from indexes.manifest.paths import feedback_path
from indexes.settings.sections import StoreSettings
from indexes.store.collection import Collection


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the file's lock, against other processes and threads.

    >>> with alone(folder / "feedback.jsonl"):
    ...     [path.name for path in folder.iterdir()]
    ['feedback.lock']
    """
    descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not try_lock(descriptor):
            time.sleep(POLL)
        yield
    finally:
        os.close(descriptor)


def forget_quotes(store: Collection | None, name: str, settings: StoreSettings) -> None:
    r"""Remove answers and cited texts from the feedback on a collection if a cited sentence is deleted or changed.

    Questions, verdicts and ids stay, for datasets (``rag-eval from-feedback``).

    >>> path = folder / "feedback.jsonl"
    >>> _ = path.write_text('{"collection": "guide", "question": "Why?", "answer": "It rains.", "good": true}\n')
    >>> forget_quotes(None, "guide", StoreSettings(path=folder))
    >>> print(path.read_text(), end="")
    {"collection": "guide", "question": "Why?", "good": true}

    Args:
        store: the collection; None: it is deleted.

    Raises:
        StoreError: the file cannot be written.
    """
    path = feedback_path(settings)
    if not path.is_file():
        return
    with file_errors(path), alone(path):
        rows = [_row(line) for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
        ours = [row for row in rows if isinstance(row, dict) and row.get("collection") in ("", None, name)]
        cited = {_id(one) for row in ours for one in _citations(row)} - {None}
        there = {} if store is None or not cited else store.payloads(sorted(map(str, cited)))
        stripped = [_strip(row, there) for row in ours]
        if any(stripped):
            text = "".join(f"{row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)}\n" for row in rows)
            with beside(path, durable=True) as part:
                part.touch(mode=0o600)
                part.write_text(text, encoding="utf-8")


def _row(line: str) -> dict[str, Any] | str:
    with suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    return line


def _citations(row: dict[str, Any]) -> list[dict[str, Any]]:
    cited = row.get("citations")
    return [one for one in cited if isinstance(one, dict)] if isinstance(cited, list) else []


def _id(citation: dict[str, Any]) -> str | None:
    """Return the id of the cited sentence; a client may have sent anything."""
    with suppress(ValueError):
        return str(UUID(str(citation.get("sentence_id"))))
    return None


def _strip(row: dict[str, Any], there: Mapping[str, Mapping[str, Any]]) -> bool:
    """Remove quotes from a row; return whether there were any. A changed sentence keeps its id."""
    cited = _citations(row)
    gone = [one for one in cited if not _holds(there.get(_id(one) or ""), str(one.get("text") or ""))]
    taken = [one for one in gone if one.pop("text", None)]
    return bool((gone or not cited) and row.pop("answer", None)) or bool(taken)


def _holds(payload: Mapping[str, Any] | None, text: str) -> bool:
    return payload is not None and any(text in str(payload.get(field) or "") for field in ("text", "raw"))
