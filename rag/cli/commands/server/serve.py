"""``rag serve``"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from indexes.errors import MissingExtraError
from rag.cli.options import Shared, setting, shared_options
from rag.cli.output import data, data_json, words

LABELS = {"page": "Page", "dify": "Dify endpoint", "openai": "OpenAI base URL", "mcp": "MCP", "api": "JSON API"}
SHORT = {"page": "page", "dify": "Dify", "openai": "OpenAI", "mcp": "MCP", "api": "API"}  # in the line when it is ready
EPILOG = """\b
Examples:
  rag serve
  rag serve --port 9000 --collection handbook
  rag serve --collection handbook --watch handbook/
  rag serve --check dify
"""


@click.command("serve", epilog=EPILOG, short_help="Serve a web page, Dify, OpenAI-compatible clients and MCP.")
@setting("--host", "serve.host", "Address to listen on.", metavar="ADDRESS")
@setting("--port", "serve.port", "Port to listen on; 0 chooses a free one.", type=int)
@click.option(
    "--check",
    type=click.Choice(["dify"]),
    help="Send the requests of this client to the running server, and print a line for each.",
)
@click.option(
    "--watch",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder to keep in sync with the collection while serving; repeatable.",
)
@shared_options
def command(shared: Shared, check: str | None, watch: tuple[Path, ...]) -> None:
    """Serve the store: a web page, Dify's external knowledge, an OpenAI-compatible API and MCP.

    It listens on this machine only, unless --host says otherwise and there is a key ('rag key new').
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401

        from rag.serve.run import run_server
    except ImportError as error:
        raise MissingExtraError.of(
            error.name or "fastapi", needed_for="rag serve", install="pip install 'ragwright[serve]'"
        ) from error
    if check is not None:
        from rag.serve.dify.check import check_dify

        found = check_dify(shared.settings)
        if shared.json:
            data_json(found)
        else:
            for row in found["cases"]:
                data(f"{'ok  ' if row['ok'] else 'FAIL'} {row['case']}: {row['answer']}")
        sys.exit(0 if found["ok"] else 1)

    def started(addresses: dict[str, str]) -> None:
        if shared.json:
            data_json(addresses, line=True)
            return
        for name, label in LABELS.items():
            if name in addresses:
                data(f"{label + ':':<17} {addresses[name]}")
        if "mcp" not in addresses:
            words("MCP is off; to turn it on: pip install 'ragwright[mcp]'")
        words("not ready yet; stop with Ctrl-C")

    def ready(addresses: dict[str, str]) -> None:
        named = ", ".join(f"{SHORT[name]} {addresses[name]}" for name in SHORT if name in addresses)
        words(f"ready after {time.monotonic() - begun:.0f} s: {named}")

    begun = time.monotonic()
    sys.exit(run_server(shared.settings, on_start=started, on_ready=ready, say=words, watch=watch))
