"""Reading in, deleting, erasing, moving to another model, repairing and dropping, killed at any moment.

After each kill every document is whole, in a version that was stored; in the end the collection is what it would be,
its checksums hold, and no deleted text is in any file.
"""

from __future__ import annotations

import random
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from llama_index.core import Document

from indexes import build_index, open_index
from indexes.encoders.base import Encoded, Fingerprint
from indexes.errors import CollectionNotFoundError
from indexes.manifest.dropping import drop_collection
from indexes.reindexing.run import reindex
from indexes.settings.sections import IndexSettings, IngestSettings, StoreSettings
from indexes.store.client import open_engine
from indexes.store.collection import Collection
from indexes.store.edge import packing
from indexes.store.generations import Generations
from tests.indexes.store.store_fixtures import FakeEncoder
from tests.torture.children import WAYS, child, kill_after, main, must

NAMES = [f"doc{number:02}" for number in range(10)]


class OtherEncoder(FakeEncoder):
    """The same words in other places: another model."""

    fingerprint = Fingerprint("other", "2", 32, "mean", {}, "learned")

    def encode_documents(self, texts: Any) -> Encoded:
        encoded = super().encode_documents(texts)
        return Encoded(np.ascontiguousarray(encoded.dense[:, ::-1]), encoded.sparse)


class Store:
    """The store, what it should hold, and what may be in it after a kill."""

    def __init__(self, folder: Path) -> None:
        self.settings = IndexSettings(
            store=StoreSettings(path=folder / "store", min_free_mb=0), ingest=IngestSettings(chunk_sentences=5)
        )
        self.versions: dict[str, set[str]] = {name: {""} for name in NAMES}

    def encoder(self) -> FakeEncoder:
        """Of the model that the collection is of now."""
        engine = open_engine(self.settings.store)
        try:
            current = Collection(engine, Generations(engine, "default").current())
            record = current.fingerprint() if current.exists() else None
        finally:
            engine.client.close()
        return OtherEncoder() if record and record["model"] == "other" else FakeEncoder()

    def add(self, texts: dict[str, str]) -> None:
        documents = [Document(text=text, id_=name) for name, text in texts.items()]
        build_index(documents, settings=self.settings, encoder=self.encoder()).close()

    def delete(self, names: list[str]) -> None:
        with closing(open_index(settings=self.settings, check_model=False)) as index:
            for name in names:
                index.delete(name)
            index.erase(now=True)

    def move(self, keep: bool) -> None:
        other = FakeEncoder() if isinstance(self.encoder(), OtherEncoder) else OtherEncoder()
        reindex(settings=self.settings, encoder=other, keep_old=keep)

    def repair(self) -> None:
        with closing(open_index(settings=self.settings, check_model=False)) as index:
            index.verify(repair=True, deep=True)

    def drop(self) -> None:
        engine = open_engine(self.settings.store)
        try:
            drop_collection(engine, "default", self.settings.store)
        finally:
            engine.client.close()

    def look(self) -> None:
        """What a search would meet now."""
        try:
            index = open_index(settings=self.settings, check_model=False)
        except CollectionNotFoundError:
            return
        with closing(index):
            found = index.verify(deep=True)
            assert found.differences == [], found
            for info in index.documents():
                text = " ".join(record.text for record in index.document(info.doc_id))
                assert text in self.versions[info.doc_id], f"{info.doc_id} is not a version of it: {text!r}"


def text_of(name: str, version: int, draw: random.Random) -> str:
    mark = f"{name}version{version}mark"
    return " ".join(f"The {mark} says {number} of {number * 7}." for number in range(draw.choice((1, 3, 14))))


def campaign(draw: random.Random, ends: float, folder: Path) -> str:
    packing.PACK_POINTS = 60  # so that some of the kills hit it
    store, log = Store(folder), folder / "log"
    kills = rounds = 0
    took = dict.fromkeys(("add", "delete", "move", "repair", "drop"), 0.5)

    while time.monotonic() < ends - 15:
        rounds += 1
        kind = draw.choices(list(took), (6, 3, 2, 1, 1))[0]
        names = draw.sample(NAMES, draw.randrange(1, 5))
        texts = {name: text_of(name, rounds, draw) for name in names}
        if kind == "add":
            for name, text in texts.items():
                store.versions[name].add(text)
        keep = draw.random() < 0.5
        work = {
            "add": lambda texts=texts: store.add(texts),
            "delete": lambda names=names: store.delete(names),
            "move": lambda keep=keep: store.move(keep),
            "repair": store.repair,
            "drop": store.drop,
        }[kind]
        started = time.monotonic()
        code = kill_after(child(work, log), draw.uniform(0, 1.1) * took[kind], draw.choice(WAYS))
        kills += code is None
        said = log.read_text(errors="replace")
        assert code in (None, 0) or "CollectionNotFoundError" in said, f"round {rounds}, {kind}: {said[-4000:]}"
        took[kind] = took[kind] * 1.05 if code is None else 0.5 * (took[kind] + time.monotonic() - started)
        must(store.look, f"round {rounds}, after a killed {kind}" if code is None else f"round {rounds}, {kind}", log)
    last = {name: text_of(name, rounds + 1, draw) for name in NAMES}
    deleted = set(NAMES[:3])
    for name, text in last.items():
        store.versions[name].add(text)
    must(lambda: store.add(last), "the last reading in", log)
    must(lambda: store.delete(sorted(deleted)), "the last deleting", log)

    def whole() -> None:
        store.look()
        with closing(open_index(settings=store.settings, check_model=False)) as index:
            there = {info.doc_id for info in index.documents()}
            assert there == set(NAMES) - deleted, there
        for path in (folder / "store").rglob("*"):
            data = path.read_bytes() if path.is_file() else b""
            for name in deleted:
                assert f"{name}version".encode() not in data, f"{name} was deleted and is still in {path}"

    must(whole, "the end", log)
    return f"{kills} kills in {rounds} rounds: every document whole, nothing deleted is left"


if __name__ == "__main__":
    main(campaign)
