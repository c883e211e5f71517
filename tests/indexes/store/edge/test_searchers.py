"""Processes that search copies of a collection: the same answers, nothing stale, nothing torn, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexes.encoders.base import SparseVector
from indexes.store import models
from indexes.store.collection import Collection
from indexes.store.edge.client import EdgeClient
from indexes.store.edge.searchers import pool
from indexes.store.edge.searchers.messages import NotSaidError, lack_in, lack_out, leg_in, leg_out
from indexes.store.engine import Lack, Leg
from indexes.store.models.graph import Wanted
from tests.indexes.store.store_fixtures import fill, make_records, on, sparse_rows, unit

PATIENCE = 120.0  # seconds, on a busy machine


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EdgeClient]:
    monkeypatch.setattr(pool, "QUIET", 0.05)
    monkeypatch.setattr(pool, "REST", 0.0)
    with EdgeClient(tmp_path / "edge", min_free_mb=1) as made:
        fill(made, "farm", make_records("hen", [f"The hen lays egg {n}." for n in range(60)]), idf=True)
        yield made


def use(client: EdgeClient, number: int = 2) -> pool.Searchers:
    client.use_searchers(number)
    assert client.searchers is not None
    wait_for(client)
    return client.searchers


def wait_for(client: EdgeClient) -> None:
    searchers, folder = client.searchers, client.edge_folder("farm")
    assert searchers is not None
    until = time.monotonic() + PATIENCE
    while not searchers.ready(folder):
        assert time.monotonic() < until
        time.sleep(0.02)


def found(store: Collection, seed: int, **options: Any) -> list[tuple[str, float, str]]:
    rng = np.random.default_rng(seed)
    hits = store.hybrid_search(unit(rng, 1)[0], sparse_rows(rng, 1)[0], limit=8, **options)
    return [(hit.id, round(hit.score, 5), hit.payload["text"]) for hit in hits]


def copies(client: EdgeClient) -> list[str]:
    return sorted(path.name for path in (client.root / "farm").glob("shard.*"))


@pytest.mark.parametrize("graph", [None, Wanted(8, 20)])
def test_they_answer_as_the_engine_does(
    client: EdgeClient, monkeypatch: pytest.MonkeyPatch, graph: Wanted | None
) -> None:
    if graph is not None:
        client.optimize("farm", graph=graph)
        fill(client, "farm", make_records("owl", [f"The owl sees mouse {n}." for n in range(9)]), seed=1, idf=True)
    store = on(client, "farm")
    only = models.Filter(must=[models.FieldCondition(key="doc_id", match=models.MatchValue(value="hen"))])
    expected = [found(store, seed) for seed in range(4)] + [found(store, 5, filters=only)]
    ids = [identity for identity, _ in next(store.pages(5))]
    payloads = client.payloads("farm", ids)
    searchers = use(client)

    def closed(*_: object) -> None:
        raise AssertionError("the engine in this process was asked")

    monkeypatch.setattr(type(client.edge_folder("farm")), "opened", closed)
    assert [found(store, seed) for seed in range(4)] + [found(store, 5, filters=only)] == expected
    assert client.payloads("farm", ids) == payloads
    assert len(set(searchers.pids)) == 2
    monkeypatch.undo()
    client.close()
    assert not list((client.root / "farm").glob("shard.*"))


def test_what_is_committed_is_found_while_they_read(client: EdgeClient) -> None:
    """A writer raises the version of all sentences, with pauses in which copies are made; readers never see an older
    version than that of the last write that had returned when they asked, and no sentence is torn."""
    store = on(client, "farm")
    searchers = use(client)
    rng = np.random.default_rng(3)
    rows, terms = unit(rng, 40), sparse_rows(rng, 40)
    committed, over = [0], threading.Event()
    faults: list[str] = []
    elsewhere = [0]

    def write(version: int) -> None:
        records = make_records("goose", [f"version {version} of sentence {n} " + "x" * 50 * version for n in range(40)])
        store.put(records, rows, terms)
        committed[0] = version

    def read(seed: int) -> None:
        draw = np.random.default_rng(seed)
        while not over.is_set():
            row = int(draw.integers(0, 40))
            least = committed[0]
            elsewhere[0] += searchers.ready(client.edge_folder("farm"))
            hits = store.hybrid_search(rows[row], terms[row], limit=5)
            for hit in hits:
                text = hit.payload["text"]
                if not text.startswith("version"):
                    continue
                version, position = int(text.split()[1]), int(text.split()[4])
                whole = f"version {version} of sentence {position} " + "x" * 50 * version
                if version < least or text.strip() != whole.strip() or hit.payload["position"] != position:
                    faults.append(f"{least}: {text[:60]!r} at {hit.payload['position']}")

    write(1)
    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for reader in readers:
        reader.start()
    for version in range(2, 8):
        write(version)
        if version % 2:
            wait_for(client)
            time.sleep(0.1)
    over.set()
    for reader in readers:
        reader.join()
    assert faults == []
    assert elsewhere[0] > 3
    assert len(copies(client)) <= 2


def test_a_searcher_that_dies_is_replaced(client: EdgeClient) -> None:
    store = on(client, "farm")
    expected = found(store, 1)
    searchers = use(client, 1)
    (pid,) = searchers.pids
    os.kill(pid, signal.SIGKILL)
    assert found(store, 1) == expected  # answered here
    assert found(store, 1) == expected
    assert searchers.pids != [pid]


def test_copies_go_when_deleted_texts_are_to_go(client: EdgeClient) -> None:
    use(client)
    before = copies(client)
    assert len(before) == 1
    on(client, "farm").delete_document("hen")
    client.rewrite("farm")
    assert not set(copies(client)) & set(before)
    client.delete_collection("farm")
    assert not (client.root / "farm").exists()


SCRIPT = """
import sys, time
from pathlib import Path
from indexes.store.edge.client import EdgeClient
from indexes.store.edge.searchers import pool
pool.QUIET = 0.05
client = EdgeClient(Path(sys.argv[1]), min_free_mb=1)
client.use_searchers(2)
while not client.searchers.ready(client.edge_folder("farm")):
    time.sleep(0.02)
print(*client.searchers.pids, flush=True)
time.sleep(600)
"""


def test_they_end_with_their_parent_and_the_next_one_clears_up(client: EdgeClient) -> None:
    client.close()
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT, str(client.root)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + PATIENCE
    while any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert len(copies(client)) == 1  # a kill leaves it
    with EdgeClient(client.root, min_free_mb=1) as again:
        assert again.count("farm").count == 60
        assert copies(again) == []


def test_questions_cross_as_they_are() -> None:
    conditions: list[Any] = [
        models.FieldCondition(key="a", match=models.MatchAny(any=["x", 1])),
        models.FieldCondition(key="b", range=models.DatetimeRange(gte=date(2024, 1, 2), lt=datetime(2025, 1, 2, 3))),
        models.HasIdCondition(has_id=["u", 7]),
    ]
    dense = Leg("dense", np.array([0.25, -1], np.float32), 5, models.Filter(must=conditions), 64, True)
    sparse = Leg("sparse", SparseVector(np.array([1, 9], np.uint32), np.array([0.5, 2], np.float32)), 3)
    back = leg_in(json.loads(json.dumps(leg_out(dense))))
    assert back.filters == dense.filters and back._replace(vector=None, filters=None) == Leg(
        "dense", None, 5, None, 64, True
    )
    np.testing.assert_array_equal(back.vector, dense.vector)
    lack = lack_in(json.loads(json.dumps(lack_out(Lack(sparse, ["i"])))))
    assert (
        lack.ids == ["i"] and lack.leg.vector.indices.tolist() == [1, 9] and lack.leg.vector.values.tolist() == [0.5, 2]
    )
    with pytest.raises(NotSaidError):
        leg_out(dense._replace(filters=models.Filter(must=[object()])))
