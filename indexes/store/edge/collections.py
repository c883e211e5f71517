"""The collections of the embedded engine: one sub-folder each, opened on first use."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from indexes.errors import CollectionNotFoundError, StoreError
from indexes.files import private_folder
from indexes.store import models
from indexes.store.checks import check_disk, check_name
from indexes.store.edge import convert
from indexes.store.edge import query as edge_query
from indexes.store.edge.aliases import EdgeAliases
from indexes.store.edge.folder import FRESH_SEGMENT_BYTES, EdgeFolder
from indexes.store.engine import Kind
from indexes.store.models.graph import Built, Wanted

if TYPE_CHECKING:
    from indexes.store.edge.searchers.pool import Searchers

DONE = models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)


class EdgeCollections(EdgeAliases):
    """Create, find, describe, flush and close collections. ``EdgeClient`` adds the calls on points."""

    def __init__(self, root: str | Path, *, min_free_mb: int = 512) -> None:
        super().__init__()
        self.root = Path(root).expanduser()
        self.min_free_mb = min_free_mb
        self.patience = 0.0  # seconds to wait for a collection that another process has open
        self._folders: dict[str, EdgeFolder] = {}
        self.searchers: Searchers | None = None
        self._as_qdrant: weakref.ref[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- as an ``Engine`` ----

    kind: Kind = "edge"

    @property
    def calls(self) -> Self:
        return self

    @property
    def client(self) -> Any:
        """The same collections as a ``qdrant_client`` (imported here), on which LlamaIndex's store can run."""
        from indexes.store.edge.qdrant import EdgeQdrantClient

        made = self._as_qdrant() if self._as_qdrant is not None else None
        if made is None:
            made = EdgeQdrantClient(self)  # type: ignore[arg-type]  # EdgeClient, which has the points too
            self._as_qdrant = weakref.ref(made)  # weak: an index dropped without close() must not keep its lock
        return made

    def folder(self, collection_name: str) -> Path:
        """Return the collection's folder."""
        return self._folder(collection_name, must_exist=False).folder

    # ---- collections ----

    def _names(self) -> list[str]:
        if not self.root.is_dir():
            return []
        return sorted(entry.name for entry in self.root.iterdir() if self._is_collection(entry.name))

    def _folder(self, name: str, *, must_exist: bool = True) -> EdgeFolder:
        folder = self._folders.get(name)
        if folder is None:
            real = self._real(check_name(name))  # aliases are not cached: they may change
            folder = self._folders.get(real)
            if folder is None:
                folder = self._folders[real] = EdgeFolder(self.root / real)
                folder.lock.patience = self.patience
                if self.searchers is not None:
                    folder.on_leave = partial(self.searchers.forget, folder.folder)
        if must_exist and not folder.record.known and not folder.exists():
            there = ", ".join(self._names()) or "none"
            raise CollectionNotFoundError(
                f"there is no collection {name!r} in {self.root} (there: {there})",
                remedy="build it first: rag ingest PATH --collection " + name,
            )
        return folder

    def get_collections(self, **kwargs: Any) -> models.CollectionsResponse:
        return models.CollectionsResponse(
            collections=[models.CollectionDescription(name=name) for name in self._names()]
        )

    def collection_exists(self, collection_name: str, **kwargs: Any) -> bool:
        return self._folder(collection_name, must_exist=False).exists()

    def create_collection(
        self,
        collection_name: str,
        vectors_config: Any = None,
        sparse_vectors_config: dict[str, models.SparseVectorParams] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> bool:
        """Create a collection. Server options (shards, replicas, HNSW, quantization) raise StoreError if set."""
        for option, value in kwargs.items():
            if value is not None and option not in {"timeout", "on_disk_payload", "hnsw_config", "optimizers_config"}:
                raise StoreError(
                    f"the embedded engine has no {option} (given {value!r})",
                    remedy="leave that setting out, or use a Qdrant server (store.url)",
                )
        folder = self._folder(collection_name, must_exist=False)
        if folder.exists():
            raise StoreError(
                f"collection {collection_name!r} already exists in {self.root}", remedy="delete it first or open it"
            )
        single = models.is_a(vectors_config, "VectorParams")
        vectors: dict[str, Any] = {"": vectors_config} if single else dict(vectors_config or {})
        sparse = sparse_vectors_config or {}
        private_folder(self.root)
        check_disk(self.root, min_free_mb=self.min_free_mb, needed_bytes=FRESH_SEGMENT_BYTES)
        description = {
            "vectors": {name: models.described(params) for name, params in vectors.items()},
            "single": single,
            "sparse_vectors": {name: models.described(params) for name, params in sparse.items()},
            "metadata": convert.to_edge_payload(metadata),
        }
        self._forget_aliases_of(collection_name)  # left by a former collection of that name
        folder.create(convert.edge_config(vectors, sparse), description)
        return True

    def update_collection(self, collection_name: str, metadata: dict[str, Any] | None = None, **kwargs: Any) -> bool:
        """Merge ``metadata`` into the record; nothing else can be updated."""
        if any(value is not None for value in kwargs.values()):
            raise NotImplementedError(f"the embedded engine cannot update {sorted(kwargs)}")
        folder = self._folder(collection_name)
        with folder.describing:
            description = dict(folder.read_description(anew=True))
            description["metadata"] = {**description["metadata"], **convert.to_edge_payload(metadata)}
            folder.write_description(description)
        return True

    def delete_collection(self, collection_name: str, **kwargs: Any) -> bool:
        folder = self._folder(collection_name, must_exist=False)
        if not folder.exists() or folder.folder.name != collection_name:
            return False  # an alias does not delete its collection
        folder.drop()
        self._folders.pop(collection_name, None)
        self._forget_aliases_of(collection_name)
        return True

    def collection_metadata(self, collection_name: str) -> dict[str, Any]:
        """Return the recorded metadata without opening or locking the collection.

        Always read from the file: another process may have moved the collection's name."""
        return dict(self._folder(collection_name).read_description(anew=True)["metadata"])

    def get_collection(self, collection_name: str, **kwargs: Any) -> models.CollectionInfo:
        folder = self._folder(collection_name)
        with folder.opened() as shard:
            info = shard.info()
        return edge_query.collection_info(folder.read_description(), info)

    def create_payload_index(
        self, collection_name: str, field_name: str, field_schema: Any = None, field_type: Any = None, **kwargs: Any
    ) -> models.UpdateResult:
        import qdrant_edge as qe

        schema = convert.field_schema(field_schema or field_type or "keyword")
        folder = self._folder(collection_name)
        with folder.writing, folder.describing:
            done = self._update(collection_name, qe.UpdateOperation.create_field_index(field_name, schema))
            description = dict(folder.read_description(anew=True))
            kind = convert.schema_name(field_schema or field_type or "keyword")
            indexes = {**(description.get("indexes") or {}), field_name: kind}
            folder.write_description({**description, "indexes": indexes})
        return done

    # ---- writing ----

    def _update(
        self,
        name: str,
        operation: Any,
        *,
        ids: Sequence[Any] | None = None,
        chosen: Any = None,
        needed_bytes: int = 1 << 20,
    ) -> models.UpdateResult:
        """Apply an operation to the points ``ids``, or to those that the filter ``chosen`` selects."""
        folder = self._folder(name)
        folder.refuse_read_only()
        with folder.writing, folder.opened() as shard:
            check_disk(folder.folder, min_free_mb=self.min_free_mb, needed_bytes=needed_bytes)
            if folder.aside is not None and folder.aside.changes is not None:
                folder.aside.changes.note(shard, operation, ids, chosen)
            folder.dirty = True
            folder.version += 1
            shard.update(operation)
        return DONE

    def _schema(self, name: str) -> tuple[dict[str, int], set[str]]:
        """Return dense vector names with their dimensions, and sparse vector names."""
        description = self._folder(name).read_description()
        return {key: params["size"] for key, params in description["vectors"].items()}, set(
            description["sparse_vectors"]
        )

    def flush(self, collection_name: str | None = None) -> None:
        """Write everything to the disk; call it after each document or commit."""
        names = [collection_name] if collection_name is not None else list(self._folders)
        for name in names:
            self._folder(name, must_exist=False).flush()

    def optimize(self, collection_name: str, *, graph: Wanted | None = None, timeout: float = 3600.0) -> Built:
        """Optimise a copy of the collection in a child process and replace the collection by it.

        The collection can be searched and written meanwhile.

        Args:
            graph: build an HNSW graph like this; None: only vacuum.
            timeout: seconds.

        Raises:
            DiskSpaceError: there is not enough room for the copy.
            StoreError: it failed, or took longer than ``timeout`` seconds; the collection is unchanged.
        """
        from indexes.store.edge.building.build import build

        folder = self._folder(collection_name)
        return build(folder, graph, timeout=timeout, min_free_mb=self.min_free_mb)

    def stop_optimizing(self, collection_name: str) -> None:
        """Cancel an ``optimize`` that is running in another thread."""
        self._folder(collection_name).stop_building()

    def pack(self, collection_name: str) -> bool:
        """Move points from memory into memory-mapped files if there are more than 20,000; call it after a flush.

        Takes seconds in a child process, during which callers wait. Returns whether points were moved.
        """
        return self._folder(collection_name).pack(min_free_mb=self.min_free_mb)

    def rewrite(self, collection_name: str) -> bool:
        """Write all points into new files, so that no deleted text remains. Returns True."""
        self._folder(collection_name).rewrite(min_free_mb=self.min_free_mb)
        return True

    def edge_folder(self, collection_name: str) -> EdgeFolder:
        """Return the folder object of a collection, intact or damaged."""
        return self._folder(collection_name, must_exist=False)

    def salvage(self, collection_name: str) -> int:
        """Keep the intact points of a damaged collection and return their number."""
        return self.edge_folder(collection_name).salvage()

    def end_deletions(self) -> list[str]:
        """Finish killed deletions and return the names of their collections."""
        if not self.root.is_dir():
            return []
        folders = [EdgeFolder(entry) for entry in sorted(self.root.iterdir()) if entry.is_dir()]
        return [folder.folder.name for folder in folders if folder.end_deletion()]

    @contextmanager
    def briefly(self, collection_name: str) -> Iterator[None]:
        """Hold a collection briefly: another process waits for it instead of failing.

        A collection that this client has open stays open.
        """
        folder = self._folder(collection_name)
        if folder.is_open:
            yield
            return
        folder.lock.brief = True
        try:
            yield
        finally:
            folder.lock.brief = False
            folder.close()

    def close(self, **kwargs: Any) -> None:
        for folder in self._folders.values():
            folder.close()
        self._folders.clear()
        if self.searchers is not None:
            self.searchers.close()
            self.searchers = None

    # ---- searching by other processes ----

    def use_searchers(self, number: int) -> None:
        """Answer searches by so many processes, on copies of the collections, until this is closed.

        Each starts when it is first needed. A copy needs disk space for the collection's payloads and for what was
        written since it was last optimised; vectors, graph and term index are shared with the collection's files.
        """
        if number and self.searchers is None:
            from indexes.store.edge.searchers.pool import Searchers

            self.searchers = Searchers(number, min_free_mb=self.min_free_mb)
            for folder in self._folders.values():
                folder.on_leave = partial(self.searchers.forget, folder.folder)

    def __repr__(self) -> str:
        return f"EdgeClient({os.fspath(self.root)!r})"
