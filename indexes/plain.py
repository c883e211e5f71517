"""Convert dataclasses to plain values for JSON, for all reports and stored rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any


class Plain:
    """Base of dataclasses that show all their fields; others extend ``as_dict``.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Row(Plain):
    ...     path: Path
    ...     score: float
    >>> Row(Path("a.md"), 0.5).as_dict()
    {'path': 'a.md', 'score': 0.5}
    """

    __slots__ = ()

    def as_dict(self) -> dict[str, Any]:
        return {one.name: plain(getattr(self, one.name)) for one in fields(self)}  # type: ignore[arg-type]


def plain(value: Any) -> Any:
    """Convert a value to lists, dicts, texts and numbers; a dataclass with its own ``as_dict``, if it has one.

    >>> plain({"pages": (1, 2)})
    {'pages': [1, 2]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        own = getattr(value, "as_dict", None)
        return own() if own is not None else {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value
