"""What a document is called: its title, else its file name made readable, never an id."""

from __future__ import annotations

import pytest

from indexes.nodes.record import SentenceRecord, place_of
from indexes.readers.names import document_name, renamed


@pytest.mark.parametrize(
    ("title", "file_name", "name"),
    [
        ("On the keeping of bees", "kb-17.pdf", "On the keeping of bees"),
        ("0000950170-24-000123", "hill_farm-accounts_2023.pdf", "hill farm accounts 2023"),
        ("e77023d10q", "HILL_2023_10Q.pdf", "HILL 2023 10Q"),
        ("Untitled", "WaterPump300.docx", "Water Pump 300"),
        ("bees", "bees.txt", "bees"),
        ("养蜂手册", "2.docx", "养蜂手册"),
        ("2023年决算", "2023年决算.xlsx", "2023年决算"),
        ("contract_final (2)", "contract_final (2).pdf", "contract"),
        ("9f86d081884c7d65", "9f86d081884c7d65.txt", ""),
        ("4711", "4711.md", ""),
        ("IMG_20230405", "IMG_20230405.pdf", ""),
        ("3fa85f64-5717-4562-b3fc-2c963f66afa6", "3fa85f64-5717-4562-b3fc-2c963f66afa6.md", ""),
    ],
)
def test_document_name(title: str, file_name: str, name: str) -> None:
    assert document_name({"title": title, "file_name": file_name}) == name


def test_place() -> None:
    def placed(**metadata: str) -> str:
        return place_of(SentenceRecord("d", 0, "Five years.", metadata=metadata))

    assert placed(title="Manual", file_name="m.md", heading="Bora 700 > Guarantee") == "Manual\nBora 700 > Guarantee"
    assert placed(title="Bora 700", file_name="b.md", heading="Bora 700 > Guarantee") == "Bora 700 > Guarantee"
    assert placed(source="d/4.txt") == placed(title="4", file_name="4.txt") == ""


def test_a_title_that_was_the_file_name_follows_it() -> None:
    assert renamed({"title": "hen", "file_name": "hen.txt"}, "goose.txt")["title"] == "goose"
    assert renamed({"title": "On hens", "file_name": "hen.txt"}, "goose.txt")["title"] == "On hens"
