"""Read the questions and their documents."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llama_index.core.schema import Document

from indexes.display import counted
from indexes.errors import SourceError

QUESTIONS = Path(__file__).with_name("questions.jsonl")


@dataclass(frozen=True, slots=True)
class DocumentQuestion:
    """A question, and where the documents answer it.

    >>> question = DocumentQuestion("When does it open?", "harbour.md", ((100, 140),), check="")
    >>> question.answered_at("harbour.md", 130, 160), question.answered_at("harbour.md", 140, 160)
    (True, False)

    Args:
        file: path below the documents' folder.
        spans: (start, end) of each piece of evidence in the file's extracted text.
        check: 12 hex digits over the first piece's text, to notice a reader that extracts another text.
    """

    question: str
    file: str
    spans: tuple[tuple[int, int], ...]
    check: str

    def answered_at(self, file: str, start: int, end: int) -> bool:
        """Return whether a span of a file overlaps the evidence."""
        return file == self.file and any(start < last and first < end for first, last in self.spans)


def load_questions(path: Path = QUESTIONS, only: Sequence[str] = ()) -> list[DocumentQuestion]:
    """Read the questions.

    Args:
        only: file patterns, such as ``md_*/*``; default: all files.

    >>> len(load_questions()) > 100
    True
    """
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if not only or any(fnmatch.fnmatch(row["file"], pattern) for pattern in only):
            spans = tuple((int(start), int(end)) for start, end in row["spans"])
            found.append(DocumentQuestion(row["question"], row["file"], spans, row["check"]))
    return found


def read_documents(folder: Path, questions: Sequence[DocumentQuestion]) -> dict[str, Document]:
    """Return file -> document, for the files that the questions name.

    >>> _ = (folder / "harbour.md").write_text("The harbour opens at 6.")
    >>> questions = [DocumentQuestion("When does it open?", "harbour.md", ((0, 23),), check="")]
    >>> {file: document.text for file, document in read_documents(folder, questions).items()}
    {'harbour.md': 'The harbour opens at 6.'}

    Raises:
        SourceError: the folder has none of them.
    """
    from indexes.readers import read_file

    wanted = [file for file in dict.fromkeys(question.file for question in questions) if (folder / file).is_file()]
    if not wanted:
        files = counted(len({q.file for q in questions}), "file")
        raise SourceError(
            f"{folder} has none of the {files} that the questions are about",
            remedy="name the folder with the documents of eval/documents/questions.jsonl",
        )
    return {file: read_file(folder / file, doc_id=file)[0] for file in wanted}


def fitting(
    questions: Sequence[DocumentQuestion], documents: dict[str, Document]
) -> tuple[list[DocumentQuestion], list[str]]:
    """Return the questions whose evidence is at its recorded offsets, and a note on each file with others.

    >>> question = DocumentQuestion("When does it open?", "harbour.md", ((0, 23),), check="0" * 12)
    >>> fitting([question], {"harbour.md": Document(text="The harbour opens at 7.")})
    ([], ['the text of harbour.md has changed: questions about it are left out'])
    """
    kept, notes = [], []
    for question in questions:
        document = documents.get(question.file)
        if document is None:
            notes.append(f"{question.file} is missing: its questions are left out")
        elif _check(document.text, question.spans[0]) != question.check:
            notes.append(f"the text of {question.file} has changed: questions about it are left out")
        else:
            kept.append(question)
    return kept, list(dict.fromkeys(notes))


def _check(text: str, span: tuple[int, int]) -> str:
    return hashlib.sha256(text[slice(*span)].encode("utf-8", "replace")).hexdigest()[:12]
