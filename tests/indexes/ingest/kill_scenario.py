"""A process that forks a child for every run, and kills it with SIGKILL at random moments.

Arguments: documents folder, store folder, number of kills, seed. Prints one JSON line a round. The engine is opened in
the children only: it does not survive a fork.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Generator
from pathlib import Path

from indexes import Index, build_index, open_index
from indexes.ingest import run as ingestion
from indexes.ingest.walk_files import FoundFile
from indexes.readers import read_file
from indexes.readers.stream import DocumentStream, stream_of
from indexes.settings.sections import EncoderSettings, IndexSettings, IngestSettings, StoreSettings
from indexes.store.edge import packing as edge_packing
from tests.indexes.words_model import words_model

NAMES = 12
# What a run imports when it needs it: a child would spend its time on these, and be killed there.
HEAVY = (
    "llama_index.core", "indexes.store.edge.client", "indexes.store.edge.qdrant", "indexes.store.sentence_store",
    "qdrant_edge", "indexes.ingest.run", "indexes.encoders.cache.vectors", "rjieba",
)  # fmt: skip


class InProcessReader:
    """In place of the reader's process, which takes a second to start: the kills are to hit what comes after it."""

    def __init__(self, *settings: object) -> None: ...

    def streams(self, found: FoundFile, on_skip: object) -> Generator[DocumentStream, None, None]:
        yield from map(stream_of, read_file(Path(found.path)))

    def launch(self) -> None: ...

    def close(self) -> None: ...


def settings_for(store: Path) -> IndexSettings:
    return IndexSettings(
        encoder=EncoderSettings(provider="minilm", model="minilm", dtype="float32"),
        store=StoreSettings(path=store, quantization="none", min_free_mb=0),
        ingest=IngestSettings(chunk_sentences=5),
    )


def text_of(name: str, version: int, sentences: int) -> str:
    """Every sentence tells its file and version, so that half a document would show."""
    lines = [f"Note {name} in version {version} says {word} of {word * 7}." for word in range(sentences)]
    return " ".join([f"The keeper of {name} never changes.", *lines])


def change(folder: Path, draw: random.Random, round_: int) -> None:
    """New, changed, removed, moved, copied and longer files."""
    for _ in range(3):
        name = f"{draw.randrange(NAMES):02}.txt"
        kind = draw.choice(("write", "write", "write", "long", "remove", "copy"))
        if kind == "remove":
            (folder / name).unlink(missing_ok=True)
        elif kind == "copy" and (folder / name).exists():
            (folder / f"{draw.randrange(NAMES):02}.txt").write_bytes((folder / name).read_bytes())
        else:
            size = 14 if kind == "long" else draw.randrange(1, 5)  # long: several chunks
            (folder / name).write_text(text_of(name, round_, size), encoding="utf-8")


def whole(index: Index, versions: dict[str, set[str]]) -> list[str]:
    """Documents that are neither an old nor a new version of their file, each whole."""
    found: dict[str, dict[int, str]] = {}
    records, _ = index.client.scroll("default", limit=100_000, with_payload=True)
    for record in records:
        found.setdefault(record.payload["doc_id"], {})[record.payload["position"]] = record.payload["text"]
    bad = []
    for doc_id, sentences in found.items():
        text = " ".join(sentences[position] for position in sorted(sentences))
        if text not in versions.get(Path(doc_id).name, set()):
            bad.append(f"{doc_id}: {text}; known: {sorted(versions.get(Path(doc_id).name, set()))[-3:]}")
    return bad


def warm() -> None:
    """Import once what each forked child would import."""
    for module in HEAVY:
        importlib.import_module(module)


def child(work: object) -> int:
    """Fork; the child runs ``work`` and leaves. Returns its process id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        work()  # type: ignore[operator]
        code = 0
    except BaseException:  # noqa: BLE001 - a child must not come back into the parent's code
        traceback.print_exc()
    os._exit(code)


def main(folder: Path, store: Path, kills: int, seed: int) -> None:
    settings = settings_for(store)
    warm()
    encoder = words_model(1)
    ingestion.ReaderWorker = InProcessReader  # type: ignore[misc, assignment]
    edge_packing.PACK_POINTS = 60  # so that some of the kills hit it
    draw = random.Random(seed)
    versions: dict[str, set[str]] = {}
    length = 0.0  # seconds that a run takes, about: half of what the first one took, which is not killed
    for round_ in range(kills):
        change(folder, draw, round_)
        for file in folder.iterdir():
            versions.setdefault(file.name, set()).add(file.read_text(encoding="utf-8"))

        def run() -> None:
            build_index(folder, settings=settings, encoder=encoder, prune=True).close()

        def look(number: int = round_) -> None:
            with open_index(settings=settings, encoder=encoder) as index:
                verification = index.verify()
                bad = whole(index, versions)
            line = {"round": number, "bad": bad, "verify": verification.as_dict()}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

        started = time.monotonic()
        process = child(run)
        deadline = started + draw.uniform(0.0, 1.0) * length if round_ else float("inf")
        killed = True
        while time.monotonic() < deadline:
            if os.waitpid(process, os.WNOHANG)[0]:
                killed = False
                break
            time.sleep(0.005)
        if killed:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            length *= 1.03
        else:  # it was quicker: aim earlier from now on
            length = 0.5 * length + 0.5 * (time.monotonic() - started)
        if (store / "edge" / "default" / "collection.json").exists() and draw.random() < 0.6:
            os.waitpid(child(look), 0)
        sys.stdout.write(
            json.dumps({"round": round_, "killed": killed, "after": round(time.monotonic() - started, 2)}) + "\n"
        )
        sys.stdout.flush()
    _, status = os.waitpid(
        child(lambda: build_index(folder, settings=settings, encoder=encoder, prune=True).close()), 0
    )
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
