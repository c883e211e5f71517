"""The process that searches copies of collections: requests in, answers out, as JSON over a pipe.

It writes nothing, and ends when the pipe is closed, which is when its parent ends, however that ends.
"""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from indexes.store.edge.query import run_arrays
from indexes.store.edge.searchers.messages import hits_out, lack_in, leg_in
from indexes.store.edge.second_scores import read


def main(descriptor: int) -> None:
    """Answer requests until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    searcher = _Searcher()
    with Connection(descriptor) as pipe, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            request = json.loads(pipe.recv_bytes())
            try:
                answer: Any = {"answer": searcher.answer(request)}
            except Exception as error:  # noqa: BLE001 - the parent does it itself then, and raises what there is to raise
                answer = {"failed": f"{type(error).__name__}: {error}"}
            pipe.send_bytes(json.dumps(answer).encode())


class _Searcher:
    def __init__(self) -> None:
        self._open: dict[str, tuple[Any, dict[str, Any]]] = {}  # collection -> shard, description

    def answer(self, request: dict[str, Any]) -> Any:
        name, do = request["collection"], request["do"]
        if do == "open":
            self._load(name, request["place"], request["description"])
            return None
        if do == "close":
            self._close(name)
            return None
        shard, description = self._open[name]
        if do == "legs":
            schema = (
                {vector: params["size"] for vector, params in description["vectors"].items()},
                set(description["sparse_vectors"]),
            )
            return hits_out(run_arrays(shard, [leg_in(leg) for leg in request["legs"]], schema))
        if do == "payloads":
            return {str(record.id): record.payload or {} for record in shard.retrieve(request["ids"], True, False)}
        return read(shard, request["ids"], [lack_in(lack) for lack in request["lacks"]], description)

    def _load(self, name: str, place: str, description: dict[str, Any]) -> None:
        import qdrant_edge as qe

        self._close(name)
        self._open[name] = qe.EdgeShard.load(place), description

    def _close(self, name: str) -> None:
        found = self._open.pop(name, None)
        if found is not None:
            found[0].close()
