"""A run over two processes that is killed, or kills one of them, at a given commit. Takes JSON, prints JSON lines."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from indexes import build_index
from indexes.cluster import driver, items, on_dask
from indexes.cluster.driver import _Driver
from indexes.settings.sections import IndexSettings


def say(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def main(
    docs: str,
    settings: str,
    collection: str = "default",
    workers: int | None = 2,
    kill_worker_at: int = 0,
    kill_driver_at: int = 0,
) -> None:
    items.FILES = 2
    commits = 0
    commit, prepared = _Driver._commit, on_dask._prepared
    clients: list[Any] = []

    def noted(there: on_dask.Workers, order: items.Order) -> str:
        clients[:] = [there.client]
        return prepared(there, order)

    def counted(self: _Driver, bundle: items.Bundle, receipt: items.Receipt) -> None:
        nonlocal commits
        commits += 1
        info = clients[0].scheduler_info(n_workers=-1)["workers"]
        pids = sorted(clients[0].run(os.getpid).values()) if commits == kill_driver_at else []
        if commits == kill_worker_at:
            victim = next(iter(clients[0].run(os.getpid, workers=[next(iter(info))]).values()))
            os.kill(victim, signal.SIGKILL)
            say(killed=victim)
        if commits == kill_driver_at:
            say(workers=pids)
            os.kill(os.getpid(), signal.SIGKILL)
        commit(self, bundle, receipt)

    driver._Driver._commit = counted  # type: ignore[method-assign]
    on_dask._prepared = noted
    with build_index(
        docs, settings=IndexSettings.model_validate_json(settings), collection=collection, workers=workers
    ) as index:
        assert index.report is not None
        say(sentences=index.count, skipped=index.report.skipped, commits=commits)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
