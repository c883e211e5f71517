"""Tables "name -> module:factory": what a setting names is imported when it is asked for, and nothing before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def factory(table: Mapping[str, str], name: str) -> Callable[..., Any]:
    """Return what ``table`` gives for ``name``, such as "indexes.encoders.packaged.minilm:load_minilm"."""
    module, _, attribute = table[name].partition(":")
    made: Callable[..., Any] = getattr(import_module(module), attribute)
    return made
