"""A collection of harbour notes made by rule, and a tiny BERT that learns on it in seconds."""

from __future__ import annotations

import json
from pathlib import Path

from eval.finetune.reranker.rows import CandidateList
from tests import tiny_models

FIRST = ["Al", "Bea", "Cur", "Dun", "Ei", "Ful"]
LAST = ["bar", "con", "dor", "gan", "mar"]
SHIPS = [first + last for first in FIRST for last in LAST]
PLACES = ["the north quay", "the old mole", "the salt pier", "the inner dock"]
KINDS = {
    "ledger": "The {ship} landed her cargo at {place}. The master signed the ledger at noon.",
    "storm": "The {ship} landed her cargo at {place}. A storm had torn two of the sails.",
    "crew": "The {ship} landed her cargo at {place}. The crew slept ashore for a week.",
    "repair": "The {ship} landed her cargo at {place}. Her rudder was mended with oak.",
}
ANSWER = "ledger"  # the one kind of note that answers: both legs of the pipeline find the others as good


def documents() -> dict[str, tuple[str, str]]:
    """id -> (title, text): four notes on every ship."""
    found = {}
    for i, ship in enumerate(SHIPS):
        for j, (kind, text) in enumerate(KINDS.items()):
            place = PLACES[(i + j) % len(PLACES)]
            found[f"{ship}-{kind}".lower()] = (f"Harbour note on the {ship}", text.format(ship=ship, place=place))
    return found


def questions() -> dict[str, tuple[str, str]]:
    """id -> (question, id of the one note that answers it)."""
    return {
        f"q{i}": (f"Where did the {ship} land her cargo?", f"{ship}-{ANSWER}".lower()) for i, ship in enumerate(SHIPS)
    }


def write_harbour(folder: Path) -> Path:
    """BEIR: splits train (18 questions) and test (12)."""
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


def tiny_bert(folder: Path, *, labels: int | None = None, texts: list[str] | None = None) -> Path:
    """A tiny BERT over the words of the notes (or of ``texts``); with ``labels`` a cross-encoder, else an encoder."""
    if texts is None:
        texts = [f"{title} {text}" for title, text in documents().values()] + [text for text, _ in questions().values()]
    return tiny_models.tiny_bert(folder, texts, labels=labels, spread=0.2)


def candidate_lists() -> list[CandidateList]:
    """The fused score is right about the first question, the reranker about the second; "a" has two sentences."""
    return [
        CandidateList("1", "one", ["a", "a", "b"], ["a1", "a2", "b"], [1.0, 0.2, 0.8], {"a": 1}),
        CandidateList("2", "two", ["c", "d"], ["c", "d"], [1.0, 0.9], {"d": 1}),
    ]
