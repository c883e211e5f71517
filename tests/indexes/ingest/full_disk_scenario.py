"""Ingests into file systems of a few MiB (under ``unshare``, so that they are its own) until one is full.

Argument: an empty folder. Prints one JSON line for each place that fills up.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from indexes import build_index, open_index
from indexes.encoders.base import Encoded, Fingerprint
from indexes.errors import RagWrightError
from indexes.ingest import run as ingestion
from indexes.settings.sections import EncoderSettings, IndexSettings, IngestSettings, StoreSettings
from tests.indexes.ingest.kill_scenario import InProcessReader

MB = 1 << 20


class NoModel:
    """A vector from the hash of each text: what fills the disk is the same."""

    max_tokens, dim, lexical = 512, 64, None
    fingerprint = Fingerprint("none", "none", 64, "none")

    def encode_documents(self, texts: Any) -> Encoded:
        rows = [np.frombuffer(hashlib.sha512(text.encode()).digest(), np.uint8) for text in texts]
        dense = np.stack(rows).astype(np.float32) - 127
        return Encoded(dense / np.linalg.norm(dense, axis=1, keepdims=True))

    encode_queries = encode_documents


def settings_for(store: Path) -> IndexSettings:
    return IndexSettings(
        encoder=EncoderSettings(provider="minilm", model="minilm"),
        store=StoreSettings(path=store, quantization="none", min_free_mb=0),
        ingest=IngestSettings(chunk_sentences=100),
    )


def write(docs: Path) -> None:
    """Short documents, and two that are longer than many chunks and wait in the journal."""
    docs.mkdir()
    for number in range(12):
        count = 900 if number in (3, 9) else 40
        text = " ".join(f"Note {number} tells fact {fact} of {fact * 7} about the garden." for fact in range(count))
        (docs / f"{number:02}.txt").write_text(text, encoding="utf-8")


def mount(folder: Path, size: int, *options: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    option = ",".join([*options, f"size={size}"])
    subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(folder)], check=True)


def taken(folder: Path) -> int:
    status = os.statvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def build(docs: Path, store: Path, progress: Any = None) -> Any:
    return build_index(docs, settings=settings_for(store), encoder=NoModel(), progress=progress)  # type: ignore[arg-type]


def state(store: Path) -> dict[str, Any]:
    """What the collection holds, document by document."""
    with open_index(settings=settings_for(store), encoder=NoModel()) as index:  # type: ignore[arg-type]
        found: dict[str, dict[int, str]] = {}
        records, _ = index.client.scroll("default", limit=100_000, with_payload=True, with_vectors=True)
        for record in records:
            words = f"{record.payload['text']} {np.round(record.vector['dense'], 5).tolist()}"
            found.setdefault(Path(record.payload["doc_id"]).name, {})[record.payload["position"]] = words
        whole = {name: "\n".join(found[name][at] for at in sorted(found[name])) for name in found}
        digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in whole.items()}
        return {"documents": digests, "sound": index.verify().sound}


def main(folder: Path) -> None:
    ingestion.ReaderWorker = InProcessReader  # type: ignore[misc, assignment]
    docs = folder / "docs"
    write(docs)
    build(docs, folder / "reference").close()
    expected = state(folder / "reference")["documents"]
    for place in (".", "manifests", "encodings"):
        store = folder / f"store-{place.strip('.')}"
        tight = store / place
        # A new collection wants room for its memory maps; then there is little left.
        mount(tight, 200 * MB if place == "." else 400 << 10)

        def shrink(progress: Any, disk: Path = tight) -> None:
            if progress.sentences_done and disk.name == "store-":
                with contextlib.suppress(subprocess.CalledProcessError):  # smaller than what is taken it cannot be
                    mount(disk, taken(disk) + MB, "remount")

        outcome: dict[str, Any] = {"place": place, "error": None}
        try:
            build(docs, store, shrink).close()
        except RagWrightError as error:
            outcome |= {"error": type(error).__name__, "text": str(error)}
        mount(tight, 300 * MB, "remount")
        after = state(store)  # as a search finds it
        outcome["kept"] = len(after["documents"])
        outcome["whole"] = all(expected[name] == digest for name, digest in after["documents"].items())
        outcome["sound"] = after["sound"]
        with build(docs, store) as index:
            outcome["added"] = index.report.count("added")
        outcome["equal"] = state(store) == {"documents": expected, "sound": True}
        sys.stdout.write(json.dumps(outcome) + "\n")
    tight = folder / "store-"
    mount(tight, taken(tight) + (1 << 16), "remount")
    try:
        state(tight)
        outcome = {"place": "open", "error": None}
    except RagWrightError as error:
        outcome = {"place": "open", "error": type(error).__name__, "text": str(error)}
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
