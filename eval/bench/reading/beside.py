"""Ingestion beside the model: CPU milliseconds a sentence of reading, splitting, counting words and storing.

Vectors come from no model, so nothing else is measured; processes that read files and pack points are counted. With
another checkout both ingest the same files by turns.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

from eval.bench.corpus import documents
from eval.bench.timing import report
from eval.bench.users.trees import run, trees

EACH = 50  # sentences of a file
SCRIPT = Path(__file__).with_name("ingest_once.py")


def main(sentences: int, *, against: str, rounds: int, as_json: bool) -> int:
    """Print a row a tree; its ``ratio`` is how many times less the first tree takes, as the median over the rounds."""
    raced = trees(against)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in raced}
    with tempfile.TemporaryDirectory(prefix="ragwright-beside-") as made:
        files = Path(made) / "files"
        files.mkdir()
        for number, text in enumerate(documents(sentences, sentences_each=EACH)):
            (files / f"{number:05}.txt").write_text(text, encoding="utf-8")
        for turn in range(rounds):
            for name in sorted(raced, reverse=bool(turn % 2)):
                place = Path(made) / f"{name}-{turn}"
                place.mkdir()
                done = run(raced[name], ["-P", str(SCRIPT), str(files), str(place)])
                found[name].append(json.loads(done.printed.rstrip().rpartition("\n")[2]))
    rows: list[dict[str, object]] = []
    for name, turns in found.items():
        row: dict[str, object] = {"tree": name, "sentences": int(turns[0]["sentences"])}
        row |= {key: round(min(one[key] for one in turns), 3) for key in ("ms", "own_ms", "other_processes_ms")}
        pairs = zip(turns, found["now"], strict=True)
        rows.append(row | {"ratio": round(statistics.median(one["ms"] / now["ms"] for one, now in pairs), 2)})
    report("ingest, everything but the model", rows, as_json=as_json, facts={"rounds": rounds})
    return 0
