"""``rag status``"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from indexes.display import counted, one_line, without_secrets
from indexes.errors import CollectionLockedError, StoreError
from rag.cli.options import Shared, shared_options, why_this_store
from rag.cli.output import data, data_json, megabytes, shown_path, words
from rag.cli.page import out_width, wrapped
from rag.cli.server import holding_server

if TYPE_CHECKING:
    from indexes import DocumentInfo
    from indexes.store.engine import Engine
    from rag.client import Client
    from rag.settings import Settings

EPILOG = """\b
Examples:
  rag status
  rag status --collection guide --documents --json
  rag status --collection guide --keys
"""


@click.command("status", epilog=EPILOG, short_help="Show collections, documents and models.")
@click.option("--documents", "list_documents", is_flag=True, help="Also list the documents.")
@click.option("--keys", "list_keys", is_flag=True, help="Also list the metadata keys that --filter can use.")
@shared_options
def command(shared: Shared, list_documents: bool, list_keys: bool) -> None:
    """Show collections with their documents, sentences, encoder and size. No model is loaded."""
    from indexes.store.client import open_engine
    from indexes.store.collection import Collection
    from indexes.store.generations import base_names

    shared.shows_store = True
    store = shared.settings.store
    server = functools.cache(lambda: holding_server(shared))
    with closing(open_engine(store)) as engine:
        where = without_secrets(store.url or str(store.path.expanduser()))
        if "collection" in shared.arguments:
            Collection(engine, shared.collection).check()  # raises if there is none of that name
            names = [shared.collection]
        else:
            names = base_names(engine)
        rows = [describe(engine, name, shared.settings, list_documents, list_keys, server) for name in names]
    if shared.json:
        data_json({"store": where, "engine": engine.kind, "collections": rows})
        return
    words(f"{engine.kind} store: {where}")
    if why := why_this_store(shared.settings):
        words(f"note: {why}")
    if not rows:
        words("no collections yet; run: rag ingest PATH")
    for row in rows:
        show(row, shared.settings)


def describe(
    engine: Engine,
    name: str,
    settings: Settings,
    documents: bool = False,
    keys: bool = False,
    server: Callable[[], Client | None] = lambda: None,
) -> dict[str, Any]:
    """Describe a collection; if it cannot be opened, "problem" says why and the numbers are None."""
    from indexes import open_index
    from indexes.reindexing.report import model_of
    from indexes.store.generations import Generations
    from indexes.store.metadata_keys import metadata_keys
    from indexes.store.upkeep.graph import graph_is_due

    row: dict[str, Any] = {"name": name, "documents": None, "sentences": None, "encoder": None, "size_bytes": None}
    row["problem"] = row["differs"] = row["graph"] = row["graph_due"] = None
    row["older"] = []
    try:
        generations = Generations(engine, name)
        now = generations.of(generations.current())
        row["size_bytes"] = now.disk_bytes()
        row["older"] = [
            {"collection": found.collection, "state": found.state, "model": model_of(found.record)}
            for found in generations.superseded()
        ]
        recorded = now.fingerprint()
        graph = now.graph()
        row["graph"] = None if graph is None else graph.as_dict()
        if recorded is not None:
            row["encoder"] = {key: recorded.get(key) for key in ("model", "dim", "sparse")}
        with open_index(name, settings=settings, client=engine, check_model=False) as index:
            found = index.documents()
            row["documents"], row["sentences"] = len(found), index.count
            row["graph_due"] = graph_is_due(index.store, settings.store)
            if keys:
                row["keys"] = [asdict(key) for key in metadata_keys(index.store)]
        row["differs"] = differing(found, settings, now.name)
    except CollectionLockedError as error:
        if not _through_server(row, server, documents):
            row["problem"] = str(error)
        return row
    except StoreError as error:
        row["problem"] = str(error)
        return row
    if documents:
        row["list"] = [
            {"doc_id": info.doc_id, "source": info.source, "title": info.title, "sentences": info.sentences}
            for info in found
        ]
    return row


def _through_server(row: dict[str, Any], server: Callable[[], Client | None], documents: bool) -> bool:
    """Fill the row from the running server that has the collection open; return False if there is none."""
    client = server()
    if client is None:
        return False
    found = client.places(row["name"])
    stored = [one for one in found if one["sentences"]]
    row["documents"], row["sentences"] = len(stored), sum(one["sentences"] for one in stored)
    if documents:
        row["list"] = [{key: one[key] for key in ("doc_id", "source", "title", "sentences")} for one in stored]
    return True


def differing(found: list[DocumentInfo], settings: Settings, name: str) -> int | None:
    """Count documents whose number of sentences differs from the manifest's; None if there is no manifest.

    >>> from indexes.manifest.manifest import Entry, Manifest
    >>> from indexes.manifest.paths import manifest_path
    >>> from indexes.store.collection import DocumentInfo
    >>> from rag.settings import Settings
    >>> settings = Settings(store={"path": folder})
    >>> with closing(Manifest(manifest_path(settings.store, "docs", shared_client=False))) as manifest:
    ...     manifest.begin(Entry("a.md", "/docs/a.md", "c0ffee", "r1"))
    ...     manifest.finish("a.md", sentences=12, truncated=0)
    >>> differing([DocumentInfo("a.md", "a.md", "", 11)], settings, "docs")
    1
    """
    from indexes.manifest.manifest import Manifest
    from indexes.manifest.paths import manifest_path

    path = manifest_path(settings.store, name, shared_client=False)
    if not isinstance(path, Path) or not path.exists():
        return None
    with closing(Manifest(path)) as manifest:
        expected = {entry.doc_id: entry.sentences for entry in manifest}
        unfinished = len(manifest.unfinished())
    there = {info.doc_id: info.sentences for info in found}
    return unfinished + sum(expected.get(key) != there.get(key) for key in expected.keys() | there.keys())


def show(row: dict[str, Any], settings: Settings) -> None:
    """Print a described collection.

    >>> from rag.settings import Settings
    >>> row = {"name": "guide", "problem": None, "documents": 1, "sentences": 12, "size_bytes": 4_100_000, "older": []}
    >>> row["encoder"] = {"model": "BAAI/bge-m3", "dim": 1024, "sparse": "model"}
    >>> show(row, Settings())
    guide: 1 document, 12 sentences, encoder BAAI/bge-m3 (1024 dimensions, sparse model), 4.1 MB
    """
    from indexes.store.models.graph import Graph

    if row["problem"]:
        data(f"{row['name']}: {row['problem']}")
        return
    encoder = row["encoder"] or {"model": "not recorded", "dim": "?", "sparse": "?"}
    size = "" if row["size_bytes"] is None else f", {megabytes(row['size_bytes'])}"
    sparse = str(encoder["sparse"]).partition(":")[0]
    text = (
        f"{counted(row['documents'], 'document')}, {counted(row['sentences'], 'sentence')}, "
        f"encoder {encoder['model']} ({encoder['dim']} dimensions, sparse {sparse}){size}"
    )
    name = one_line(f"{row['name']}: ")
    lines = wrapped(one_line(text), out_width(), "  ", first=name).removeprefix(name)
    data(click.style(name, bold=True) + lines, styled=True)
    graph = Graph.of_record(row)
    if graph is not None:
        shown = graph.shown(settings.retrieval.recall, settings.retrieval.ef)
        data("  " + wrapped(f"graph {shown}", out_width(), "  "))
    if row.get("graph_due"):
        words(
            f"it has grown: 'rag optimize --collection {row['name']}' rebuilds its graph"
            if graph is not None
            else f"it is searched exactly; 'rag optimize --collection {row['name']}' builds a graph"
        )
    if row.get("differs"):
        words(
            f"{counted(row['differs'], 'document', verb='differ')} from the manifest; "
            f"see: rag verify --collection {row['name']}"
        )
    for older in row["older"]:
        what = "is kept beside it" if older["state"] == "ready" else "is what an unfinished reindex has built so far"
        words(f"{older['collection']} ({older['model']}) {what}; continue or remove it with: rag ingest --reindex")
    for key in row.get("keys", []):
        places = counted(key["documents"], "document")
        data(one_line(f"  {key['name']}  in {places}, e.g. {', '.join(key['examples'])}"))
    for document in row.get("list", []):
        data(f"  {document['sentences']:>6}  {shown_path(document['source'])}")
