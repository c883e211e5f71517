"""The graph is built beside the collection, which is searched and written meanwhile; a kill leaves one of the two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexes.errors import DiskSpaceError, StoreError
from indexes.files import copy_folder, remove
from indexes.settings.sections import StoreSettings
from indexes.store import models
from indexes.store.collection import Collection, document_filter
from indexes.store.edge import folder, rewrite
from indexes.store.edge.building import build
from indexes.store.edge.client import EdgeClient
from indexes.store.edge.folder import EdgeFolder
from indexes.store.engine import DENSE, Leg
from indexes.store.models.graph import Wanted
from indexes.store.upkeep.graph import graph_is_due, optimize
from tests.indexes.store.store_fixtures import DIM, fingerprint, make_records, on, sparse_rows, unit

NAME = "notes"
WANTED = Wanted(8, 32)
SETTINGS = StoreSettings(min_free_mb=1, hnsw_from=200, hnsw_m=8, hnsw_ef_construct=32)


def store_documents(store: Collection, names: range, sentences: int = 50, text: str = "text") -> None:
    store.ensure(fingerprint(), idf=False, settings=SETTINGS)
    for number in names:
        rng = np.random.default_rng([number, len(text)])
        records = make_records(f"d{number}", [f"{text} {i}" for i in range(sentences)])
        store.put(records, unit(rng, sentences), sparse_rows(rng, sentences))
    store.flush()


def state(store: Collection) -> dict[str, tuple[Any, ...]]:
    """All that is stored, id -> payload and vectors; float16 may round a vector that is stored again by a digit."""
    records, _ = store.engine.calls.scroll(store.name, limit=100_000, with_payload=True, with_vectors=True)
    return {
        str(record.id): (
            record.payload,
            tuple(np.round(record.vector["dense"], 2)),
            tuple(record.vector["sparse"].indices),
        )
        for record in records
    }


def found(store: Collection, **how: Any) -> list[list[str]]:
    """What five questions find, by the dense and by the sparse leg, with a filter and without."""
    rng = np.random.default_rng(3)
    legs = []
    for dense, sparse in zip(unit(rng, 5), sparse_rows(rng, 5), strict=True):
        for only in (None, document_filter("d3")):
            legs += [Leg("dense", dense, 10, only, **how), Leg("sparse", sparse, 10, only)]
    hits = store.engine.query_arrays(store.name, legs, with_payload=False)
    return [[hit.id for hit in sorted(row, key=lambda hit: (-hit.score, hit.id))] for row in hits]


def left(edge: EdgeClient) -> list[str]:
    return sorted(place.name for place in (edge.root / NAME).iterdir() if place.name.startswith("shard"))


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Let something happen between the copying and the swap; the copy is not optimised."""

    def register(do: Callable[[], None]) -> None:
        def both(*_: Any) -> Any:
            do()
            return {"changed": False, "graph": None, "indexes": {"doc_id": "keyword"}}

        monkeypatch.setattr(build, "_in_child", both)

    return register


def test_what_is_written_meanwhile_is_there_afterwards(
    edge: EdgeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def write(store: Collection) -> None:
        store_documents(store, range(20, 23))  # new
        store_documents(store, range(2, 4), sentences=30, text="other text")  # replaced, in part
        assert store.delete_document("d5") == 50
        store.delete_points([make_records("d6", ["x"])[0].id])
        store.set_metadata("d7", {"seen": True})
        store.engine.calls.create_payload_index(NAME, "metadata.title", models.PayloadSchemaType.KEYWORD)
        store.flush()

    with EdgeClient(tmp_path / "twin", min_free_mb=1) as other:
        for store in (on(edge, NAME), on(other, NAME)):
            store_documents(store, range(10))
        before = found(on(edge, NAME))

        def writing() -> None:
            assert found(on(edge, NAME)) == before  # searches go on
            write(on(edge, NAME))

        real = build._in_child
        monkeypatch.setattr(build, "_in_child", lambda *arguments: (real(*arguments), writing())[0])
        built = edge.optimize(NAME, graph=WANTED)
        write(on(other, NAME))
        assert built.graph is not None
        assert built.graph.points == 500
        assert state(on(edge, NAME)) == state(on(other, NAME))
        assert found(on(edge, NAME)) == found(on(other, NAME)) == found(on(edge, NAME), ef=512)
        assert on(edge, NAME).count("d5") == 0
        assert set(edge.get_collection(NAME).payload_schema) == {"doc_id", "metadata.title", "metadata.source"}
        assert left(edge) == ["shard"]
        edge.close()
        assert state(on(edge, NAME)) == state(on(other, NAME))


def test_many_writes_follow_in_rounds(
    edge: EdgeClient, meanwhile: Callable[[Callable[[], None]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "FEW", 20)
    store_documents(on(edge, NAME), range(4))
    meanwhile(lambda: store_documents(on(edge, NAME), range(4, 8)))
    real, rounds = build._follow, []

    def follow(*arguments: Any) -> None:
        if not rounds:
            store_documents(on(edge, NAME), range(8, 9), sentences=5)
        rounds.append(len(arguments[2]))
        real(*arguments)

    monkeypatch.setattr(build, "_follow", follow)
    edge.optimize(NAME)
    assert rounds == [205]
    assert len(state(on(edge, NAME))) == on(edge, NAME).count() == 405


def test_searches_do_not_wait_for_the_child(edge: EdgeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store_documents(on(edge, NAME), range(4))
    go = tmp_path / "go"
    held = f"import time, pathlib\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
    monkeypatch.setattr(build, "CODE", held + build.CODE)
    built: list[Any] = []
    thread = threading.Thread(target=lambda: built.append(edge.optimize(NAME, graph=WANTED)))
    thread.start()
    folder = edge.edge_folder(NAME)
    while folder.aside is None or folder.aside.changes is None:
        time.sleep(0.01)
    with pytest.raises(StoreError, match="already being built"):
        edge.optimize(NAME, graph=WANTED)
    assert len(found(on(edge, NAME))[0]) == 10
    store_documents(on(edge, NAME), range(4, 5))
    assert on(edge, NAME).count() == 250
    go.touch()
    thread.join(60)
    assert built[0].graph.points == 200
    assert on(edge, NAME).count() == 250


@pytest.mark.parametrize("how", ["close", "delete", "rewrite"])
def test_a_collection_that_goes_takes_the_building_with_it(
    edge: EdgeClient, meanwhile: Callable[[Callable[[], None]], None], how: str
) -> None:
    store_documents(on(edge, NAME), range(4))
    acts = {
        "close": edge.close,
        "delete": lambda: edge.delete_collection(NAME),
        "rewrite": lambda: (on(edge, NAME).delete_document("d1"), edge.rewrite(NAME)),
    }
    meanwhile(acts[how])
    with pytest.raises(StoreError, match=r"was stopped because the collection was closed, deleted or rewritten"):
        edge.optimize(NAME, graph=WANTED)
    assert edge.collection_exists(NAME) is (how != "delete")
    if how != "delete":
        assert left(edge) == ["shard"]
        assert on(edge, NAME).count() == (200 if how == "close" else 150)


def test_a_copy_needs_room(edge: EdgeClient) -> None:
    store_documents(on(edge, NAME), range(4))
    edge.min_free_mb = 1 << 40
    with pytest.raises(DiskSpaceError):
        edge.optimize(NAME, graph=WANTED)
    assert left(edge) == ["shard"]
    assert on(edge, NAME).count() == 200


def test_searches_do_not_wait_until_the_old_files_are_deleted(
    edge: EdgeClient, meanwhile: Callable[[Callable[[], None]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    store_documents(on(edge, NAME), range(4))
    meanwhile(lambda: None)
    counted: list[int] = []

    def spy(place: Path) -> None:
        if place.name == "shard.old":
            search = threading.Thread(target=lambda: counted.append(on(edge, NAME).count()))
            search.start()
            search.join(20)
        remove(place)

    for module in (folder, rewrite):
        monkeypatch.setattr(module, "remove", spy)
    edge.optimize(NAME, graph=WANTED)
    assert counted == [200]
    assert left(edge) == ["shard"]


# ---- kills ----


def test_a_kill_at_any_step_leaves_one_of_the_two_whole(
    edge: EdgeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The files as a kill leaves them are those of that moment: they are copied at each step of one building."""
    store_documents(on(edge, NAME), range(4))
    kept: dict[str, Path] = {}

    def keep(step: str) -> None:
        kept[step] = tmp_path / step
        copy_folder(edge.root, kept[step])

    def at(module: Any, name: str, before: str = "", after: str = "") -> None:
        real = getattr(module, name)

        def both(*arguments: Any, **options: Any) -> Any:
            if before:
                keep(before)
            done = real(*arguments, **options)
            if after:
                keep(after)
            return done

        monkeypatch.setattr(module, name, both)

    def renamed(shard: Path, **_: Any) -> Path:
        old = shard.rename(shard.with_name("shard.old"))
        keep("between the renames")
        rewrite.new_place(shard).rename(shard)
        return old

    def half(shard: Path, place: Path) -> None:
        copy_folder(shard / "segments", place / "segments")
        keep("half a copy")
        copy_folder(shard, place)

    real = build._in_child

    def child(*arguments: Any) -> Any:
        keep("copied")
        done = real(*arguments)
        store_documents(on(edge, NAME), range(4, 5))
        return done

    monkeypatch.setattr(build, "copy_folder", half)
    monkeypatch.setattr(build, "_in_child", child)
    at(build, "replay", "optimised", "followed")
    monkeypatch.setattr(rewrite, "swap", renamed)
    at(EdgeFolder, "replace_by", "before the renames", "after the renames")
    edge.optimize(NAME, graph=WANTED)
    truth = state(on(edge, NAME))
    edge.close()
    monkeypatch.undo()
    assert list(kept) == [
        "half a copy",
        "copied",
        "optimised",
        "followed",
        "before the renames",
        "between the renames",
        "after the renames",
    ]
    for step, root in kept.items():
        with EdgeClient(root, min_free_mb=1) as client:
            there = state(on(client, NAME))
            if step in ("half a copy", "copied"):
                there |= {key: value for key, value in truth.items() if value[0]["doc_id"] == "d4"}
            assert there == truth, step
            assert [len(row) for row in found(on(client, NAME))] == [10] * 20
            assert left(client) == ["shard"], step
            assert on(client, NAME).delete_document("d1") == 50
            if step == "between the renames":
                assert client.optimize(NAME, graph=WANTED).graph is not None


WAITS = """
import sys; sys.path[:] = {path!r}
import json, os, pathlib, time
from indexes.store.edge.building.child import end_with
end_with(json.loads(sys.argv[1])["parent"])
pathlib.Path(json.loads(sys.argv[1])["shard"]).with_name("pid").write_text(str(os.getpid()))
time.sleep(60)
"""


def run_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the child of a killed process ends with it")
def test_the_child_ends_with_a_killed_parent(edge: EdgeClient) -> None:
    store_documents(on(edge, NAME), range(4))
    edge.close()
    process = run_python(
        """
        import sys
        from indexes.store.edge.building import build
        from indexes.store.edge.client import EdgeClient
        build.CODE = sys.argv[2]
        EdgeClient(sys.argv[1], min_free_mb=1).optimize("notes", graph=None)
        """,
        edge.root,
        WAITS,
    )
    told, until = edge.root / NAME / "pid", time.monotonic() + 60
    while not told.exists() or not told.read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    process.kill()
    process.wait()
    stat = Path(f"/proc/{told.read_text()}/stat")
    while stat.exists() and stat.read_text().split()[2] != "Z":
        assert time.monotonic() < until
        time.sleep(0.02)
    assert on(edge, NAME).count() == 200
    assert left(edge) == ["shard"]


# ---- the recall that it has ----


def test_the_graph_is_measured_recorded_and_searched(edge: EdgeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    store = on(edge, NAME)
    store_documents(store, range(3))
    assert not graph_is_due(store, SETTINGS)
    assert optimize(store, SETTINGS).graph is None  # too small
    store_documents(store, range(3, 20))
    assert graph_is_due(store, SETTINGS)
    graph = optimize(store, SETTINGS).graph
    assert graph is not None
    assert not graph_is_due(store, SETTINGS)
    assert graph_is_due(store, SETTINGS.model_copy(update={"hnsw_m": 12}))
    assert store.graph() == graph
    built = json.loads((edge.root / NAME / "shard" / "edge_config.json").read_text())["hnsw_config"]
    assert (built["full_scan_threshold"], built["payload_m"]) == (250 * DIM * 2 >> 10, 0)  # a quarter, in KB of float16
    assert edge.get_collection(NAME).payload_schema.keys() == {"doc_id", "metadata.source", "metadata.title"}
    assert (graph.points, graph.m, graph.ef_construct) == (1000, 8, 32)
    assert [one.ef for one in graph.found][:7] == [64, 96, 128, 192, 256, 384, 512]
    assert graph.found[-1].recall == graph.found[-1].filtered == 1.0
    asked: list[Leg] = []
    real = edge.query_arrays

    def spy(name: str, legs: Any, *, with_payload: bool) -> Any:
        asked.extend(leg for leg in legs if leg.name == DENSE)
        return real(name, legs, with_payload=with_payload)

    monkeypatch.setattr(edge, "query_arrays", spy)
    rng = np.random.default_rng(1)
    store.hybrid_search(unit(rng, 1)[0], sparse_rows(rng, 1)[0], limit=10)
    assert [(leg.ef, leg.exact) for leg in asked[:1]] == [(graph.at(None, 0.98).ef, False)]
    asked.clear()
    poor = graph.as_dict() | {"found": [one.__dict__ | {"filtered": 0.5} for one in graph.found]}
    store.set_record(graph=poor)
    for only, how in ((None, (graph.at(None, 0.98).ef, False)), (document_filter("d3"), (None, True))):
        asked.clear()
        store.hybrid_search(unit(rng, 1)[0], sparse_rows(rng, 1)[0], limit=10, filters=only)
        assert (asked[0].ef, asked[0].exact) == how
    assert store.how_to_search(None, 0.5, filtered=True).ef == 64
    note = store.how_to_search(200, 0.98, filtered=True).note
    assert note is not None
    assert "finds 0.500 of the 10 nearest with a filter and ef 192, and retrieval.recall is 0.98" in note
    store_documents(store, range(20, 26))
    assert graph_is_due(store, SETTINGS)
    for number in range(24):
        store.delete_document(f"d{number}")
    assert optimize(store, SETTINGS).graph is None  # too small again
    assert store.graph() is None
