"""The user's folders: where this system keeps settings, caches and data of a program."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from platformdirs import PlatformDirs
from platformdirs.api import PlatformDirsABC

NAME = "ragwright"
# Where earlier versions kept them on every system; a folder that is there stays in use.
_EARLIER = {"config": ".config", "cache": ".cache", "data": ".local/share"}


def user_folder(
    kind: Literal["config", "cache", "data"],
    environ: Mapping[str, str] = os.environ,
    *,
    system: type[PlatformDirsABC] = PlatformDirs,
) -> Path:
    """Return the folder of a kind, made or not: XDG_CONFIG_HOME and its kind on every system, else the system's own.

    Args:
        environ: HOME and the XDG variables are read here.
        system: ``platformdirs``' class of another system, for tests.
    """
    home = Path(environ.get("HOME") or Path.home())
    named = environ.get(f"XDG_{kind.upper()}_HOME")
    earlier = home / _EARLIER[kind] / NAME
    if earlier.exists() and (kind == "data" or not named):  # earlier versions did not read XDG_DATA_HOME
        return earlier
    if named:
        return Path(named).expanduser() / NAME
    dirs = system(NAME, appauthor=False)
    found = {"config": dirs.user_config_path, "cache": dirs.user_cache_path, "data": dirs.user_data_path}[kind]
    return home / found.relative_to(Path.home()) if found.is_relative_to(Path.home()) else found


def below_home(folder: Path) -> Path:
    """Return a folder with "~" for the home folder, as settings show it."""
    return Path("~") / folder.relative_to(Path.home()) if folder.is_relative_to(Path.home()) else folder
