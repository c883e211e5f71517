"""``rag delete DOCUMENT...``"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from indexes.errors import SettingsError
from rag.cli.options import Shared, shared_options
from rag.cli.output import data, data_json, shown_path, words

if TYPE_CHECKING:
    from indexes import Index

EPILOG = """\b
Examples:
  rag delete docs/old.md
  rag delete docs/archive/ --collection guide --json
  rag delete --collection guide --all --yes

Exit code: 0 all were found and removed, 1 some were not there, 2 wrong usage.
"""


@click.command("delete", epilog=EPILOG, short_help="Remove documents from a collection.")
@click.argument("documents", nargs=-1, metavar="DOCUMENT...")
@click.option("--all", "everything", is_flag=True, help="Remove the whole collection.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before --all.")
@shared_options
def command(shared: Shared, documents: tuple[str, ...], everything: bool, yes: bool) -> None:
    """Remove documents from a collection, by document id, file or folder. Files themselves are left alone."""
    from indexes import open_index

    if everything == bool(documents):
        raise click.UsageError("Name documents, or give --all.")
    with open_index(shared.collection, settings=shared.settings, check_model=False) as index:
        if everything:
            count = index.count
            agree(shared, count, yes)
            drop(index)
            result: dict[str, Any] = {"collection": shared.collection, "dropped": True, "sentences": count}
            data_json(result) if shared.json else data(f"removed collection '{shared.collection}' ({count} sentences)")
            return
        sources = {info.doc_id: info.source for info in index.documents()}
        paths = index.places()
        removed, missing = [], []
        for name in documents:
            matches = match(name, sources, paths)
            if not matches:
                missing.append(name)
            removed += [(doc_id, index.delete(doc_id)) for doc_id in matches]
    for name in missing:
        words(f"collection '{shared.collection}' has no document '{name}'; 'rag status --documents' lists them")
    if shared.json:
        rows = [{"doc_id": i, "source": sources.get(i, i), "sentences": count} for i, count in removed]
        data_json({"collection": shared.collection, "removed": rows, "missing": missing})
    else:
        for doc_id, count in removed:
            stays = "" if count else "; its text stays, another file has the same"
            data(f"removed {shown_path(paths.get(doc_id, doc_id))} ({count} sentences{stays})")
    sys.exit(1 if missing else 0)


def match(name: str, sources: Mapping[str, str], paths: Mapping[str, str]) -> list[str]:
    """Ids of the documents whose id, source or file is ``name``, or whose file lies below it.

    Args:
        sources, paths: document id -> its source, and the absolute path of its file where one is known.
    """
    path = Path(name).expanduser().absolute()
    places = {str(path), str(path.resolve())}
    found = [
        doc_id
        for doc_id in {**sources, **paths}
        if doc_id == name or _lies_in(places, paths.get(doc_id) or sources[doc_id]) or places & {doc_id}
    ]
    return found or [doc_id for doc_id, source in sources.items() if source == name]


def _lies_in(places: set[str], path: str) -> bool:
    return path in places or any(parent in places for parent in map(str, Path(path).parents))


def agree(shared: Shared, count: int, yes: bool) -> None:
    """Ask on a terminal; elsewhere --yes is needed."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise SettingsError("--all removes the whole collection and nobody is here to ask", remedy="add --yes")
    if not click.confirm(f"Remove collection '{shared.collection}' with {count} sentences?", err=True):
        words("nothing was removed")
        sys.exit(1)


def drop(index: Index) -> None:
    """The collection in all its generations, and what the manifests remember of it."""
    from indexes.manifest.paths import manifest_path, remove_manifest
    from indexes.store.generations import Generations

    for collection in Generations(index.store.engine, index.name).drop_all():
        remove_manifest(manifest_path(index.settings.store, collection, shared_client=False))
