"""Answer questions from stdin, one per line, and print the CPU milliseconds of each by stage as JSON.

Run by path, with the tree to measure as PYTHONPATH; this package is not imported.
"""

from __future__ import annotations

import json
import sys
import time
from types import SimpleNamespace
from typing import Any

READ = 10  # hits whose windows are read, as `rag search` and an answer do


def main(store: str, provider: str) -> None:
    """Answer questions until stdin ends."""
    import rag.trace
    from indexes import open_index
    from indexes.settings.loader import load
    from rag import build_retriever
    from rag.settings import Settings

    vars(rag.trace)["time"] = SimpleNamespace(
        perf_counter=time.process_time
    )  # CPU time, since other programs are running
    given: dict[str, Any] = {"store.path": store, "encoder.provider": provider, "encoder.model": provider}
    settings = load(Settings, profile="offline", arguments=given).settings
    with open_index(settings=settings) as index:
        retriever = build_retriever(index, settings=settings)
        getattr(index.encoder, "load", lambda: None)()  # as a server does; the other tree may have no such method
        for line in sys.stdin:
            start = time.process_time()
            found = retriever.search(line.rstrip("\n"))
            searched = time.process_time()
            for candidate in found.candidates[:READ]:
                assert candidate.window  # noqa: S101
            ended = time.process_time()
            stages = {name: found.trace.timings_ms.get(name, 0.0) for name in ("encode", "search", "fuse")}
            taken = {"all": 1000 * (ended - start), **stages, "windows": 1000 * (ended - searched)}
            hits = [candidate.id for candidate in found.candidates[:READ]]
            sys.stdout.write(json.dumps({"ms": taken, "hits": hits}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
