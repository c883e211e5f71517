"""What users say of answers, kept beside the store where ``serve.feedback`` is on, and nowhere else."""

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
    """Append one verdict.

    Raises:
        Problem: unknown verdict, or a question that is not text.
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
    with alone(path):  # a deletion may be writing it anew
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, line.encode("utf-8", "replace"))  # one write: two requests never mix their lines
        finally:
            os.close(handle)
    return row
