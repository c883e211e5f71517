"""The ``.env`` beside a settings file, from which only API keys are read.

It counts as part of that file: one that came with a folder is read only after ``rag trust``. Variables that are already
set are not changed, and only names that the settings assign to keys are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

NAME = ".env"
SECRET = re.compile(r"key|token|secret|passw", re.IGNORECASE)
LARGEST = 100_000  # bytes; a file of keys is small

_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*
    (?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<plain>.*?))\s*(?:(?<=\s)\#.*)?""",
    re.VERBOSE,
)


def keys_beside(file: Path, names: Iterable[str]) -> dict[str, str]:
    r"""Return variable -> key for those of ``names`` that the ``.env`` beside ``file`` sets; {} without such a file.

    Lines are ``NAME=VALUE``, with quotes, ``export`` and comments as in a shell; nothing is expanded.

    >>> _ = (folder / ".env").write_text("export RAG_API_KEY='k3y'  # of the server\nHOME=/tmp\n")
    >>> keys_beside(folder / "rag.toml", ["RAG_API_KEY", "HOME"])
    {'RAG_API_KEY': 'k3y'}
    """
    try:
        with (file.parent / NAME).open(encoding="utf-8-sig", errors="replace") as stream:
            lines = stream.read(LARGEST).splitlines()
    except OSError:
        return {}
    wanted = {name for name in names if SECRET.search(name)}
    found = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is not None and match["name"] in wanted:
            value = next(part for part in (match["double"], match["single"], match["plain"]) if part is not None)
            if value:
                found[match["name"]] = value
    return found
