"""Tables "name -> module:factory": what a setting or a package exports is imported on first use.

Engines over an open index come from an entry-point group: the floor above registers what this one offers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

ENGINES = "ragwright.engines"


def factory(table: Mapping[str, str], name: str) -> Callable[..., Any]:
    """Return the object that ``table`` names for ``name``, as "module:object".

    >>> factory({"basename": "os.path:basename"}, "basename")("docs/a.md")
    'a.md'
    """
    module, _, attribute = table[name].partition(":")
    made: Callable[..., Any] = getattr(import_module(module), attribute)
    return made


def face(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's ``__getattr__`` and ``__dir__``: each name is imported from its home on first use.

    This way ``--help`` of a command, which imports the packages for their settings, does not import llama_index.

    >>> get, names = face("demo", {"sqrt": "math"})
    >>> get("sqrt")(9), names()
    (3.0, ['sqrt'])
    >>> get("cbrt")
    Traceback (most recent call last):
        ...
    AttributeError: module 'demo' has no attribute 'cbrt'
    """

    def getattr_(name: str) -> Any:
        if name in homes:
            return getattr(import_module(homes[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return getattr_, lambda: list(homes)


class _Later(ModuleType):
    """A module that is imported when something in it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        module = import_module(self.__name__)
        vars(self).update(vars(module))
        return getattr(module, name)


def later(name: str) -> Any:
    """Return a module that is imported on first use; type checkers read the real import beside it.

    >>> later("math").floor(2.5)
    2
    """
    return _Later(name)


def find_builder(kind: str) -> Callable[..., Any] | None:
    """Return the registered function that builds this kind ("retriever", "query", "chat") from an index, or None.

    >>> find_builder("an unknown kind") is None
    True
    """
    from importlib.metadata import entry_points

    found = next(iter(entry_points(group=ENGINES, name=kind)), None)
    return None if found is None else found.load()
