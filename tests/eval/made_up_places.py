"""A small made-up collection with the packaged MiniLM, for tests of whole pipelines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.datasets import Dataset, load_dataset

THINGS = [
    (
        "lighthouse",
        "a tower guiding ships at night",
        "Brassmoor",
        "The lamp is fed with whale oil",
        "keeper",
        "Odile Hart",
    ),
    (
        "observatory",
        "where people study stars through telescopes",
        "Quillby",
        "Its dome turns on cannon balls",
        "astronomer",
        "Ravi Menon",
    ),
    (
        "windmill",
        "a machine grinding grain by breeze",
        "Fernhollow",
        "The sails are made of linen",
        "miller",
        "Greta Boon",
    ),
    ("aquarium", "fish tanks to look at", "Saltwick", "Otters sleep in the old boiler", "curator", "Pascal Adeyemi"),
    ("library", "borrowing novels", "Inkford", "Its oldest atlas is chained to a desk", "librarian", "Mei Tan"),
    ("brewery", "makers of beer", "Maltham", "The cellar stays cool because of a river", "brewer", "Klaus Weiss"),
    (
        "theatre",
        "actors performing a drama",
        "Curtainsea",
        "A ghost light burns on the stage",
        "director",
        "Ines Duarte",
    ),
    ("orchard", "growing apples and pears", "Pippinvale", "Geese keep the grass short", "grower", "Tom Ashby"),
    ("foundry", "melting and pouring metal", "Ironbeck", "Bells are cast on moonless nights", "founder", "Anneke Vos"),
    ("museum", "an exhibition of antiques", "Claygate", "One hall holds nothing but teapots", "warden", "Yusuf Kaya"),
    (
        "ferry",
        "a boat carrying passengers over water",
        "Rillmouth",
        "It crosses on a single iron chain",
        "skipper",
        "Bridie Kane",
    ),
    ("bakery", "fresh bread and rolls", "Crustley", "The oven has never gone out", "baker", "Luca Ferri"),
]
FILLER = [
    "Visitors may leave their coats at the door.",
    "A small shop sells postcards and honey.",
    "In spring the roof was mended with slate.",
]


@pytest.fixture(scope="session")
def made_up_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Twelve documents of seven sentences, three questions each: one in other words, a plain one, a code."""
    folder = tmp_path_factory.mktemp("made-up")
    documents, queries, qrels = [], [], []
    for number, (place, meaning, town, oddity, role, person) in enumerate(THINGS):
        code = f"{number + 16:b}".translate({48: "q", 49: "x"}) + "xq"  # all look alike to the encoder
        text = " ".join(
            [
                f"The {place} of {town} stands above the harbour.",
                FILLER[0],
                f"{oddity}.",
                FILLER[1],
                f"For many years its {role} has been {person}.",
                FILLER[2],
                f"Inspection report {code} was written about it.",
            ]
        )
        documents.append({"_id": f"doc{number}", "title": "", "text": text})
        asked = (
            (meaning, place),
            (f"Who is the {role}?", person),
            (f"report {code}", code),
        )
        for kind, (question, answer) in enumerate(asked):
            queries.append({"_id": f"q{number}-{kind}", "text": question, "answers": [answer]})
            qrels.append(f"q{number}-{kind}\tdoc{number}\t1")
    _write(folder / "corpus.jsonl", documents)
    _write(folder / "queries.jsonl", queries)
    (folder / "qrels").mkdir()
    head = "query-id\tcorpus-id\tscore\n"
    (folder / "qrels" / "test.tsv").write_text(head + "\n".join(qrels[::2]) + "\n")
    (folder / "qrels" / "train.tsv").write_text(head + "\n".join(qrels[1::2]) + "\n")
    (folder / "qrels" / "all.tsv").write_text(head + "\n".join(qrels) + "\n")
    return load_dataset(folder, "all")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def _write(path: Path, rows: list[dict]) -> None:
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
