"""Every claim of the guide's table of formats is fed to its reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from indexes.nodes import iter_records
from indexes.readers import read_file
from indexes.readers.outline import notes_of
from tests.docs.format_samples import SAMPLES
from tests.docs.test_docs import ROOT

CELLS = ("Read", "Left out", "Counted in a note")


def rows(language: str) -> list[list[list[str]]]:
    """The table's rows: of each the claims of its cells, the format first."""
    page = (ROOT / "docs" / language / "formats.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", page, flags=re.MULTILINE)[2]
    lines = [line for line in section.splitlines() if line.startswith("| ")][2:]
    found = []
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        found.append([[claim.strip() for claim in re.split("[;；]", cell) if claim.strip()] for cell in cells])
    return found


CLAIMS = [(row[0][0], CELLS[at - 1], claim) for row in rows("en") for at in (1, 2, 3) for claim in row[at]]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: ": ".join(claim))
def test_claim(tmp_path: Path, claim: tuple[str, str, str]) -> None:
    make, present, absent, noted = SAMPLES[claim]
    documents = read_file(make(tmp_path))
    said = "\n".join(record.text for document in documents for record in iter_records(document))
    said += "\n".join(str(value) for document in documents for value in document.metadata.values())
    headings = "\n".join(str(document.metadata.get("outline")) for document in documents)
    notes = "\n".join(note for document in documents for note in notes_of(document))
    for words in present:
        assert words in said or words in headings, said
    for words in absent:
        assert not any(words in document.text for document in documents), said
    for words in noted:
        assert words in notes, notes
    assert (present, absent, noted) != ((), (), ())


def test_the_twin_has_the_same_claims() -> None:
    shape: Callable[[Sequence[Sequence[list[str]]]], list[list[int]]] = lambda found: [  # noqa: E731
        [len(cell) for cell in row] for row in found
    ]
    assert shape(rows("en")) == shape(rows("zh"))


def test_no_sample_without_a_claim() -> None:
    assert set(SAMPLES) == set(CLAIMS)
