"""Distribute bundles over the workers of Dask: processes on this machine, or those of a scheduler's cluster.

Dask's messages are pickles, so that anyone who can connect to a scheduler can run code on all machines of its cluster:
other machines are contacted only by TLS. Dask handles retries and the replacement of dead workers.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from indexes.addresses import is_loopback
from indexes.cluster.items import Bundle, Done, Lost, Order, Receipt
from indexes.cluster.work import Worker
from indexes.errors import ClusterError, MissingExtraError, RagWrightError, SettingsError
from indexes.settings.sections import IngestSettings

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T", bound=AbstractContextManager[Any])
INSTALL = "pip install 'ragwright[cluster]'"
AHEAD = 2  # bundles handed out per worker: one in progress, one waiting
RETRIES = 3  # for a bundle whose store or model failed
PATIENCE = 60.0  # seconds to wait for the first worker
GPU = "GPU"  # resource of workers with a GPU: dask worker ... --resources "GPU=1"


@dataclass(slots=True)
class Workers:
    """A client of the scheduler, and the names of the plugins registered there."""

    client: Client
    prepared: set[str] = field(default_factory=set)


@contextmanager
def open_workers(workers: int | str, settings: IngestSettings) -> Iterator[Workers]:
    """Start workers on this machine, or use those of a scheduler; local ones end with the block or this process.

    Raises:
        MissingExtraError: Dask is not installed.
        ClusterError: the scheduler does not answer, or has no worker.
    """
    try:
        from dask import config
        from distributed import Client, LocalCluster
        from distributed.system import MEMORY_LIMIT
    except ImportError as error:
        raise MissingExtraError.of("distributed", needed_for="ingestion by many workers", install=INSTALL) from error
    if isinstance(workers, int):
        quiet: dict[str, list[str]] = {f"distributed.{role}.http.routes": [] for role in ("scheduler", "worker")}
        with (
            warnings.catch_warnings(action="ignore"),  # a port that is taken
            config.set(quiet),  # nobody asks them by HTTP
            _ended_late(
                LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address=None,
                    memory_limit=int(MEMORY_LIMIT // workers),  # above it Dask ends a worker
                    silence_logs=logging.CRITICAL,
                    env={"OMP_NUM_THREADS": _threads(workers)},
                )
            ) as cluster,
            _ended_late(Client(cluster)) as client,
        ):
            yield Workers(client)
        return
    try:
        client = Client(workers, security=_security(workers, settings), timeout=PATIENCE)
    except (OSError, TimeoutError) as error:
        raise ClusterError(
            f"the Dask scheduler at {workers} does not answer ({error})",
            remedy="start it, and check the address and the certificates",
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise ClusterError(
                f"the scheduler at {workers} has no worker", remedy=f"start some: dask worker {workers} --nthreads 1"
            ) from error
        yield Workers(client)


@contextmanager
def _ended_late(opened: T) -> Iterator[T]:
    """Enter Dask's local workers or client; that a busy machine ends them late is no failure of the run.

    They end with this process at the latest.
    """
    opened.__enter__()
    try:
        yield opened
    finally:
        with suppress(TimeoutError):
            opened.__exit__(None, None, None)


def distribute(bundles: Iterable[Bundle], order: Order, *, workers: Workers) -> Iterator[Done]:
    """Hand out bundles, a few per worker at a time, and yield the result of each when it is done.

    Args:
        bundles: drawn from as workers become free.
    """
    from distributed import KilledWorker, as_completed

    bench, client = _prepared(workers, order), workers.client
    places = AHEAD * max(len(client.nthreads()), 1)
    info = client.scheduler_info(n_workers=-1)["workers"].values()
    resources = {GPU: 1} if any(GPU in (worker.get("resources") or {}) for worker in info) else None
    handed_out: dict[Any, tuple[Bundle, Future]] = {}

    def submit(bundle: Bundle) -> Future:
        future = client.submit(_do, bench, bundle, pure=False, retries=RETRIES, resources=resources)
        handed_out[future.key] = bundle, future
        return future

    waiting = iter(bundles)
    try:
        completed = as_completed([submit(bundle) for bundle in islice(waiting, places)])
        for future in completed:
            bundle, _ = handed_out.pop(future.key)
            done: Receipt | Lost | Exception
            try:
                done = future.result()
            except KilledWorker as error:
                done = Lost(f"it ended {error.allowed_failures + 1} workers")
            except RagWrightError as error:
                done = error
            except Exception as error:  # noqa: BLE001 - Dask's own and the work's, told apart by nothing
                done = ClusterError(
                    f"a worker failed ({type(error).__name__}: {error})", remedy="look at the workers' logs"
                )
            following = next(waiting, None)
            if following is not None:
                completed.add(submit(following))
            yield bundle, done
    finally:
        if handed_out:
            with suppress(Exception):  # the scheduler may be what failed
                client.cancel([future for _, future in handed_out.values()])


def check_address(address: str) -> None:
    """Raise SettingsError for an invalid address of a scheduler, and for one on another machine without TLS.

    >>> check_address("tls://scheduler.example:8786")
    >>> check_address("scheduler.example:8786")
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: 'scheduler.example:8786' is not the address of a Dask scheduler; write it like
    tls://scheduler.example:8786
    """
    parts = urlsplit(address)
    if parts.scheme not in ("tls", "tcp") or not parts.hostname:
        raise SettingsError(
            f"{address!r} is not the address of a Dask scheduler", remedy="write it like tls://scheduler.example:8786"
        )
    if parts.scheme == "tcp" and not is_loopback(f"http://{parts.netloc}"):
        raise SettingsError(
            f"{address} is another machine, and is not spoken to by TLS: who can speak to a scheduler can run code on "
            "all of its workers",
            remedy="start scheduler and workers with certificates and write tls://, or lead there by an SSH tunnel",
        )


def _do(bench: str, bundle: Bundle) -> Receipt:
    """Process a bundle in a worker's thread, with the plugin set up there."""
    from distributed import get_worker

    plugin: Any = get_worker().plugins[bench]
    return plugin.worker(bundle)


def _prepared(workers: Workers, order: Order) -> str:
    """Set up all workers, also those that join later, for bundles of this order; return the plugin's name."""
    from distributed import WorkerPlugin

    class Bench(WorkerPlugin):
        """The reader's process, the connection to the store and the model of one worker."""

        def __init__(self, order: Order) -> None:
            self.name = f"ragwright-{order.run}"
            self.order = order

        def setup(self, worker: Any) -> None:
            if worker.nanny and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which decides
            self.worker = Worker(self.order)
            # The model is loaded once, beside: a worker that answers nobody meanwhile would be taken for dead.
            threading.Thread(target=self._load, name="ragwright-load", daemon=True).start()

        def _load(self) -> None:
            with suppress(Exception):  # the first bundle tries again, and its error reaches the driver
                self.worker.encoder()

        def teardown(self, worker: Any) -> None:
            self.worker.close()

    bench = Bench(order)
    if bench.name not in workers.prepared:  # else the models that are loaded would be dropped
        workers.client.register_plugin(bench)
        workers.prepared.add(bench.name)
    return bench.name


def _security(address: str, settings: IngestSettings) -> Any:
    from distributed.security import Security

    if not address.startswith("tls:"):
        return None
    given = {
        "tls_ca_file": settings.tls_ca_file,
        "tls_client_cert": settings.tls_cert,
        "tls_client_key": settings.tls_key,
    }
    # What is not given is taken from Dask's own configuration.
    return Security(require_encryption=True, **{name: str(path) for name, path in given.items() if path is not None})


def _threads(workers: int) -> str:
    """Return the threads of the model per worker: a share of all cores."""
    return os.environ.get("OMP_NUM_THREADS") or str(max((os.cpu_count() or 1) // workers, 1))
