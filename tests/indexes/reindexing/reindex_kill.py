"""A process that kills its children at chosen moments of a reindex, and tells what the others meet in between.

Arguments: documents folder, store folder. Prints one JSON line a moment. The engine is opened in the children only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import indexes.reindexing.run as reindexing
from indexes import build_index, open_index, reindex
from indexes.encoders.base import Encoder
from indexes.errors import FingerprintMismatchError
from indexes.manifest.manifest import Manifest
from indexes.reindexing.snapshot import StoredSentences
from indexes.settings.sections import EncoderSettings, IndexSettings, IngestSettings, StoreSettings
from indexes.store.edge.client import EdgeClient
from tests.indexes.ingest.kill_scenario import child, warm
from tests.indexes.words_model import words_model

QUESTION = "What does the hen eat?"
# (where, what, which call): killed before that call is made, in this order.
MOMENTS: list[tuple[Any, str, int]] = [
    (StoredSentences, "take", 1),
    (EdgeClient, "create_payload_index", 1),
    (EdgeClient, "upsert_arrays", 2),
    (Manifest, "finish_many", 2),
    (EdgeClient, "update_collection", 1),  # it is complete, and not said to be
    (EdgeClient, "update_collection", 2),  # the switch
    (EdgeClient, "delete_collection", 1),
    (EdgeClient, "update_collection_aliases", 1),  # the name is borne by nothing
    (reindexing, "remove_manifest", 1),
]


def settings_for(store: Path, prompt: str | None = None) -> IndexSettings:
    """``prompt`` makes it another model: other vectors of the same width."""
    encoder = EncoderSettings(provider="minilm", model="minilm", dtype="float32", document_prompt=prompt)
    return IndexSettings(
        encoder=encoder,
        store=StoreSettings(path=store, quantization="none", min_free_mb=0),
        ingest=IngestSettings(chunk_sentences=3),
    )


def kill_before(where: Any, what: str, call: int) -> None:
    original, calls = getattr(where, what), 0

    def wrapper(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)

    setattr(where, what, wrapper)


def found(settings: IndexSettings, encoder: Encoder) -> str:
    """The best sentence for the question, asked with this model."""
    try:
        with open_index(settings=settings, encoder=encoder) as index:
            return str(index.retriever(mode="default", top_k=1).retrieve(QUESTION)[0].text)
    except FingerprintMismatchError:
        return "mismatch"


def main(docs: Path, store: Path) -> None:
    old, new = settings_for(store), settings_for(store, "note: ")
    encoders = {"old": words_model(1), "new": words_model(2)}
    warm()

    def tell(line: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    def build() -> None:
        build_index(docs, settings=old, encoder=encoders["old"]).close()

    def run(moment: tuple[Any, str, int] | None) -> None:
        if moment is not None:
            kill_before(*moment)
        report = reindex(settings=new, encoder=encoders["new"])
        tell({"report": report.as_dict()})

    def look(name: str) -> None:
        tell(
            {
                "after": name,
                "old": found(old, encoders["old"]),
                "new": found(new, encoders["new"]),
            }
        )

    os.waitpid(child(build), 0)
    for moment in MOMENTS:
        _, status = os.waitpid(child(lambda moment=moment: run(moment)), 0)
        name = f"{moment[1]} {moment[2]}"
        tell({"moment": name, "killed": os.WIFSIGNALED(status)})
        os.waitpid(child(lambda name=name: look(name)), 0)
    os.waitpid(child(lambda: run(None)), 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
