"""``rag mcp``"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import click

from indexes.errors import MissingExtraError, SettingsError
from rag.cli.options import Shared, shared_options
from rag.cli.output import data

EPILOG = """\b
Examples:
  rag mcp --collection handbook
  rag mcp --write
  rag mcp --print-config claude
"""


@click.command("mcp", epilog=EPILOG, short_help="Offer search and answers to MCP programs such as Claude.")
@click.option("--write", is_flag=True, help="Offer tools that add and delete documents.")
@click.option(
    "--print-config",
    "host",
    type=click.Choice(["claude", "cursor", "vscode"]),
    help="Print the entry for the configuration file of a program.",
)
@shared_options
def command(shared: Shared, write: bool, host: str | None) -> None:
    """Offer search and cited answers to a program that speaks MCP (Claude, Cursor, VS Code).

    Such a program starts this command itself: see --print-config. If 'rag serve' runs for the same store, every call
    goes to the server.
    """
    if host is not None:
        data(json.dumps(_config_entry(host, shared), indent=2, ensure_ascii=False))
        return
    try:
        from rag.serve.stdio import serve_stdio
    except ImportError as error:
        raise MissingExtraError.of(
            error.name or "mcp", needed_for="rag mcp", install="pip install 'ragwright[serve,mcp]'"
        ) from error
    serve_stdio(shared.settings, write=write)


def _config_entry(host: str, shared: Shared) -> dict[str, Any]:
    """Return the entry of a host's configuration, with absolute paths: hosts do not have the user's environment."""
    program = shutil.which("rag")
    if program is None:
        raise SettingsError("the command 'rag' is not on the PATH", remedy="install ragwright, or activate its venv")
    entry: dict[str, Any] = {
        "command": str(Path(program).resolve()) if not Path(program).is_symlink() else str(Path(program).absolute()),
        "args": ["mcp", "--collection", shared.collection],
        "env": {"RAG_STORE_PATH": str(shared.settings.store.path.expanduser().absolute())},
    }
    if shared.settings.profile != "default":
        entry["env"]["RAG_PROFILE"] = shared.settings.profile
    if host == "vscode":
        return {"servers": {"ragwright": {"type": "stdio", **entry}}}
    return {"mcpServers": {"ragwright": entry}}
