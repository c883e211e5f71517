"""``rag key new | list | remove``: the keys of ``rag serve``."""

from __future__ import annotations

import click

from rag.cli.options import Shared, shared_options
from rag.cli.output import data, data_json, words

EPILOG = """\b
Examples:
  rag key new dify --scope read --only handbook
  rag key new chat --scope read,ask
  rag key list
  rag key remove dify
"""


@click.command("key", epilog=EPILOG, short_help="Make, list and remove keys of the server.")
@click.argument("action", type=click.Choice(["new", "list", "remove"]))
@click.argument("name", required=False)
@click.option(
    "--scope",
    default="read,ask",
    show_default=True,
    metavar="LIST",
    help="Permissions of the key, separated by commas: read, ask, write, admin.",
)
@click.option("--only", multiple=True, metavar="NAME", help="Collection it may access; repeatable; default: all.")
@shared_options
def command(shared: Shared, action: str, name: str | None, scope: str, only: tuple[str, ...]) -> None:
    """Make, list and remove the keys of 'rag serve'. A key is shown once; only its hash is stored."""
    from indexes.errors import SettingsError
    from rag.serve.keys import ALL, KeyRing, keys_path

    ring = KeyRing(keys_path(shared.settings.store))
    if action == "list":
        rows = [key.as_dict() for key in ring]
        if shared.json:
            data_json({"keys": rows})
            return
        heads = ("name", "scopes", "collections", "created")
        cells = [(row["name"], ",".join(row["scopes"]), ",".join(row["collections"]), row["created"]) for row in rows]
        widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
        for line in [heads, *cells] if cells else []:
            data("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if not rows:
            words("there are no keys; make one with 'rag key new NAME'")
        return
    if not name:
        raise SettingsError(f"rag key {action} needs a name", remedy=f"write 'rag key {action} NAME'")
    if action == "remove":
        ring.remove(name)
        running = _running(shared, "it still accepts this key")
        words(f"removed the key {name}; {running or 'a running server accepts it until it is restarted'}")
        return
    chosen = only or ((shared.collection,) if "collection" in shared.arguments else (ALL,))
    scopes = [part.strip() for part in scope.split(",") if part.strip()]
    first = not len(ring)
    text = ring.new(name, scopes=scopes, collections=chosen)
    running = _running(shared, "it asks for no key" if first else "it does not know this key")
    if running:
        words(f"note: {running}")
    if shared.json:
        data_json({"name": name, "key": text, "scopes": scopes, "collections": list(chosen)})
        return
    where = "every collection" if ALL in chosen else ", ".join(chosen)
    words(f"the key {name}, shown only now ({', '.join(scopes)}; {where}):")
    data(text)


def _running(shared: Shared, until_then: str) -> str | None:
    """Return what a running server of this store does until it is restarted; None if none is running."""
    from rag.serve.address import read_address

    server = read_address(shared.settings.store)
    if server is None:
        return None
    return (
        f"the server at {server.url} (process {server.pid}) read the keys when it started: restart 'rag serve', "
        f"until then {until_then}"
    )
