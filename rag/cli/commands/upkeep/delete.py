"""``rag delete DOCUMENT...``"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from indexes.display import counted
from indexes.errors import SettingsError
from rag.cli.options import Shared, shared_options
from rag.cli.output import data, data_json, say_waiting, shown_path, words
from rag.cli.progress import progress_bar

if TYPE_CHECKING:
    from rag.client import Client

EPILOG = """\b
Examples:
  rag delete docs/old.md
  rag delete docs/archive/ --collection guide --json
  rag delete --collection guide --all --yes
  rag delete --now

In a small collection, removed text is erased from every file of the store at once; in a large one by the next
'rag ingest', or by --now.
Exit code: 0 all were removed, 1 some were not found, 2 wrong usage.
"""


@click.command("delete", epilog=EPILOG, short_help="Remove documents from a collection.")
@click.argument("documents", nargs=-1, metavar="DOCUMENT...")
@click.option("--all", "everything", is_flag=True, help="Remove the whole collection.")
@click.option("--now", is_flag=True, help="Erase removed text from the files at once, however large they are.")
@click.option("-y", "--yes", is_flag=True, help="Skip the confirmation of --all.")
@shared_options
def command(shared: Shared, documents: tuple[str, ...], everything: bool, now: bool, yes: bool) -> None:
    """Remove documents from a collection, by document id, file or folder. Your files are not changed."""
    from indexes import open_index
    from indexes.ingest.report import Progress
    from rag.cli.writing import writing_server

    if (everything and documents) or not (everything or documents or now):
        raise click.UsageError("Name documents, or use --all.")
    if everything:
        _remove_collection(shared, yes)
        return
    server = None if now else writing_server(shared)
    if server is not None:
        with server:
            _delete_through(server, shared, documents)
        return
    with open_index(shared.collection, settings=shared.settings, check_model=False) as index:
        sources = {info.doc_id: info.source for info in index.documents()}
        paths = index.places()
        removed: dict[str, dict[str, int]] = {}
        missing = []
        for name in documents:
            matches = match(name, sources, paths)
            if not matches:
                missing.append(name)
            with progress_bar("document") as show:
                removed[name] = {}
                for doc_id in matches:
                    removed[name][doc_id] = index.delete(doc_id)
                    show(Progress(len(removed[name]), len(matches), sum(removed[name].values())))
        erased = index.erase(now=now)
    tell(shared, removed, missing, sources, paths, erased.waiting)
    if now and erased.done:
        words("no deleted text is left in the files of the store") if shared.json else data(
            "no deleted text is left in the files of the store"
        )
    sys.exit(1 if missing else 0)


def _delete_through(server: Client, shared: Shared, documents: tuple[str, ...]) -> None:
    """Let the running server remove the documents, in one job."""
    from rag.cli.writing import finished

    rows = server.places(shared.collection)
    sources = {row["doc_id"]: row["source"] for row in rows}
    paths = {row["doc_id"]: row["path"] for row in rows if row["path"]}
    found = {name: match(name, sources, paths) for name in documents}
    wanted = list(dict.fromkeys(doc_id for ids in found.values() for doc_id in ids))
    counts: dict[str, int] = {}
    if wanted:
        with progress_bar("document") as show:
            done = finished(server, server.delete(shared.collection, wanted), show)
        counts = {doc_id: row["sentences"] for doc_id, row in zip(wanted, done["files"], strict=False)}
        if done["message"]:
            words(done["message"])
    removed = {name: {doc_id: counts.get(doc_id, 0) for doc_id in ids} for name, ids in found.items()}
    missing = [name for name, ids in found.items() if not ids]
    tell(shared, removed, missing, sources, paths, [])
    sys.exit(1 if missing else 0)


def tell(
    shared: Shared,
    removed: Mapping[str, Mapping[str, int]],
    missing: list[str],
    sources: Mapping[str, str],
    paths: Mapping[str, str],
    waiting: list[str],
) -> None:
    """Report what was removed, by the names that were given.

    >>> from types import SimpleNamespace
    >>> shared = SimpleNamespace(collection="guide", json=False)
    >>> tell(shared, {"old.md": {"docs/old.md": 12}}, [], {}, {}, [])
    removed docs/old.md (12 sentences)
    """
    for name in missing:
        words(f"collection '{shared.collection}' has no document '{name}'; 'rag status --documents' lists them")
    if shared.json:
        rows: list[dict[str, Any]] = [
            {"doc_id": doc_id, "source": sources.get(doc_id, doc_id), "sentences": count}
            for found in removed.values()
            for doc_id, count in found.items()
        ]
        sentences = sum(row["sentences"] for row in rows)
        data_json(as_json(shared, removed=rows, missing=missing, sentences=sentences, not_erased=waiting))
    else:
        for name, found in removed.items():
            if found:
                data(_sum(name, found, paths))
    say_waiting(waiting, shared.collection)


def as_json(shared: Shared, **changes: Any) -> dict[str, Any]:
    """Return the JSON result, with the same keys whatever was deleted.

    >>> from types import SimpleNamespace
    >>> as_json(SimpleNamespace(collection="guide"), dropped=True, sentences=12)
    {'collection': 'guide', 'dropped': True, 'sentences': 12, 'removed': [], 'missing': [], 'not_erased': []}
    """
    return {
        "collection": shared.collection,
        "dropped": False,
        "sentences": 0,
        "removed": [],
        "missing": [],
        "not_erased": [],
        **changes,
    }


def _sum(name: str, found: Mapping[str, int], paths: Mapping[str, str]) -> str:
    """Return a line for a given name: a document, or the number of documents in a folder or archive."""
    count = sum(found.values())
    shared_text = sum(not sentences for sentences in found.values())
    if len(found) == 1:
        stays = "; its text is kept, since another file has the same" if shared_text else ""
        doc_id = next(iter(found))
        shown = doc_id if "!/" in doc_id else paths.get(doc_id, doc_id)  # all of an archive has one path
        return f"removed {shown_path(shown)} ({counted(count, 'sentence')}{stays})"
    stays = f"; the text of {shared_text} is kept, since other files have the same" if shared_text else ""
    return f"removed {counted(len(found), 'document')} of {shown_path(name)} ({counted(count, 'sentence')}{stays})"


def match(name: str, sources: Mapping[str, str], paths: Mapping[str, str]) -> list[str]:
    """Return the ids of the documents whose id, source or file is ``name``, or whose file is below it.

    >>> match("notes.zip", {"a": "notes.zip!/a.md", "b": "b.md"}, {})
    ['a']

    Args:
        sources: document id -> source.
        paths: document id -> absolute path of its file, if known.
    """
    path = Path(name).expanduser().absolute()
    places = {str(path), str(path.resolve())}
    found = [
        doc_id
        for doc_id in {**sources, **paths}
        if doc_id == name or _lies_in(places, paths.get(doc_id) or sources[doc_id]) or places & {doc_id}
    ]
    return found or [
        doc_id
        for doc_id, source in sources.items()
        if source == name or doc_id.startswith(f"{name}!/") or source.startswith(f"{name}!/")  # a member of an archive
    ]


def _lies_in(places: set[str], path: str) -> bool:
    return path in places or any(parent in places for parent in map(str, Path(path).parents))


def _remove_collection(shared: Shared, yes: bool) -> None:
    """Remove a collection with all its generations, even if it is damaged."""
    from indexes.manifest.dropping import count_of, drop_collection
    from indexes.store.client import open_engine

    with closing(open_engine(shared.settings.store)) as engine:
        count = count_of(engine, shared.collection)
        agree(shared, count, yes)
        drop_collection(engine, shared.collection, shared.settings.store)
    if shared.json:
        data_json(as_json(shared, dropped=True, sentences=count))
    else:
        data(f"removed collection '{shared.collection}' ({_number(count)})")


def _number(count: int | None) -> str:
    return "damaged" if count is None else f"{counted(count, 'sentence')}"


def agree(shared: Shared, count: int | None, yes: bool) -> None:
    """Ask for confirmation on a terminal; elsewhere require --yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise SettingsError("--all removes the whole collection and needs a confirmation", remedy="add --yes")
    if not click.confirm(f"Remove collection '{shared.collection}' ({_number(count)})?", err=True):
        words("nothing was removed")
        sys.exit(1)
