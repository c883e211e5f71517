"""Child process that optimises the copy of a shard and measures its graph: the engine holds the GIL for minutes.

With the graph, it indexes the metadata that filters may name.

It ends with the process that started it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from indexes.store.edge.convert import described_config, field_schema, vector_out
from indexes.store.edge.query import run_arrays
from indexes.store.engine import DENSE
from indexes.store.graph import measure
from indexes.store.graph.fields import SAMPLED, fields_to_index
from indexes.store.models.graph import Graph, Wanted

NICE = 5  # lower priority than searches and the model
PR_SET_PDEATHSIG = 1


def main(argument: str) -> None:
    """Optimise the shard named in the JSON ``argument``; write {"changed", "graph", "indexes"} to stdout."""
    request = json.loads(argument)
    end_with(request["parent"])
    with suppress(OSError):
        os.nice(NICE)
    import qdrant_edge as qe

    wanted = Wanted.read(request["graph"])
    config = described_config(request["description"], graph=wanted, segments=1)
    shard = qe.EdgeShard.load(request["shard"], config)
    indexed = dict(request["description"].get("indexes") or {})
    if wanted is not None:
        indexed = index_metadata(shard, indexed)
    changed = bool(shard.optimize())
    shard.flush()
    graph = None if wanted is None else measured(shard, request["description"], wanted)
    shard.close()
    done = {"changed": changed, "graph": None if graph is None else graph.as_dict(), "indexes": indexed}
    sys.stdout.write(json.dumps(done) + "\n")


def index_metadata(shard: Any, indexed: dict[str, str]) -> dict[str, str]:
    """Index the metadata of an open shard's points; return field -> kind of all its indexes, earlier ones first.

    Args:
        indexed: the indexes that it has.
    """
    import qdrant_edge as qe

    records, _ = shard.scroll(qe.ScrollRequest(limit=SAMPLED, with_payload=True, with_vector=False))
    found = fields_to_index((record.payload or {}).get("metadata") or {} for record in records)
    fresh = {field: kind for field, kind in found.items() if field not in indexed}
    for field, kind in fresh.items():
        shard.update(qe.UpdateOperation.create_field_index(field, field_schema(kind)))
    return {**indexed, **fresh}


def measured(shard: Any, description: dict[str, Any], wanted: Wanted) -> Graph | None:
    """Measure the graph of an open shard; None if it has no dense vector or no points."""
    import qdrant_edge as qe

    dims = {name: params["size"] for name, params in description["vectors"].items()}
    points = shard.info().points_count
    name = DENSE if DENSE in dims else next(iter(dims), None)
    if name is None or not points:
        return None
    records, _ = shard.scroll(qe.ScrollRequest(limit=measure.ASKED, with_payload=False, with_vector=True))
    rows = []
    for record in records:
        vector = vector_out(record.vector)
        rows.append((str(record.id), vector[name] if isinstance(vector, dict) else vector))
    counts = []
    if "doc_id" in (description.get("indexes") or {}):
        counts = [(hit.value, hit.count) for hit in shard.facet(qe.FacetRequest("doc_id", points, True, None))]
    schema = dims, set(description["sparse_vectors"])
    return measure.measure(
        lambda legs: run_arrays(shard, legs, schema),
        rows,
        name=name,
        wanted=wanted,
        points=points,
        counts=[(str(doc_id), number) for doc_id, number in counts if number],
        clock=time.process_time,
    )


def end_with(parent: int) -> None:
    """Ask to be killed when the parent ends (Linux); elsewhere the next opening removes leftover files."""
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)
