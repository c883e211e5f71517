"""The user's folders for settings, caches and data of a program on this system."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from platformdirs import PlatformDirs
from platformdirs.api import PlatformDirsABC

NAME = "ragwright"
# The folders of earlier versions on all systems; an existing one stays in use.
_EARLIER = {"config": ".config", "cache": ".cache", "data": ".local/share"}


def user_folder(
    kind: Literal["config", "cache", "data"],
    environ: Mapping[str, str] = os.environ,
    *,
    system: type[PlatformDirsABC] = PlatformDirs,
) -> Path:
    """Return the folder of a kind, which need not exist: from XDG_CONFIG_HOME and the like, else the system's own.

    >>> user_folder("config", {"XDG_CONFIG_HOME": "/home/ada/.settings", "HOME": "/home/ada"}).as_posix()
    '/home/ada/.settings/ragwright'

    Args:
        environ: environment with HOME and the XDG variables.
        system: ``platformdirs`` class of another system, for tests.
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


def passed_over(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return a sentence if XDG_DATA_HOME names another data folder than the one in use; None if it does not.

    >>> passed_over({"HOME": "/home/nobody", "XDG_DATA_HOME": "/data"}) is None  # nothing lies in the old folder
    True
    """
    named, used = environ.get("XDG_DATA_HOME"), user_folder("data", environ)
    wanted = Path(named).expanduser() / NAME if named else used
    if wanted == used:
        return None
    return (
        f"XDG_DATA_HOME = '{named}' is not used, since '{used}' exists from before; to use it, move that folder to "
        f"'{wanted}', or set store.path"
    )


def below_home(folder: Path) -> Path:
    """Return a folder with "~" for the home folder, as shown in settings.

    >>> below_home(Path.home() / "models").as_posix()
    '~/models'
    """
    return Path("~") / folder.relative_to(Path.home()) if folder.is_relative_to(Path.home()) else folder
