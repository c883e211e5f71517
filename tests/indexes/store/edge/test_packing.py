"""The engine's points go from memory into mapped files: flat memory, the same answers, and no harm by a kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from indexes.errors import CollectionLockedError
from indexes.store import models
from indexes.store.collection import document_filter
from indexes.store.edge import packing as edge_packing
from indexes.store.edge.client import EdgeClient
from indexes.store.models.graph import Wanted
from tests.indexes.store.store_fixtures import DIM, fill, make_records, on

NAME = "notes"
WRITER = """
    import os, sys
    from pathlib import Path
    import numpy as np
    from tests.indexes.store import store_fixtures
    from tests.indexes.store.store_fixtures import on
    from indexes.store.edge import packing as edge_packing
    from indexes.store.edge.client import EdgeClient

    def own():
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))

    def write(folder, pack):
        edge_packing.PACK_POINTS = pack
        client, held, rng = EdgeClient(folder, min_free_mb=1), [], np.random.default_rng(0)
        store_fixtures.fill(client, "notes", store_fixtures.make_records("first", ["text"]))
        for part in range(7):
            records = store_fixtures.make_records(f"d{part}", ["text"] * 1000)
            sparse = store_fixtures.sparse_rows(rng, 1000, terms=40, vocabulary=2000)
            on(client, "notes").put(records, store_fixtures.unit(rng, 1000), sparse)
            on(client, "notes").flush()
            held.append(own())
        print(pack, held[-1] - held[1], on(client, "notes").count(), flush=True)

    for pack in map(int, sys.argv[2:]):  # each in a process with the same imports, and memory of its own
        if not os.fork():
            write(f"{sys.argv[1]}/{pack}", pack)
            os._exit(0)
        os.wait()
"""


def run(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*sys.path]),
            "OMP_NUM_THREADS": "1",
        },
    )


def ids_of(client: Any) -> list[str]:
    return [str(record.id) for record in client.scroll(NAME, limit=100_000, with_payload=False)[0]]


def nearest(client: Any, limit: int = 50) -> list[str]:
    answer = client.query_points(NAME, query=[1.0] * DIM, using="dense", limit=limit)
    return [str(point.id) for point in answer.points]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_flat_while_a_collection_grows(tmp_path: Path) -> None:
    """5,000 points more: what the process holds afterwards, in KiB, with packing and without."""
    process = run(WRITER, tmp_path, 2500, 10**9)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    lines = [[int(number) for number in line.split()] for line in out.splitlines()]
    assert [(pack, stored) for pack, _, stored in lines] == [(2500, 7001), (10**9, 7001)], err
    grown = {pack: more for pack, more, _ in lines}
    assert 2 * grown[2500] < grown[10**9], grown


def test_packing_waits_for_many_points(edge: EdgeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(edge, NAME, make_records("a", ["text"] * 100))
    on(edge, NAME).flush()
    assert edge_packing.points_in_memory(edge.root / NAME / "shard") == 100
    monkeypatch.setattr(edge_packing, "PACK_POINTS", 150)
    fill(edge, NAME, make_records("b", ["text"] * 100), seed=1)
    before = nearest(edge)
    on(edge, NAME).flush()
    assert edge_packing.points_in_memory(edge.root / NAME / "shard") == 0
    assert nearest(edge) == before
    assert edge.count(NAME).count == 200
    edge.close()
    assert nearest(edge) == before
    assert edge_packing.points_in_memory(edge.root / NAME / "shard") == 0


def test_documents_are_replaced_and_deleted_in_packed_segments(
    edge: EdgeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_packing, "PACK_POINTS", 150)
    monkeypatch.setattr(edge_packing, "SEGMENTS", 1)  # the second packing merges
    for number in range(5):
        fill(edge, NAME, make_records(f"d{number}", ["text"] * 100), seed=number)
        on(edge, NAME).flush()
    fill(edge, NAME, make_records("d1", ["other text"] * 100), seed=9)
    edge.set_payload(NAME, {"seen": True}, points=models.FilterSelector(filter=document_filter("d2")))
    assert on(edge, NAME).delete_document("d3") == 100
    on(edge, NAME).flush()
    edge.close()
    assert [on(edge, NAME).count(f"d{number}") for number in range(5)] == [100, 100, 100, 0, 100]
    records, _ = edge.scroll(NAME, limit=1000)
    assert len(records) == len({record.id for record in records}) == 400
    for record in records:
        payload = record.payload or {}
        assert payload["text"] == ("other text" if payload["doc_id"] == "d1" else "text")
        assert payload.get("seen", False) is (payload["doc_id"] == "d2")
    for number in (0, 1, 2, 4):
        on(edge, NAME).delete_document(f"d{number}")
    assert on(edge, NAME).is_empty()


def test_an_optimiser_killed_at_any_moment_loses_nothing(edge: EdgeClient, tmp_path: Path) -> None:
    for number in range(3):
        fill(edge, NAME, make_records(f"d{number}", ["text"] * 500), seed=number)
    edge.optimize(NAME)
    fill(edge, NAME, make_records("d1", ["other text"] * 500), seed=8)
    fill(edge, NAME, make_records("d3", ["text"] * 500), seed=9)
    on(edge, NAME).delete_document("d0")
    there, best = set(ids_of(edge)), nearest(edge)
    edge.close()
    longest = 0.5
    for share in (0.8, 0.4):  # of the time that it takes; ``make torture`` has more
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(edge.root, copy)
        started = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, "-P", str(edge_packing.SCRIPT), str(copy / NAME / "shard")], stdout=subprocess.DEVNULL
        )
        try:
            child.wait(share * longest)
            longest = time.monotonic() - started
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            longest *= 1.1
        with EdgeClient(copy, min_free_mb=1) as client:
            found = ids_of(client)
            assert len(found) == len(there) == client.count(NAME).count
            assert set(found) == there
            assert nearest(client) == best
            assert on(client, NAME).delete_document("d1") == 500  # also where it lies in an old and a new segment
            assert on(client, NAME).count() == 1000
            client.optimize(NAME)
            assert on(client, NAME).count() == 1000 == len(ids_of(client))
            assert [path.name for path in (copy / NAME / "shard").glob("temp_segments/*")] == []


def test_the_optimiser_keeps_the_lock_when_its_parent_is_killed(edge: EdgeClient, tmp_path: Path) -> None:
    fill(edge, NAME, make_records("a", ["text"] * 50))
    edge.close()
    slow = tmp_path / "slow.py"
    slow.write_text(f"import time, pathlib\ntime.sleep(3)\npathlib.Path({str(tmp_path / 'done')!r}).touch()")
    parent = run(
        """
        import sys
        from pathlib import Path
        from indexes.store.edge import packing as edge_packing
        from indexes.store.edge.client import EdgeClient
        edge_packing.SCRIPT, edge_packing.PACK_POINTS = Path(sys.argv[2]), 1
        client = EdgeClient(sys.argv[1], min_free_mb=1)
        print(client.count("notes").count, flush=True)
        client.pack("notes")
        """,
        edge.root,
        slow,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline().strip() == "50"
    lock = edge.root / NAME / "lock"
    deadline = time.monotonic() + 60
    while not lock.read_text().endswith("briefly"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    optimiser = int(lock.read_text().split()[0])
    assert optimiser != parent.pid
    assert not (tmp_path / "done").exists()
    assert on(edge, NAME).count() == 50  # who holds the lock briefly is waited for
    assert (tmp_path / "done").exists()


def test_the_lock_is_kept_while_the_optimiser_runs(
    edge: EdgeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(edge, NAME, make_records("a", ["text"] * 50))
    on(edge, NAME).flush()
    peek = tmp_path / "peek.py"
    peek.write_text(
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from indexes.store.edge.client import EdgeClient\n"
        "try:\n    EdgeClient(sys.argv[1].split('/notes/')[0], min_free_mb=1).count('notes')\n"
        "except Exception as error:\n    sys.exit(str(error))\n"
    )
    monkeypatch.setattr(edge_packing, "SCRIPT", peek)
    monkeypatch.setattr(edge_packing, "PACK_POINTS", 10)
    with pytest.warns(UserWarning, match=r"optimising .* failed: .*is (held open by|already open in this) process"):
        edge.pack(NAME)
    assert on(edge, NAME).count() == 50
    other = EdgeClient(edge.root, min_free_mb=1)
    with pytest.raises(CollectionLockedError, match="already open in this process"):
        other.count(NAME)


def test_packing_that_fails_costs_memory_only(
    edge: EdgeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(edge, NAME, make_records("a", ["text"] * 50))
    monkeypatch.setattr(edge_packing, "PACK_POINTS", 10)
    edge.min_free_mb = 1 << 40
    on(edge, NAME).flush()  # no room on the disk: nothing is said, it is tried again
    edge.min_free_mb = 1
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('out of luck')")
    with monkeypatch.context() as patch:
        patch.setattr(edge_packing, "SCRIPT", broken)
        with pytest.warns(UserWarning, match="points stay in memory: .*out of luck"):
            on(edge, NAME).flush()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            on(edge, NAME).flush()
    assert on(edge, NAME).count() == 50
    edge.close()
    assert edge.optimize(NAME).changed


def test_what_got_a_graph_keeps_it(edge: EdgeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def graphs() -> list[int]:
        found = []
        for file in (edge.root / NAME / "shard" / "segments").glob("*/segment.json"):
            text = json.loads(file.read_text())
            index = (text.get("config") or text)["vector_data"]["dense"]["index"]
            if index["type"] == "hnsw":
                found.append(index["options"]["m"])
        return sorted(found)

    fill(edge, NAME, make_records("a", ["text"] * 300))
    assert edge.optimize(NAME).changed
    assert graphs() == [0]  # exact
    assert edge.optimize(NAME, graph=Wanted(16, 100)).changed
    assert graphs() == [16]
    monkeypatch.setattr(edge_packing, "PACK_POINTS", 100)
    fill(edge, NAME, make_records("b", ["text"] * 200), seed=1)
    on(edge, NAME).flush()
    assert graphs() == [16, 16]
    assert on(edge, NAME).count() == 500


def test_what_a_killed_optimiser_left_is_not_copied_along(edge: EdgeClient) -> None:
    fill(edge, NAME, make_records("a", ["text"] * 200))
    left = edge.root / NAME / "shard" / "temp_segments" / "segment_builder_x" / "page_0.dat"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"a deleted text")
    edge.optimize(NAME)
    assert not left.exists() and edge.count(NAME).count == 200
