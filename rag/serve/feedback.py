"""Users' feedback on answers, stored only beside the store, and only if ``serve.feedback`` is on."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from indexes.manifest.paths import feedback_path
from indexes.manifest.quotes import alone
from indexes.settings.sections import StoreSettings
from rag.serve.errors import Problem
from rag.serve.requests import choice, text_of

VERDICTS = ("right", "wrong", "wrong_source")


def keep_feedback(store: StoreSettings, body: dict[str, Any]) -> dict[str, Any]:
    """Append a verdict on an answer.

    >>> store = StoreSettings(path=folder)
    >>> row = keep_feedback(store, {"verdict": "wrong_source", "question": "When?", "answer": "At six [1]."})
    >>> row["verdict"], len(feedback_path(store).read_text().splitlines())
    ('wrong_source', 1)
    >>> keep_feedback(store, {"verdict": "fine", "question": "When?"})
    Traceback (most recent call last):
        ...
    rag.serve.errors.Problem: verdict is 'fine'; use one of right, wrong, wrong_source

    Raises:
        Problem: the verdict is unknown, or the question is not a text.
    """
    verdict = choice(body.get("verdict"), "verdict", VERDICTS)
    if verdict is None:
        raise Problem("bad_request", "verdict is missing", f"use one of {', '.join(VERDICTS)}", param="verdict")
    cited = body.get("citations")
    row = {
        "time": round(time.time(), 3),
        "verdict": verdict,
        "collection": text_of(body.get("collection") or "", "collection", limit=200),
        "question": text_of(body.get("question"), "question"),
        "answer": text_of(body.get("answer") or "", "answer", limit=20_000),
        "citations": [
            {name: one.get(name) for name in ("document_id", "sentence_id", "source", "text", "number")}
            for one in (cited if isinstance(cited, list) else [])[:50]
            if isinstance(one, dict)
        ],
    }
    path = feedback_path(store)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(row, ensure_ascii=False) + "\n"
    with alone(path):  # a deletion may be rewriting it
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, line.encode("utf-8", "replace"))  # a single write, so that lines of two requests never mix
        finally:
            os.close(handle)
    return row
