"""AddedPages: pages that another package adds through the entry-point group ``ragwright.pages``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import APIRouter


@dataclass(frozen=True, slots=True)
class AddedPages:
    """Pages that another package adds; its entry point names a function that returns this.

    Args:
        router: their routes.
        templates: folder of their templates, which may extend ours.
        words: name -> (English, Chinese), in addition to ours.
        links: (address, English, Chinese) for the menu.
    """

    router: APIRouter
    templates: Path
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    links: tuple[tuple[str, str, str], ...] = ()
