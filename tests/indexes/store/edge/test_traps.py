"""Every trap of the embedded engine, sprung on purpose."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client.http import models

from indexes.encoders.base import SparseVector
from indexes.errors import CollectionLockedError, CollectionNotFoundError, DiskSpaceError, StoreError
from indexes.store.collection import collection_names
from indexes.store.edge.building import build
from indexes.store.edge.client import EdgeClient
from tests import ROOT
from tests.indexes.store.store_fixtures import DIM, fill, fingerprint, make_records, on, point_struct, sparse_rows, unit


def spawn(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


HOLDER = """
    import sys
    from indexes.store.edge.client import EdgeClient
    client = EdgeClient(sys.argv[1], min_free_mb=1)
    print(client.count("held").count, flush=True)
    __import__("time").sleep(60)
"""


def test_a_second_process_is_told_who_holds_the_collection(edge: EdgeClient) -> None:
    fill(edge, "held", make_records("a", ["one", "two"]))
    fill(edge, "free", make_records("b", ["three"]))
    edge.close()
    holder = spawn(HOLDER, edge.root)
    try:
        assert holder.stdout is not None and holder.stdout.readline().strip() == "2"
        with pytest.raises(CollectionLockedError) as caught:
            edge.count("held")
        message = str(caught.value)
        assert f"process {holder.pid}" in message and str(edge.root / "held") in message and "\n" not in message
        # What needs no lock goes on: names, fingerprints, other collections.
        assert collection_names(edge) == ["free", "held"]
        assert on(edge, "held").fingerprint()["model"] == "tiny"  # type: ignore[index]
        assert edge.count("free").count == 1
        with pytest.raises(CollectionLockedError):
            edge.delete_collection("held")
    finally:
        holder.kill()
        holder.wait()
    assert edge.count("held").count == 2, "a killed holder leaves no stale lock"


def test_two_clients_in_one_process_are_told_apart(edge: EdgeClient) -> None:
    fill(edge, "held", make_records("a", ["one"]))
    with EdgeClient(edge.root) as second, pytest.raises(CollectionLockedError, match="already open in this process"):
        second.count("held")
    edge.close()
    with EdgeClient(edge.root) as second:
        assert second.count("held").count == 1


def test_the_engines_own_lock_is_explained_too(edge: EdgeClient) -> None:
    import qdrant_edge

    fill(edge, "held", make_records("a", ["one"]))
    edge.close()
    foreign = qdrant_edge.EdgeShard.load(str(edge.root / "held" / "shard"))
    with pytest.raises(CollectionLockedError, match="another process"):
        edge.count("held")
    foreign.close()
    assert edge.count("held").count == 1


def test_kill_9_after_flush_loses_nothing(tmp_path: Path) -> None:
    writer = spawn(
        """
        import sys
        sys.path.insert(0, sys.argv[2])
        from tests.indexes.store import store_fixtures
        from indexes.store.edge.client import EdgeClient
        client = EdgeClient(sys.argv[1], min_free_mb=1)
        for number in range(1000):
            records = store_fixtures.make_records(f"doc{number}", ["text"] * 7)
            store_fixtures.fill(client, "durable", records, seed=number)
            store_fixtures.on(client, "durable").flush()
            print(number, flush=True)
        """,
        tmp_path,
        ROOT,
    )
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(12)]
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in writer.stdout.read().split()]
    writer.wait()
    with EdgeClient(tmp_path) as client:
        for number in acknowledged:
            assert on(client, "durable").count(f"doc{number}") == 7
        answer = client.query_points("durable", query=[1.0] * DIM, using="dense", limit=5)
        assert len(answer.points) == 5


def test_too_little_disk_is_refused_before_writing(edge: EdgeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(edge, "notes", make_records("a", ["one"]))
    edge.min_free_mb = 1 << 40
    with pytest.raises(DiskSpaceError, match=r"MB are free .* store.min_free_mb"):
        fill(edge, "notes", make_records("b", ["two"]))
    with pytest.raises(DiskSpaceError):
        edge.create_collection("more", vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT))
    with pytest.raises(DiskSpaceError):
        edge.optimize("notes")
    assert edge.count("notes").count == 1
    edge.min_free_mb = 1
    fill(edge, "notes", make_records("b", ["two"]))
    assert edge.count("notes").count == 2


def test_a_forked_child_is_told_and_neither_hangs_nor_crashes(edge: EdgeClient) -> None:
    fill(edge, "notes", make_records("a", ["one"]))
    edge.close()
    forker = spawn(
        """
        import os, sys
        from indexes.errors import StoreError
        from indexes.store.edge.client import EdgeClient
        client = EdgeClient(sys.argv[1], min_free_mb=1)
        client.query_points("notes", query=[1.0] * 8, using="dense")  # starts the engine's threads
        child = os.fork()
        if child == 0:
            try:
                client.count("notes")
            except StoreError as error:
                print(error, flush=True)
            client.close()
            del client
            sys.exit(0)  # runs the interpreter's clean-up, which must not touch the parent's engine
        print("status", os.waitpid(child, 0)[1], "count", client.count("notes").count)
        """,
        edge.root,
    )
    out, err = forker.communicate(timeout=60)  # a child that hung would end here
    told, status = out.splitlines()
    assert "before it forked" in told and "'spawn'" in told
    assert status == "status 0 count 1", err


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_child_that_outlives_its_parents_index_does_not_keep_our_lock(edge: EdgeClient) -> None:
    """The engine's own lock is inherited and stays until the child ends; ours says who it was."""
    fill(edge, "notes", make_records("a", ["one"]))
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, b"x")  # what runs in a forked child has run
        time.sleep(30)
        os._exit(0)
    os.read(told, 1)
    edge.close()
    try:
        # Were it our lock that is held, its file would name a process.
        with pytest.raises(CollectionLockedError, match=r"is held open by another process"):
            edge.count("notes")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert edge.count("notes").count == 1


def test_optimise_in_a_spawned_process_and_reload(edge: EdgeClient) -> None:
    records = [record for d in range(30) for record in make_records(f"d{d}", [f"text {i}" for i in range(100)])]
    fill(edge, "notes", records)
    for d in range(20):
        assert on(edge, "notes").delete_document(f"d{d}") == 100
    query = {"query": [1.0] * DIM, "using": "dense", "limit": 10}
    before = [point.id for point in edge.query_points("notes", **query).points]
    assert edge.optimize("notes", timeout=120).changed
    assert edge.count("notes").count == 1000
    assert [point.id for point in edge.query_points("notes", **query).points] == before
    assert not edge.optimize("notes", timeout=120).changed


def test_an_optimiser_that_hangs_is_stopped(edge: EdgeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(edge, "notes", make_records("a", ["one"]))
    monkeypatch.setattr(build, "CODE", "import time; time.sleep(60)")
    with pytest.raises(StoreError, match="longer than 1 s"):
        edge.optimize("notes", timeout=1)
    monkeypatch.setattr(build, "CODE", "raise SystemExit('out of luck')")
    with pytest.raises(StoreError, match="out of luck"):
        edge.optimize("notes", timeout=20)
    assert edge.count("notes").count == 1


def test_threads_share_a_client(edge: EdgeClient) -> None:
    fill(edge, "notes", make_records("a", [f"text {i}" for i in range(50)]))
    edge.close()
    seen: list[int] = []

    def work() -> None:
        for _ in range(20):
            seen.append(len(edge.query_points("notes", query=[1.0] * DIM, using="dense", limit=10).points))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [10] * 80


def bare(edge: EdgeClient) -> None:
    on(edge, "notes").ensure(fingerprint(), idf=False, settings=_settings())


def _settings() -> Any:
    from indexes.settings.sections import StoreSettings

    return StoreSettings(min_free_mb=1)


GOOD = [1.0] * DIM
BAD_POINTS = {
    "unknown vector name": ({"dense": GOOD, "colbert": GOOD}, "no vector named 'colbert' .*'dense', 'sparse'"),
    "unnamed vector": (GOOD, "no vector named ''"),
    "wrong dimension": ({"dense": [1.0, 2.0]}, "8 dimensions, and a vector of 2"),
    "NaN": ({"dense": [math.nan, *GOOD[1:]]}, "NaN"),
    "infinity": ({"dense": [math.inf, *GOOD[1:]]}, "infinity"),
    "matrix": ({"dense": [GOOD, GOOD]}, "matrix"),
    "repeated index": ({"sparse": models.SparseVector(indices=[3, 3], values=[1, 1])}, "an index twice"),
    "lengths": ({"sparse": models.SparseVector(indices=[3, 4], values=[1])}, "a different number of indices"),
    "sparse NaN": ({"sparse": models.SparseVector(indices=[3], values=[math.nan])}, "NaN"),
    "index too large": ({"sparse": models.SparseVector(indices=[1 << 33], values=[1])}, "uint32"),
}


@pytest.mark.parametrize("label", BAD_POINTS)
def test_a_bad_point_is_refused_and_nothing_of_its_batch_is_written(edge: EdgeClient, label: str) -> None:
    bare(edge)
    vector, message = BAD_POINTS[label]
    good = point_struct(1, GOOD)
    with pytest.raises(StoreError, match=message):
        edge.upsert("notes", points=[good, models.PointStruct.model_construct(id=2, vector=vector, payload={})])
    assert edge.count("notes").count == 0


@pytest.mark.parametrize("identity", ["not-a-uuid", -1, True, 1.5])
def test_a_bad_id_is_refused(edge: EdgeClient, identity: Any) -> None:
    bare(edge)
    with pytest.raises(StoreError, match="neither an unsigned integer nor a UUID"):
        edge.upsert(
            "notes", points=[models.PointStruct.model_construct(id=identity, vector={"dense": GOOD}, payload={})]
        )
    assert edge.count("notes").count == 0


def test_unsorted_sparse_indices_are_sorted_on_the_client_surface_and_refused_on_the_fast_path(
    edge: EdgeClient,
) -> None:
    bare(edge)
    edge.upsert(
        "notes",
        points=[models.PointStruct(id=1, vector={"sparse": models.SparseVector(indices=[9, 2], values=[0.5, 3])})],
    )
    stored = edge.retrieve("notes", ids=[1], with_vectors=True)[0].vector["sparse"]
    assert (stored.indices, stored.values) == ([2, 9], [3.0, 0.5])
    records = make_records("a", ["one", "two"])
    rng = np.random.default_rng(0)
    for wrong in ([9, 2], [2, 2]):
        bad = SparseVector(np.array(wrong, np.uint32), np.array([1, 1], np.float32))
        with pytest.raises(StoreError, match="number 1 of the batch holds indices that repeat or are not ascending"):
            on(edge, "notes").put(records, unit(rng, 2), [*sparse_rows(rng, 1), bad])
    assert edge.count("notes").count == 1


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_fast_path_refuses_nan_and_wrong_shapes(edge: EdgeClient, value: float) -> None:
    bare(edge)
    records = make_records("a", ["one", "two"])
    rng = np.random.default_rng(0)
    dense = unit(rng, 2)
    dense[1, 3] = value
    with pytest.raises(StoreError, match="number 1 of the batch holds NaN or infinity"):
        on(edge, "notes").put(records, dense, sparse_rows(rng, 2))
    with pytest.raises(StoreError, match="8 dimensions, and a vector of 9"):
        on(edge, "notes").put(records, unit(rng, 2, 9), sparse_rows(rng, 2))
    with pytest.raises(StoreError, match="2 sentences came with 1 dense"):
        on(edge, "notes").put(records, unit(rng, 1), sparse_rows(rng, 2))
    assert edge.count("notes").count == 0


def test_bad_queries_are_refused(edge: EdgeClient) -> None:
    fill(edge, "notes", make_records("a", ["one"]))
    for query, using, message in (
        ([math.nan] * DIM, "dense", "NaN"),
        ([1.0], "dense", "8 dimensions"),
        (GOOD, "other", "no vector named 'other'"),
        (GOOD, None, "no vector named ''"),
        (GOOD, "sparse", "is sparse"),
        (models.SparseVector(indices=[1, 1], values=[1, 1]), "sparse", "twice"),
    ):
        with pytest.raises(StoreError, match=message):
            edge.query_points("notes", query=query, using=using)


def test_booleans_match(edge: EdgeClient) -> None:
    fill(edge, "notes", make_records("a", ["one"], draft=True) + make_records("b", ["two"], draft=False))
    for value, doc_id in ((True, "a"), (False, "b")):
        chosen = models.Filter(must=[models.FieldCondition(key="metadata.draft", match=models.MatchValue(value=value))])
        records, _ = edge.scroll("notes", scroll_filter=chosen)
        assert [record.payload["doc_id"] for record in records] == [doc_id]


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", "a\\b", ".hidden", "x" * 81, "a b", "a\n", "\0", None])
def test_names_that_would_leave_the_folder_are_refused(edge: EdgeClient, name: Any) -> None:
    with pytest.raises(StoreError, match="cannot be a collection's name"):
        edge.create_collection(name, vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT))
    with pytest.raises(StoreError, match="cannot be a collection's name"):
        edge.delete_collection(name)
    assert not edge.root.exists()


def test_chinese_names_work(edge: EdgeClient) -> None:
    fill(edge, "西游记-1.0", make_records("a", ["石猴"]))
    edge.close()
    assert collection_names(edge) == ["西游记-1.0"]
    assert edge.count("西游记-1.0").count == 1


def test_a_creation_that_broke_off_leaves_no_half_collection(edge: EdgeClient) -> None:
    fill(edge, "notes", make_records("a", ["one"]))
    edge.close()
    record = edge.root / "notes" / "collection.json"
    record.rename(record.with_name("collection.json.new"))  # it is renamed last
    assert collection_names(edge) == []
    with pytest.raises(CollectionNotFoundError, match=r"no collection 'notes' .*there: none"):
        edge.count("notes")
    fill(edge, "notes", make_records("a", ["one"]))
    assert edge.count("notes").count == 1


def test_damaged_files_give_one_sentence(edge: EdgeClient) -> None:
    fill(edge, "notes", make_records("a", ["one"]))
    edge.close()
    (edge.root / "notes" / "shard" / "edge_config.json").write_text("{broken")
    with pytest.raises(StoreError, match="is damaged"):
        edge.count("notes")
    assert json.loads((edge.root / "notes" / "collection.json").read_text())["vectors"]["dense"]["size"] == DIM


def test_flush_touches_nothing_that_is_not_open(edge: EdgeClient) -> None:
    fill(edge, "notes", make_records("a", ["one"]))
    on(edge, "notes").flush()
    edge.close()
    on(edge, "notes").flush()
    edge.flush()
    with EdgeClient(edge.root) as other:
        assert other.count("notes").count == 1


def test_an_alias_of_nothing_is_not_followed(edge: EdgeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion killed before its last step leaves one: a new collection of that name would lie under another."""

    def alias(name: str, of: str) -> None:
        create = models.CreateAlias(collection_name=of, alias_name=name)
        edge.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])

    def killed(name: str) -> None:
        raise KeyboardInterrupt

    fill(edge, "held.2", make_records("a", ["one"]))
    alias("held", "held.2")
    assert edge.count("held").count == 1
    with monkeypatch.context() as patch:
        patch.setattr(edge, "_forget_aliases_of", killed)
        with pytest.raises(KeyboardInterrupt):
            edge.delete_collection("held.2")
    assert edge.get_aliases().aliases and not edge.collection_exists("held")
    fill(edge, "held", make_records("a", ["one", "two"]))
    assert collection_names(edge) == ["held"]
    fill(edge, "held.2", make_records("a", ["one"]))
    assert edge.get_aliases().aliases == []
    edge.delete_collection("held")
    assert not edge.collection_exists("held")
