"""``rag trust``"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from indexes.errors import SettingsError
from rag.cli.options import Shared, shared_options
from rag.cli.output import data, data_json, words

EPILOG = """\b
Examples:
  rag trust
  rag trust ~/project
  rag trust --list
"""


@click.command("trust", epilog=EPILOG, short_help="Trust a folder's rag.toml that names other machines, keys or code.")
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[FOLDER]")
@click.option("--list", "show", is_flag=True, help="List the trusted files.")
@click.option("--remove", is_flag=True, help="Stop trusting the file.")
@shared_options
def command(shared: Shared, folder: Path | None, show: bool, remove: bool) -> None:
    """Allow the rag.toml of a folder (default: the working folder) to name other machines, keys and code.

    The file's path and hash are remembered; a changed file must be allowed again.
    """
    from indexes.settings.trust import distrust, trust, trusted_files

    if show:
        files = trusted_files(os.environ)
        if shared.json:
            data_json({"trusted": files})
        elif files:
            data("\n".join(files))
        else:
            words("no file is trusted")
        return
    file = _file(folder or Path.cwd())
    if remove:
        known = distrust(file, os.environ)
        data_json({"file": str(file), "removed": known}) if shared.json else words(
            f"{file} is no longer trusted" if known else f"{file} was not trusted"
        )
        return
    reasons = _reasons(file)
    trust(file, os.environ)
    if shared.json:
        data_json({"file": str(file), "allowed": reasons})
        return
    for reason in reasons:
        words(f"allowed: {reason}")
    data(f"{file} is trusted")


def _file(place: Path) -> Path:
    from indexes.settings.loader import FILE_NAME

    file = place / FILE_NAME if place.is_dir() else place
    if not file.is_file():
        raise SettingsError(f"there is no settings file '{file}'", remedy="name a folder with a rag.toml")
    return file.absolute()


def _reasons(file: Path) -> list[str]:
    from indexes.settings.loader import parse_file
    from indexes.settings.trust import keys_of, requests_of

    table: dict[str, Any] = parse_file(file)
    return [*requests_of(file, table), *keys_of(file, table)]
