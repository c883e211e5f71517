"""Engines over an open index, found through an entry-point group: the floor above registers what this one offers."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

GROUP = "ragwright.engines"


def find_builder(kind: str) -> Callable[..., Any] | None:
    """Return the registered function that builds this kind ("retriever", "query", "chat") from an index, or None."""
    found = next(iter(entry_points(group=GROUP, name=kind)), None)
    return None if found is None else found.load()
