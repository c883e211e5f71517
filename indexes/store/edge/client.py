"""Qdrant Edge (the embedded engine) with the calls of ``qdrant_client``, without importing that package.

Arguments may be of our types (``indexes.store.models``) or Qdrant's; results are of ours. ``EdgeClient.client`` returns
Qdrant's types instead. ``tests/indexes/store/edge/test_parity.py`` compares this with ``QdrantClient(":memory:")``. The
engine is a beta: it is pinned to 0.9 and used only in this folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from indexes.errors import StoreError
from indexes.store import models
from indexes.store.checks import check_dense, check_sparse
from indexes.store.edge import convert, second_scores
from indexes.store.edge import query as edge_query
from indexes.store.edge.collections import DONE, EdgeCollections
from indexes.store.edge.filters import filter_
from indexes.store.edge.ids import from_edge_id, to_edge_id
from indexes.store.edge.searchers.messages import as_said, hits_in, lack_out, leg_out
from indexes.store.engine import DENSE, SPARSE, Hit, Lack, Leg, searched_again

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WRITE_BATCH = 500  # points per call: the engine holds the GIL during one, about 40 ms

COUNTED_AT_ONCE = 100_000  # points per call: the engine collects ids to count them, 60 bytes or more each


class EdgeClient(EdgeCollections):
    """Collections of the embedded engine in one folder, one sub-folder each.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, EdgeClient(folder) as client:
    ...     client.collection_exists("guide")
    False

    A collection is opened, and locked against other processes, on first use. A write is in the engine's write-ahead log
    when the call returns, and on the disk after ``flush``.

    Args:
        root: folder, created with the first collection.
        min_free_mb: MB of disk space that must stay free; a write that would leave less raises DiskSpaceError.
    """

    # ---- writing ----

    def upsert(self, collection_name: str, points: Any, **kwargs: Any) -> models.UpdateResult:
        """Write a list of PointStruct, a PointsList or a Batch, after checking all of it."""
        rows = convert.edge_points(points)
        dims, sparse_names = self._schema(collection_name)
        vectors = edge_query.checked_vectors([vector for _, vector, _ in rows], dims, sparse_names)
        self._write(collection_name, [row[0] for row in rows], vectors, [row[2] for row in rows])
        return DONE

    def upload_points(self, collection_name: str, points: Iterable[Any], batch_size: int = 64, **kwargs: Any) -> None:
        stream = iter(points)
        while batch := list(islice(stream, max(batch_size, WRITE_BATCH))):
            self.upsert(collection_name, batch)
        self.flush(collection_name)

    def upsert_arrays(
        self,
        collection_name: str,
        ids: Sequence[str | int],
        dense: NDArray[np.float32],
        sparse: Sequence[Any] | None,
        payloads: Sequence[dict[str, Any]],
    ) -> None:
        """Write points from arrays: the fast path, without an object per point.

        Args:
            ids: n UUID strings or unsigned integers.
            dense: float32 (n, dim).
            sparse: n vectors with sorted unique ``indices`` and ``values`` arrays, or None.
            payloads: n JSON-like dicts.
        """
        import qdrant_edge as qe

        dims, sparse_names = self._schema(collection_name)
        for name, there in ((DENSE, dims), (SPARSE if sparse is not None else None, sparse_names)):
            if name is not None and name not in there:
                raise edge_query.unknown_vector(name, [*dims, *sparse_names])
        if not len(ids) == len(dense) == len(payloads) == (len(ids) if sparse is None else len(sparse)):
            raise StoreError(
                f"{len(ids)} ids came with {len(dense)} dense vectors, {len(payloads)} payloads and "
                f"{'no' if sparse is None else len(sparse)} sparse vectors",
                remedy="give one of each for every point",
            )
        if not len(ids):
            return
        check_dense(dense, dim=dims[DENSE], name=DENSE)
        rows = dense.tolist()
        if sparse is None:
            vectors: list[Any] = [{DENSE: row} for row in rows]
        else:
            check_sparse(sparse, name=SPARSE)
            vectors = [
                {DENSE: row, SPARSE: qe.SparseVector(item.indices.tolist(), item.values.tolist())}
                for row, item in zip(rows, sparse, strict=True)
            ]
        self._write(collection_name, ids, vectors, payloads)

    def _write(
        self, name: str, ids: Sequence[str | int], vectors: Sequence[Any], payloads: Sequence[dict[str, Any]]
    ) -> None:
        import qdrant_edge as qe

        dims, _ = self._schema(name)
        point_bytes = 2 * (4 * sum(dims.values()) + 2048)  # vectors and payload, in the log and in place
        made = []  # build all before writing the first
        for identity, vector, payload in zip(ids, vectors, payloads, strict=True):
            try:
                made.append(qe.Point(identity, vector, payload))
            except (TypeError, ValueError):  # a date, a path, NaN ... in metadata
                made.append(qe.Point(to_edge_id(identity), vector, convert.to_edge_payload(payload)))
        for start in range(0, len(made), WRITE_BATCH):
            batch = made[start : start + WRITE_BATCH]
            some = list(ids[start : start + WRITE_BATCH])
            self._update(name, qe.UpdateOperation.upsert_points(batch), ids=some, needed_bytes=point_bytes * len(batch))

    def delete(self, collection_name: str, points_selector: Any, **kwargs: Any) -> models.UpdateResult:
        import qdrant_edge as qe

        ids, chosen = convert.selector(points_selector)
        operation = qe.UpdateOperation
        return self._update(
            collection_name,
            operation.delete_points(ids) if ids is not None else operation.delete_points_by_filter(chosen),
            ids=ids,
            chosen=chosen,
        )

    def set_payload(
        self, collection_name: str, payload: dict[str, Any], points: Any, key: str | None = None, **kwargs: Any
    ) -> models.UpdateResult:
        import qdrant_edge as qe

        ids, chosen = convert.selector(points)
        operation, plain = qe.UpdateOperation, convert.to_edge_payload(payload)
        return self._update(
            collection_name,
            operation.set_payload(ids, plain, key)
            if ids is not None
            else operation.set_payload_by_filter(chosen, plain, key),
            ids=ids,
            chosen=chosen,
        )

    # ---- reading ----

    def retrieve(
        self,
        collection_name: str,
        ids: Sequence[Any],
        with_payload: Any = True,
        with_vectors: Any = False,
        **kwargs: Any,
    ) -> list[models.Record]:
        wanted = list(dict.fromkeys(to_edge_id(item) for item in ids))
        with self._folder(collection_name).opened() as shard:
            found = shard.retrieve(wanted, convert.with_payload(with_payload), convert.with_vectors(with_vectors))
        records = {record.id: record for record in map(convert.record_out, found)}
        return [records[item] for item in wanted if item in records]

    def scroll(
        self,
        collection_name: str,
        scroll_filter: models.Filter | None = None,
        limit: int = 10,
        order_by: Any = None,
        offset: Any = None,
        with_payload: Any = True,
        with_vectors: Any = False,
        **kwargs: Any,
    ) -> tuple[list[models.Record], Any]:
        import qdrant_edge as qe

        if order_by is not None:
            raise NotImplementedError("the embedded engine's adapter has no order_by")
        request = qe.ScrollRequest(
            offset=None if offset is None else to_edge_id(offset),
            limit=limit,
            filter=filter_(scroll_filter),
            with_payload=convert.with_payload(with_payload),
            with_vector=convert.with_vectors(with_vectors),
        )
        with self._folder(collection_name).opened() as shard:
            records, following = shard.scroll(request)
        return [convert.record_out(record) for record in records], (
            None if following is None else from_edge_id(following)
        )

    def count(
        self, collection_name: str, count_filter: models.Filter | None = None, exact: bool = True, **kwargs: Any
    ) -> models.CountResult:
        import qdrant_edge as qe

        chosen = filter_(count_filter)
        with self._folder(collection_name).opened() as shard:
            slices = -(-shard.info().points_count // COUNTED_AT_ONCE) if exact else 1
            if slices <= 1:
                return models.CountResult(count=shard.count(qe.CountRequest(exact, chosen)))
            found, others = 0, [] if chosen is None else [chosen]
            for index in range(slices):
                part = qe.SliceCondition(total=slices, index=index)  # type: ignore[attr-defined]  # not in its stubs
                found += shard.count(qe.CountRequest(True, qe.Filter(must=[part, *others])))
            return models.CountResult(count=found)

    def facet(
        self,
        collection_name: str,
        key: str,
        facet_filter: models.Filter | None = None,
        limit: int = 10,
        exact: bool = False,
        **kwargs: Any,
    ) -> models.FacetResponse:
        import qdrant_edge as qe

        with self._folder(collection_name).opened() as shard:
            hits = shard.facet(qe.FacetRequest(key, limit, exact, filter_(facet_filter)))
        # The engine still lists values whose points were all deleted, with count 0.
        there = [models.FacetValueHit(value=hit.value, count=hit.count) for hit in hits if hit.count]
        return models.FacetResponse(hits=there)

    def query_points(
        self,
        collection_name: str,
        query: Any = None,
        using: str | None = None,
        prefetch: Any = None,
        query_filter: models.Filter | None = None,
        search_params: Any = None,
        limit: int = 10,
        offset: int | None = None,
        with_payload: Any = True,
        with_vectors: Any = False,
        score_threshold: float | None = None,
        lookup_from: Any = None,
        **kwargs: Any,
    ) -> models.QueryResponse:
        request = models.QueryRequest(
            query=query,
            using=using,
            prefetch=prefetch,
            filter=query_filter,
            params=search_params,
            limit=limit,
            offset=offset,
            with_payload=with_payload,
            with_vector=with_vectors,
            score_threshold=score_threshold,
            lookup_from=lookup_from,
        )
        return self.query_batch_points(collection_name, [request])[0]

    def query_batch_points(
        self, collection_name: str, requests: Sequence[models.QueryRequest], **kwargs: Any
    ) -> list[models.QueryResponse]:
        with self._folder(collection_name).opened() as shard:
            return edge_query.run_batch(shard, requests, self._schema(collection_name))

    def query_arrays(self, collection_name: str, legs: Sequence[Leg], *, with_payload: bool) -> list[list[Hit]]:
        """Search with vectors from arrays: the fast path. Hits have no payloads; ``payloads`` reads them later."""
        folder = self._folder(collection_name)
        if self.searchers is not None:
            found = self.searchers.ask(folder, lambda: {"do": "legs", "legs": [*map(leg_out, legs)]}, hits_in)
            if found is not None:
                return found
        schema = self._schema(collection_name)
        with folder.opened() as shard:
            return edge_query.run_arrays(shard, legs, schema)

    def payloads(self, collection_name: str, ids: Sequence[str | int]) -> dict[str, dict[str, Any]]:
        """Return id (as text) -> payload; unknown ids are omitted."""
        folder = self._folder(collection_name)
        if self.searchers is not None:
            found = self.searchers.ask(folder, lambda: {"do": "payloads", "ids": list(ids)}, as_said)
            if found is not None:
                return found
        with folder.opened() as shard:
            return {str(record.id): record.payload or {} for record in shard.retrieve(list(ids), True, False)}

    def scored_payloads(
        self, collection_name: str, ids: Sequence[str], lacks: Sequence[Lack]
    ) -> tuple[dict[str, dict[str, Any]], list[dict[str, float]]]:
        folder = self._folder(collection_name)
        said = None
        if self.searchers is not None:

            def request() -> dict[str, Any]:
                return {"do": "scored", "ids": list(ids), "lacks": [*map(lack_out, lacks)]}

            said = self.searchers.ask(folder, request, as_said)
        if said is not None:
            payloads, found = said
        else:
            with folder.opened() as shard:
                payloads, found = second_scores.read(shard, ids, lacks, folder.read_description())
        rest = [lack for lack, scores in zip(lacks, found, strict=True) if scores is None]
        searched = iter(searched_again(self, collection_name, rest))
        return payloads, [next(searched) if scores is None else scores for scores in found]
