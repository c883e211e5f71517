"""Bundles over Dask: its scheduler in this process, and real processes of which one is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from indexes import build_index
from indexes.cluster import on_dask
from indexes.cluster.items import Bundle, Item, Order, Receipt
from indexes.cluster.on_dask import AHEAD, Workers, distribute
from indexes.errors import StoreError
from indexes.ingest.report import IngestReport
from indexes.ingest.walk_files import FoundFile
from tests.indexes.cluster import drive
from tests.indexes.cluster.conftest import Farm, text_of

ORDER = Order("run", "default", "digest", "recipe", "{}")


class Counting:
    """A worker that stores nothing."""

    made = 0

    def __init__(self, order: Order) -> None:
        type(self).made += 1

    def encoder(self) -> None: ...

    def __call__(self, bundle: Bundle) -> Receipt:
        if bundle[0].doc_id == "bad":
            raise StoreError("the server is gone", remedy="start it")
        if bundle[0].doc_id == "odd":
            raise ValueError("odd")
        return Receipt((), IngestReport(passed=len(bundle)))

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    import logging

    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield Workers(client)


def bundle(name: str) -> Bundle:
    return (Item(FoundFile(name, name, 1, 1), name, ""),)


def test_a_window_is_out_and_every_bundle_comes_back(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_dask, "Worker", Counting)
    Counting.made = 0
    drawn: list[int] = []

    def given() -> Iterator[Bundle]:
        for number in range(12):
            drawn.append(number)
            yield bundle(str(number))

    back = []
    for done in distribute(given(), ORDER, workers=workers):
        assert len(drawn) - len(back) <= AHEAD * 2 + 1
        back.append(done)
    assert sorted(item.doc_id for (item,), _ in back) == sorted(map(str, range(12)))
    assert all(isinstance(done, Receipt) for _, done in back)
    assert next(distribute([bundle("more")], ORDER, workers=workers))[1] == Receipt((), IngestReport(passed=1))
    assert Counting.made == 2  # one model a worker, whatever number of rounds


def test_failures_come_back_as_values(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_dask, "Worker", Counting)
    monkeypatch.setattr(on_dask, "RETRIES", 0)
    names = ("good", "bad", "odd")
    done = {one[0].doc_id: found for one, found in distribute(map(bundle, names), ORDER, workers=workers)}
    assert isinstance(done["good"], Receipt)
    assert isinstance(done["bad"], StoreError) and str(done["bad"]) == "the server is gone; start it"
    assert "a worker failed (ValueError: odd)" in str(done["odd"])


def ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.slow
@pytest.mark.timeout(900)  # a busy machine
def test_a_killed_worker_and_a_killed_driver(bare_farm: Farm) -> None:
    """Two processes with the packaged model; one is killed at work, then the driver between upsert and commit."""
    farm = bare_farm
    for number in range(6):
        (farm.docs / f"goat-{number}.txt").write_text(text_of(f"goat {number}", 6), encoding="utf-8")
    request = {"docs": str(farm.docs), "settings": farm.settings.model_dump_json()}
    killed = subprocess.run(
        [sys.executable, "-m", drive.__name__, json.dumps({**request, "kill_worker_at": 1, "kill_driver_at": 3})],
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    lines = [json.loads(line) for line in killed.stdout.splitlines()]
    worker = next(line["killed"] for line in lines if "killed" in line)
    workers = next(line["workers"] for line in lines if "workers" in line)
    assert workers and worker not in workers
    until = time.monotonic() + 60
    while not all(map(ended, workers)):  # they end with the driver
        assert time.monotonic() < until
        time.sleep(0.1)
    before = set(farm.points())
    with build_index(farm.docs, settings=farm.settings) as index:
        assert index.report is not None
        statuses = {status: index.report.count(status) for status in ("added", "unchanged")}  # type: ignore[arg-type]
        assert index.verify(deep=True).sound
    assert statuses == {"unchanged": 4, "added": 7}  # two bundles of two files were committed
    assert before <= set(farm.points())
    build_index(farm.docs, settings=farm.settings, collection="plain").close()
    points = [{key: point[:3] for key, point in farm.points(name).items()} for name in ("default", "plain")]
    assert points[0] == points[1] and len(points[0]) == 6 * 6 + 20
    rows = [
        {key: (one.content, one.recipe, one.sentences, one.points) for key, one in farm.manifest(name).items()}
        for name in ("default", "plain")
    ]
    assert rows[0] == rows[1]


def test_workers_that_end_late_are_no_failure() -> None:
    """All is committed by then; on a busy machine Dask gives up waiting for its processes."""

    class Late(nullcontext[None]):
        def __exit__(self, *_: object) -> None:
            raise TimeoutError

    with on_dask._ended_late(Late()) as opened:
        assert isinstance(opened, Late)
    with pytest.raises(ValueError, match="the run's own"), on_dask._ended_late(Late()):
        raise ValueError("the run's own")
