"""Reading time by format, without a model: all readable files of a folder, read and split into sentences.

A format's time is the sum over its files of the best of three; its memory is the process's peak after the format.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from pathlib import Path

from eval.bench.ingest_files import peak
from eval.bench.timing import report
from indexes.errors import RagWrightError
from indexes.nodes import iter_records
from indexes.readers import SUFFIXES, read_file
from indexes.readers.outline import notes_of

ROUNDS = 3


def main(folder: Path, *, as_json: bool) -> int:
    """Print files, megabytes, sentences, notes, and seconds of reading and splitting for each suffix."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    seconds: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    peaks: dict[str, int] = {}
    for path in readable(folder):
        kind = path.suffix.lower()
        count = found[kind]
        count["files"] += 1
        count["kilobytes"] += path.stat().st_size // 1024
        try:
            reading, cutting, sentences, notes = measure(path)
        except RagWrightError:
            count["skipped"] += 1
            continue
        seconds[kind][0] += reading
        seconds[kind][1] += cutting
        count["sentences"] += sentences
        count["notes"] += notes
        peaks[kind] = peak()
    rows = [
        {
            "format": kind,
            **{name: count[name] for name in ("files", "skipped", "kilobytes", "sentences", "notes")},
            "read_s": round(seconds[kind][0], 3),
            "cut_s": round(seconds[kind][1], 3),
            "peak_mib": peaks.get(kind, 0),
        }
        for kind, count in found.items()
    ]
    report("ingest files by format", rows, as_json=as_json, facts={})
    return 0


def readable(folder: Path) -> list[Path]:
    """Return suffix -> readable files of a folder."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in SUFFIXES]
    return sorted(files, key=lambda path: (path.suffix.lower(), path))


def measure(path: Path) -> tuple[float, float, int, int]:
    """Return (CPU seconds of reading, of splitting, sentences, notes) of one file, best of three rounds."""
    reading = cutting = float("inf")
    sentences = notes = 0
    for _ in range(ROUNDS):
        start = time.process_time()
        documents = read_file(path)
        read = time.process_time()
        sentences = sum(1 for document in documents for _ in iter_records(document))
        cut = time.process_time()
        reading, cutting = min(reading, read - start), min(cutting, cut - read)
        notes = sum(len(notes_of(document)) for document in documents)
    return reading, cutting, sentences, notes
