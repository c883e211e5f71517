"""A collection of harbour notes made by rule, and a tiny BERT that learns on it in seconds."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tiny_models import tiny_bert

SHIPS = ["Albatross", "Beacon", "Curlew", "Dunlin", "Eider", "Fulmar", "Gannet", "Heron", "Ibis", "Jackdaw"]
CARGO = ["salt", "timber", "barley", "copper", "wool"]
PLACES = ["the north quay", "the old mole", "the salt pier", "the inner dock"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]


def documents() -> dict[str, tuple[str, str]]:
    """id -> (title, text): one note on every ship and cargo."""
    found = {}
    for i, ship in enumerate(SHIPS):
        for j, cargo in enumerate(CARGO):
            place, day = PLACES[(i + j) % len(PLACES)], DAYS[(i + 2 * j) % len(DAYS)]
            text = (
                f"The {ship} brought {cargo} to {place}. She sailed again on {day} with an empty hold. "
                f"The harbour master entered {cargo} in his book."
            )
            found[f"{ship}-{cargo}".lower()] = (f"{ship}: {cargo}", text)
    return found


def questions() -> dict[str, tuple[str, str]]:
    """id -> (question, id of the one note that answers it)."""
    found = {}
    for i, ship in enumerate(SHIPS):
        for j, cargo in enumerate(CARGO):
            asked = (
                f"Where did the {ship} land {cargo}?" if (i + j) % 2 else f"When did the {ship} leave after {cargo}?"
            )
            found[f"q{i}{j}"] = (asked, f"{ship}-{cargo}".lower())
    return found


def write_harbour(folder: Path) -> Path:
    """BEIR: splits train (30 questions) and test (20)."""
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": name, "title": title, "text": text} for name, (title, text) in documents().items()]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    asked = [{"_id": name, "text": text} for name, (text, _) in questions().items()]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    lines: dict[str, list[str]] = {"train": [], "test": []}
    for place, (name, (_, note)) in enumerate(questions().items()):
        lines["train" if place % 5 < 3 else "test"].append(f"{name}\t{note}\t1")
    for split, body in lines.items():
        text = "query-id\tcorpus-id\tscore\n" + "\n".join(body)
        (folder / "qrels" / f"{split}.tsv").write_text(text, encoding="utf-8")
    return folder


def tiny_encoder(folder: Path) -> Path:
    """A tiny BERT over the words of the notes."""
    texts = [f"{title} {text}" for title, text in documents().values()] + [text for text, _ in questions().values()]
    return tiny_bert(folder, texts)
