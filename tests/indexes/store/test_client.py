"""open_engine: which engine, which server, what it says when it cannot."""

from __future__ import annotations

import builtins
import socket
import subprocess
import sys
import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters
from qdrant_client import QdrantClient

from indexes.addresses import is_loopback
from indexes.errors import (
    CollectionLockedError,
    FingerprintMismatchError,
    MissingExtraError,
    SettingsError,
    StoreError,
    StoreUnreachableError,
)
from indexes.settings.sections import StoreSettings
from indexes.store.client import as_engine, open_engine
from indexes.store.collection import collection_names
from indexes.store.edge.client import EdgeClient
from indexes.store.upkeep.graph import graph_is_due, optimize
from tests.indexes.store.rest_server import RestServer
from tests.indexes.store.store_fixtures import DIM, fingerprint, legs, make_records, on, sparse_rows, unit


def test_the_embedded_engine_is_the_default(tmp_path: Path) -> None:
    client = open_engine(StoreSettings(path=tmp_path / "store"))
    assert isinstance(client, EdgeClient)
    assert client.kind == "edge"
    assert not (tmp_path / "store").exists(), "opening makes nothing"
    client.close()


def test_memory() -> None:
    engine = open_engine(StoreSettings(url=":memory:"))
    assert isinstance(engine.client, QdrantClient)
    assert engine.kind == "memory"


@pytest.fixture
def without_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("qdrant_edge"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "qdrant_edge", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)


@pytest.mark.usefixtures("without_edge")
def test_without_the_wheel_local_mode_takes_its_place_with_a_notice(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path)
    with pytest.warns(RuntimeWarning, match="Qdrant Edge is not installed"):
        engine = open_engine(settings)
    assert engine.kind == "local"
    client = engine.client
    on(client, "notes").ensure(fingerprint(), idf=True, settings=settings)
    rng = np.random.default_rng(0)
    on(client, "notes").put(make_records("a", ["one", "two"]), unit(rng, 2), sparse_rows(rng, 2))
    on(client, "notes").flush()
    client.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # asked for by name, it gives no notice
        client = open_engine(StoreSettings(path=tmp_path, engine="local")).client
    assert on(client, "notes").fingerprint()["model"] == "tiny"  # type: ignore[index]
    assert on(client, "notes").count() == 2
    with pytest.raises(CollectionLockedError, match="held open by another"):
        open_engine(StoreSettings(path=tmp_path, engine="local"))
    client.close()


@pytest.mark.usefixtures("without_edge")
def test_edge_by_name_needs_the_wheel(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'qdrant-edge-py==0.9"):
        open_engine(StoreSettings(path=tmp_path, engine="edge"))


@pytest.mark.parametrize("url", ["localhost:6333", "qdrant", "ftp://host", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"store.url is .* not an http:// or https:// address"):
        open_engine(StoreSettings(url=url))


def test_a_host_that_is_none_is_refused_without_the_login() -> None:
    with pytest.raises(SettingsError, match=r"store.url is 'http://\*\*\*@h st', which cannot be used") as refusal:
        open_engine(StoreSettings(url="http://me:pa55@h st"))
    assert "pa55" not in str(refusal.value)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("grpc", [False, True])
def test_a_server_that_is_not_there(grpc: bool) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StoreUnreachableError) as caught:
        open_engine(StoreSettings(url=url, grpc=grpc, timeout=2))
    message = str(caught.value)
    assert url in message and "docker run" in message and "\n" not in message


class FakeWebServer(BaseHTTPRequestHandler):
    """A web server that is no Qdrant."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


def test_another_web_server_and_a_proxy_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # A proxy that nobody runs: with trust_env it would be asked instead of the loopback address.
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{free_port()}")
    server = HTTPServer(("127.0.0.1", 0), FakeWebServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(StoreUnreachableError, match="answered with status 404, which a Qdrant server would not do"):
            open_engine(StoreSettings(url=f"http://127.0.0.1:{server.server_port}"))
    finally:
        server.shutdown()
        server.server_close()


def test_loopback() -> None:
    loopback = ["http://localhost:6333", "http://127.0.0.1", "http://[::1]:6333", "127.0.0.5:1", "http://a.localhost"]
    assert all(map(is_loopback, loopback))
    assert not any(map(is_loopback, ["http://192.168.1.2:6333", "https://x.cloud.qdrant.io", "http://localhosts"]))


URL = "http://qdrant.example:6333"


def connect(server: RestServer, **settings: Any) -> Any:
    engine = open_engine(StoreSettings(url=URL, **settings), transport=httpx.MockTransport(server))
    assert engine.kind == "server"
    return engine.client


def test_the_key_comes_from_the_environment(edge: EdgeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    server = RestServer(edge, api_key="secret")
    monkeypatch.delenv("QDRANT_API_KEY", raising=False)
    with pytest.raises(StoreUnreachableError, match=r"refused a request without key; .*QDRANT_API_KEY"):
        connect(server)
    monkeypatch.setenv("MY_KEY", "wrong")
    with pytest.warns(UserWarning, match="insecure"), pytest.raises(StoreUnreachableError, match="the key in MY_KEY"):
        connect(server, api_key_env="MY_KEY")
    monkeypatch.setenv("MY_KEY", "secret")
    with pytest.warns(UserWarning, match="insecure"):
        client = connect(server, api_key_env="MY_KEY")
    assert client.get_collections().collections == []


def test_a_server_is_told_how_to_build_and_measured(edge: EdgeClient) -> None:
    server = RestServer(edge)
    settings = StoreSettings(url=URL, hnsw_from=100, hnsw_m=24, hnsw_ef_construct=150)
    store = on(connect(server), "notes")
    store.ensure(fingerprint(), idf=False, settings=settings)
    created = server.created["notes"].hnsw_config
    assert (created.m, created.ef_construct) == (24, 150)
    rng = np.random.default_rng(0)
    for number in range(20):
        records = make_records(f"d{number}", ["text"] * 10)
        store.put(records, unit(rng, 10), sparse_rows(rng, 10))
    assert graph_is_due(store, settings)
    graph = optimize(store, settings).graph
    assert graph is not None
    assert (graph.points, graph.m, graph.asked) == (200, 24, 60)
    assert graph.found[0].filtered == 1.0
    told = [body for method, path, body in server.requests if (method, path) == ("PATCH", "/collections/notes")]
    assert told[0]["hnsw_config"] == {"m": 24, "ef_construct": 150}
    asked = [body for _, path, body in server.requests if path.endswith("/points/query/batch")]
    how = [one["params"] for body in asked for one in body["searches"]]
    assert {params["exact"] for params in how} == {True, False}
    assert {params["hnsw_ef"] for params in how if not params["exact"]} >= {64, 128, 256, 512}
    through = [one for body in asked for one in body["searches"] if not one["params"]["exact"]]
    assert {(bool(one.get("filter")), bool(one["params"].get("acorn"))) for one in through} == {
        (True, True),
        (False, False),
    }
    indexed = {body["field_name"] for method, path, body in server.requests if path == "/collections/notes/index"}
    assert indexed == {"doc_id", "metadata.source", "metadata.title"}
    assert store.graph() == graph
    store.hybrid_search(unit(rng, 1)[0], sparse_rows(rng, 1)[0], limit=5)
    params = [one.get("params") for one in server.requests[-2][2]["searches"]]
    assert {"hnsw_ef": 64, "exact": False}.items() <= params[0].items()
    seen = len(server.requests)
    store.hybrid_search(unit(rng, 1)[0], sparse_rows(rng, 1)[0], limit=5)
    assert {path for _, path, _ in server.requests[seen:]} == {"/collections/notes/points/query/batch"}


def test_the_server_path_from_creation_to_deletion(edge: EdgeClient) -> None:
    """Our own calls, through the real REST client, into an engine."""
    server = RestServer(edge)
    settings = StoreSettings(url=URL, shard_number=6, replication_factor=2, quantization="int8", on_disk=True)
    client = connect(server)
    on(client, "notes").ensure(fingerprint(), idf=True, settings=settings, extra={"note": "hi"})
    asked = server.created["notes"]
    assert (asked.shard_number, asked.replication_factor, asked.on_disk_payload) == (6, 2, True)
    assert asked.vectors["dense"].on_disk is True and asked.vectors["dense"].datatype is None
    assert asked.sparse_vectors["sparse"].modifier.value == "idf"
    assert asked.sparse_vectors["sparse"].index.on_disk is True
    assert asked.quantization_config.scalar.type.value == "int8"
    assert ("PUT", "/collections/notes/index") in {(method, path) for method, path, _ in server.requests}

    on(client, "notes").ensure(fingerprint(), idf=True, settings=settings)
    on(client, "notes").check_fingerprint(fingerprint(model="moved"))
    with pytest.raises(FingerprintMismatchError):
        on(client, "notes").check_fingerprint(fingerprint(weights="else"))

    rng = np.random.default_rng(0)
    records = [record for d in range(3) for record in make_records(f"d{d}", [f"text {i}" for i in range(200)])]
    dense, sparse = unit(rng, 600), sparse_rows(rng, 600)
    on(client, "notes").put(records, dense, sparse)
    on(client, "notes").flush()
    assert on(client, "notes").count() == 600

    chosen = MetadataFilters(filters=[MetadataFilter(key="doc_id", value="d1")])
    mine, other = on(client, "notes"), on(edge, "notes")
    mine.how_to_search(None, 0.98)  # looks once whether it has a graph
    before = len(server.requests)
    over_wire = legs(mine, dense[210], sparse[210], limit=20, filters=chosen)
    assert over_wire == legs(other, dense[210], sparse[210], limit=20, filters=chosen)
    assert over_wire[0][0].id == records[210].id and over_wire[0][0].payload["doc_id"] == "d1"
    assert [path for _, path, _ in server.requests[before:]] == ["/collections/notes/points/query/batch"]
    scored = [one.hybrid_search(dense[210], sparse[210], limit=20) for one in (mine, other)]
    shown = [[(hit.id, round(hit.score, 5), hit.sparse_score, hit.payload) for hit in hits] for hits in scored]
    assert shown[0] == shown[1] and len(shown[0]) > 20  # of the embedded engine, dense scores are computed here
    assert len(server.requests) == before + 2 + 1  # the second search scores what one leg alone found
    before = len(server.requests)
    windows = on(client, "notes").windows([records[210], records[5]], 2)
    assert [record.position for record in windows[records[210].id]] == [8, 9, 10, 11, 12]
    assert len(server.requests) == before + 1

    assert [row.sentences for row in on(client, "notes").documents()] == [200, 200, 200]
    assert on(client, "notes").delete_document("d1") == 200
    assert on(client, "notes").delete_document("nobody") == 0
    on(client, "notes").delete_points([records[0].id])
    assert on(client, "notes").count() == 399
    assert collection_names(as_engine(client)) == ["notes"]
    client.delete_collection("notes")
    assert collection_names(as_engine(client)) == []


@pytest.mark.parametrize(("url", "quantization"), [(None, "int8"), (":memory:", "int8"), (":memory:", "turbo8")])
def test_quantization_of_the_other_engine_is_refused(tmp_path: Path, url: str | None, quantization: Any) -> None:
    settings = StoreSettings(path=tmp_path, url=url, quantization=quantization, min_free_mb=1)
    client = open_engine(settings).client
    with pytest.raises(StoreError, match=f"'{quantization}' is not supported by this engine"):
        on(client, "notes").ensure(fingerprint(), idf=False, settings=settings)
    client.close()


def test_a_server_that_goes_away_later_raises_its_own_error(edge: EdgeClient) -> None:
    server = RestServer(edge)
    client = connect(server)
    server.gone = True
    with pytest.raises(StoreUnreachableError, match=r"qdrant.example:6333 does not answer .connection refused."):
        client.collection_exists("notes")


def test_importing_the_store_is_cheap() -> None:
    code = (
        "import sys, indexes.store, indexes.store.client, indexes.store.collection, indexes.store.edge.client\n"
        "heavy = {'torch', 'transformers', 'qdrant_edge', 'qdrant_client', 'llama_index.core', 'scipy'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_vectors_of_the_wrong_length_are_refused_by_name(edge: EdgeClient) -> None:
    client = connect(RestServer(edge))
    on(client, "notes").ensure(fingerprint(), idf=False, settings=StoreSettings(url=URL))
    rng = np.random.default_rng(0)
    with pytest.raises(StoreError, match=r"server at http://qdrant.example:6333 refused PUT .*8 dimensions, and a"):
        on(client, "notes").put(make_records("a", ["x"]), unit(rng, 1, 5), sparse_rows(rng, 1))
    assert unit(rng, 1).shape == (1, DIM)
