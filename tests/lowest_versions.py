"""Print the lowest versions that pyproject.toml allows, as constraints for pip: what ``make check-lowest`` installs.

Of each direct dependency the lower bound, of everything below them what pip takes. torch is left out: it is installed
first and pinned, because its older builds are not to be had without CUDA everywhere.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

LEFT_OUT = {"torch", "ragwright"}


def lowest(project: dict) -> list[str]:
    extras = project["optional-dependencies"]
    lines = [
        *project["dependencies"],
        *(line for name in ("offline", "office", "eval", "serve", "mcp", "dev") for line in extras[name]),
    ]
    found = []
    for line in lines:
        match = re.match(r"([A-Za-z0-9_.-]+)[^;]*?(?:>=|==)([0-9.]+[0-9])", line)
        if match and match[1] not in LEFT_OUT:
            found.append(f"{match[1]}=={match[2]}{'.*' if '==' in line.split(';')[0] else ''}")
    return found


if __name__ == "__main__":
    path = Path(__file__).resolve().parents[1] / "pyproject.toml"
    print("\n".join(lowest(tomllib.loads(path.read_text(encoding="utf-8"))["project"])))
