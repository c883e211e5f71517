"""Dataclasses as plain values, for JSON: what every report and every row that is kept needs, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any


class Plain:
    """Base of dataclasses that show all their fields; one that shows more, or less, extends ``as_dict``."""

    __slots__ = ()

    def as_dict(self) -> dict[str, Any]:
        return {one.name: plain(getattr(self, one.name)) for one in fields(self)}  # type: ignore[arg-type]


def plain(value: Any) -> Any:
    """Return the value as lists, dicts, texts and numbers; a dataclass by its own ``as_dict`` where it has one."""
    if is_dataclass(value) and not isinstance(value, type):
        own = getattr(value, "as_dict", None)
        return own() if own is not None else {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value
