"""``rag optimize``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from indexes.display import counted
from rag.cli.options import Shared, shared_options
from rag.cli.output import data, data_json
from rag.cli.progress import Waiting, progress_bar

if TYPE_CHECKING:
    from indexes.store.models.graph import Graph

EPILOG = """\b
Examples:
  rag optimize
  rag optimize --collection guide --json
  rag optimize --set store.hnsw_m=48 --set store.hnsw_ef_construct=400

'rag ingest' does this itself for collections of store.hnsw_from sentences or more.
"""


@click.command("optimize", epilog=EPILOG, short_help="Build the graph that makes search in large collections fast.")
@click.option("--force", is_flag=True, help="Build it even for a small collection.")
@shared_options
def command(shared: Shared, force: bool) -> None:
    """Build the graph (HNSW) of a collection's vectors, and measure its recall.

    Searching and writing remain possible meanwhile, also through 'rag serve'. No model is loaded.
    """
    from indexes.store.models.graph import Graph
    from rag.cli.writing import finished, writing_server

    server = writing_server(shared)
    if server is not None:
        with server, progress_bar("collection") as show:
            found = (finished(server, server.optimize(shared.collection, force=force), show).get("report")) or {}
        _show_graph(shared, bool(found.get("changed")), Graph.of_record(found))
        return
    from indexes import open_index

    with (
        open_index(shared.collection, settings=shared.settings, check_model=False) as index,
        Waiting(f"building the graph of {counted(index.count, 'sentence')}"),
    ):
        built = index.optimize(force=force)
    _show_graph(shared, *built)


def _show_graph(shared: Shared, changed: bool, graph: Graph | None) -> None:
    """Show what was built and measured."""
    settings = shared.settings
    if shared.json:
        found: dict[str, Any] = {"collection": shared.collection, "changed": changed}
        data_json({**found, "graph": None if graph is None else graph.as_dict()})
    elif graph is not None:
        data(f"{shared.collection}: graph {graph.shown(settings.retrieval.recall, settings.retrieval.ef)}")
        for one in graph.found:
            filtered = "" if one.filtered is None else f", with a filter {one.filtered:.3f}"
            recall = f"recall@10 {one.recall:.3f}{filtered}, recall@50 {one.recall_50:.3f}"
            data(f"  ef {one.ef:>4}: {recall}, {one.ms:.1f} ms")
    else:
        data(
            f"{shared.collection}: {'its files were tidied' if changed else 'nothing to do'}; fewer than "
            f"{settings.store.hnsw_from:,} sentences (store.hnsw_from) are searched exactly, --force builds a graph"
        )
