"""Our own questions: the file that is packaged, evidence by place, and the command over a folder of other documents."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from eval.cli.main import main
from eval.documents import questions as room
from eval.documents.questions import DocumentQuestion, fitting, load_questions, read_documents
from indexes.errors import SourceError
from indexes.text.characters import is_han

FILES = {"heron.md": "# Heron 90\n\n## Guarantee\n\nFive years. Ask the dealer.\n", "bora.md": "# Bora\n\nTwo years.\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[DocumentQuestion]:
    """Questions about the two files, in a file of their own."""
    named = [DocumentQuestion("How long is the guarantee of the Heron?", "heron.md", ((0, 0),), "")]
    text = read_documents(folder, named)["heron.md"].text
    start = text.index("Five years.")
    check = hashlib.sha256(b"Five years.").hexdigest()[:12]
    rows = [
        {"question": named[0].question, "file": "heron.md", "spans": [[start, start + 11]], "check": check},
        {"question": "Bora?", "file": "bora.md", "spans": [[0, 3]], "check": "0" * 12},
        {"question": "Gone?", "file": "gone.md", "spans": [[0, 3]], "check": check},
    ]
    file = folder / "own.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    monkeypatch.setattr(room.load_questions, "__defaults__", (file, ()))
    return load_questions()


def test_the_packaged_set_is_large_enough_in_two_languages_and_many_formats() -> None:
    found = load_questions()
    chinese = sum(any(map(is_han, question.question)) for question in found)
    assert len(found) >= 120 and 40 <= chinese <= len(found) - 40
    assert {Path(question.file).suffix for question in found} == {".md", ".txt", ".docx", ".pdf", ".html", ".xlsx"}
    assert len({question.question for question in found}) == len(found)
    assert all(start < end for question in found for start, end in question.spans)
    assert {q.file.partition("/")[0] for q in load_questions(only=["md_*/*"])} == {"md_en", "md_zh"}


def test_a_hit_overlaps_the_evidence_in_its_own_file() -> None:
    question = DocumentQuestion("?", "a.md", ((10, 20), (40, 50)), "")
    assert question.answered_at("a.md", 19, 30) and question.answered_at("a.md", 0, 99)
    assert not question.answered_at("a.md", 20, 40) and not question.answered_at("b.md", 10, 20)


def test_files_with_another_text_are_named_and_left_out(folder: Path, own: list[DocumentQuestion]) -> None:
    kept, notes = fitting(own, read_documents(folder, own))
    assert [question.file for question in kept] == ["heron.md"]
    assert len(notes) == 2 and "bora.md" in notes[0] and "gone.md is missing" in notes[1]
    with pytest.raises(SourceError, match="none of the 1 file"):
        read_documents(folder, [own[2]])


def test_the_command_compares_pipelines(folder: Path, own: list[DocumentQuestion], tmp_path: Path) -> None:
    options = ["--profile", "offline", "--cache", str(tmp_path / "cache"), "--json"]
    wider = ["--pipeline", "base", "--pipeline", "place=dense_place:0.2"]
    result = CliRunner().invoke(main, ["documents", str(folder), *options, *wider])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["questions"], found["files"]) == (1, 2)
    base, place = found["pipelines"]
    assert base["MRR@10"] == place["MRR@10"] == 1.0 and base["right file first"] == 1.0
    assert base["p"] is None and place["p"] == 1.0 and base["sentences"] == place["sentences"] >= 3
