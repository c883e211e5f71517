"""``ingest``, ``delete`` and ``status`` while ``rag serve`` has the store open: its job queue does the writing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexes.errors import RagWrightError, SourceError, StoreError
from rag.cli.options import Shared
from rag.cli.output import words
from rag.cli.progress import Waiting

if TYPE_CHECKING:
    from indexes.ingest.report import IngestReport, Progress
    from rag.client import Client

POLL = 0.2  # seconds between two polls of a job
PATIENCE = 120.0  # seconds to wait while a server loads its models
DECIDING = ("encoder.", "sparse.", "read.", "split.")  # settings that decide what is written


def writing_server(shared: Shared) -> Client | None:
    """Return a client of the running server that has this embedded store open; None if there is none.

    Raises:
        StoreError: the server has other settings, or does not become ready.
    """
    from rag.serve.address import flat, read_address

    store = shared.settings.store
    address = None if store.url else read_address(store)
    if address is None:
        return None
    mine = {key: value for key, value in flat(shared.settings).items() if key.startswith(DECIDING)}
    other = next((key for key, value in mine.items() if address.settings.get(key, value) != value), None)
    if other is not None:
        raise StoreError(
            f"the server at {address.url} (process {address.pid}) has this store open, with a different {other}",
            remedy="run this command with the server's settings, or stop the server",
        )
    from rag.client import Client, ServerError

    client = Client(address.url, key=address.token)
    until = time.monotonic() + PATIENCE
    with Waiting("waiting for the running server"):
        while True:
            try:
                client.ready()
                break
            except ServerError:  # it is loading its models
                if time.monotonic() > until or read_address(store) is None:
                    client.close()
                    raise
                time.sleep(POLL)
    words(f"through the running server at {address.url}")
    return client


def ingest_through(
    client: Client, shared: Shared, paths: Sequence[str], prune: bool, show: Callable[[Progress], None]
) -> tuple[IngestReport, int]:
    """Let the server read these files; return the report and the collection's number of sentences.

    Raises:
        SourceError: a path does not exist.
        RagWrightError: the job failed.
        KeyboardInterrupt: Ctrl-C; the server stops after the current document.
    """
    missing = next((path for path in paths if not Path(path).expanduser().exists()), None)
    if missing is not None:
        raise SourceError(f"there is no file or folder '{missing}'", remedy="check the path")
    absolute = [str(Path(path).expanduser().absolute()) for path in paths]
    found = finished(client, client.ingest(shared.collection, absolute, prune=prune), show)
    report = found.get("report") or {}
    return _report(report), int(report.get("sentences") or 0)


def finished(client: Client, job: str, show: Callable[[Progress], None]) -> dict[str, Any]:
    """Wait for the end of a job.

    >>> from types import SimpleNamespace
    >>> client = SimpleNamespace(job=lambda job: {"state": "done", "done": 2, "total": 2, "sentences": 12})
    >>> finished(client, "7", lambda progress: print(progress.files_done, "of", progress.files_total))["state"]
    2 of 2
    'done'

    Raises:
        RagWrightError: the job failed.
        KeyboardInterrupt: Ctrl-C; the job was cancelled and has ended.
    """
    from indexes.ingest.report import Progress

    started, interrupted = time.monotonic(), False
    while True:
        try:
            found = client.job(job)
            seconds = time.monotonic() - started
            show(Progress(found["done"], found["total"], found["sentences"], seconds=seconds))
            if found["state"] not in ("waiting", "running"):
                break
            time.sleep(POLL)
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
            words("\nthe server stops after the current document")
            client.cancel(job)
    if interrupted or found["state"] == "cancelled":
        raise KeyboardInterrupt
    if found["state"] == "failed":
        what, _, remedy = str(found["message"]).partition("; ")
        raise RagWrightError(f"the server's job failed: {what}", remedy=remedy or "see the server's log")
    return found


def _report(found: dict[str, Any]) -> IngestReport:
    from indexes.ingest.report import FileReport, IngestReport
    from indexes.store.models.graph import Graph

    return IngestReport(
        files=[FileReport(**row) for row in found.get("files", [])],
        ignored=dict(found.get("ignored", {})),
        sentences_added=int(found.get("sentences_added", 0)),
        encoded=int(found.get("encoded", 0)),
        truncated=int(found.get("truncated", 0)),
        seconds=float(found.get("seconds", 0.0)),
        stages=dict(found.get("stages", {})),
        graph=Graph.of_record(found),
        no_graph=found.get("no_graph"),
        no_passages=found.get("no_passages"),
    )
