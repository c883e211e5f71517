"""A Qdrant server's REST routes, as far as RagWright uses them, over the embedded engine.

``httpx.MockTransport(RestServer(client))`` lets the real REST client run: what it serialises is parsed by the models
the server publishes, and what comes back is JSON. It proves the wire format, not clustering.
"""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
from qdrant_client.http import models

from indexes.errors import StoreError
from indexes.store.edge.client import EdgeClient


class RestServer:
    """Call it with a request. ``requests`` keeps (method, path, JSON body) of each; ``api_key`` asks for one; ``gone``
    refuses every connection."""

    def __init__(self, engine: EdgeClient, *, api_key: str | None = None) -> None:
        self.client = engine.client
        self.api_key = api_key
        self.requests: list[tuple[str, str, Any]] = []
        self.created: dict[str, Any] = {}
        self.thresholds: dict[str, int] = {}  # of indexing, as they were set
        self.gone = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.gone:
            raise httpx.ConnectError("connection refused", request=request)
        body = json.loads(request.content) if request.content else None
        self.requests.append((request.method, request.url.path, body))
        if self.api_key is not None and request.headers.get("api-key") != self.api_key:
            return httpx.Response(403, text="Must provide an API key or an Authorization bearer token")
        try:
            result = self._route(request.method, request.url.path, body)
        except StoreError as error:
            return httpx.Response(400, json={"status": {"error": str(error)}, "time": 0.0})
        return httpx.Response(200, json={"result": _plain(result), "status": "ok", "time": 0.0})

    def _route(self, method: str, path: str, body: Any) -> Any:
        if path == "/collections":
            return self.client.get_collections()
        if path == "/aliases":
            return self.client.get_aliases()
        if path == "/collections/aliases":
            return self.client.update_collection_aliases(models.ChangeAliasesOperation(**body).actions)
        found = re.fullmatch(r"/collections/([^/]+)(/.*)?", path)
        if not found:
            raise StoreError(f"no route {path}", remedy="add it")
        name, rest = found[1], found[2] or ""
        if (method, rest) == ("GET", "/exists"):
            return {"exists": self.client.collection_exists(name)}
        if rest == "":
            return self._collection(method, name, body)
        if rest == "/index":
            asked = models.CreateFieldIndex(**body)
            return self.client.create_payload_index(name, asked.field_name, asked.field_schema)
        if rest == "/points" and method == "PUT":
            self.client.upsert(name, models.PointsList(**body).points)
            return models.UpdateResult(operation_id=1, status=models.UpdateStatus.COMPLETED)
        if rest == "/points":
            wanted = models.PointRequest(**body)
            return self.client.retrieve(name, wanted.ids, wanted.with_payload, wanted.with_vector)
        if rest == "/points/delete":
            chosen = models.FilterSelector(**body) if "filter" in body else models.PointIdsList(**body)
            return self.client.delete(name, chosen)
        if rest == "/points/payload" and method == "POST":
            given = models.SetPayload(**body)
            chosen = models.FilterSelector(filter=given.filter) if given.filter else given.points
            return self.client.set_payload(name, given.payload, chosen, key=given.key)
        if rest == "/points/count":
            asked = models.CountRequest(**body)
            return self.client.count(name, asked.filter, asked.exact)
        if rest == "/points/scroll":
            asked = models.ScrollRequest(**body)
            points, offset = self.client.scroll(
                name, asked.filter, asked.limit, asked.order_by, asked.offset, asked.with_payload, asked.with_vector
            )
            return {"points": [_plain(point) for point in points], "next_page_offset": offset}
        if rest == "/facet":
            asked = models.FacetRequest(**body)
            return self.client.facet(name, asked.key, asked.filter, asked.limit, asked.exact)
        if rest == "/points/query/batch":
            return self.client.query_batch_points(name, models.QueryRequestBatch(**body).searches)
        raise StoreError(f"no route {method} {path}", remedy="add it")

    def _collection(self, method: str, name: str, body: Any) -> Any:
        if method == "GET":
            found = json.loads(self.client.get_collection(name).model_dump_json())
            if name in self.thresholds:
                found["config"]["optimizer_config"]["indexing_threshold"] = self.thresholds[name]
            return found
        if method == "DELETE":
            return self.client.delete_collection(name)
        if method == "PATCH":
            asked = models.UpdateCollection(**body)
            if asked.optimizers_config is not None:
                self.thresholds[name] = asked.optimizers_config.indexing_threshold
                return True
            return self.client.update_collection(name, metadata=asked.metadata)
        asked = models.CreateCollection(**body)
        self.created[name] = asked
        return self.client.create_collection(name, asked.vectors, asked.sparse_vectors, metadata=asked.metadata)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return json.loads(value.model_dump_json()) if hasattr(value, "model_dump_json") else value
