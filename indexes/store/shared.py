"""Stores that this process has open, each once: the one registry of the house.

Building or opening an index of a store that is open already shares it, as whoever runs a cell of a notebook twice
expects. References are weak and counted: the last ``close()`` closes the store, and a store that nobody holds any more
is gone from here.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from indexes.settings.sections import StoreSettings
from indexes.store.client import open_engine
from indexes.store.engine import Engine

_engines: WeakValueDictionary[tuple[int, str, str], Any] = WeakValueDictionary()
_users: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
_mutex = threading.RLock()


def open_shared(settings: StoreSettings, *, patience: float = 0.0) -> Engine:
    """Return the open store of the settings, or open it; ``release`` gives it back. Servers are not shared.

    Args:
        patience: seconds to wait for another process that has a collection of the embedded engine open.
    """
    if settings.url:
        return open_engine(settings)
    key = (os.getpid(), os.path.realpath(settings.path.expanduser()), settings.engine)
    with _mutex:
        engine = _engines.get(key)
        if engine is None or _closed(engine):
            engine = _engines[key] = open_engine(settings)
            _users[engine] = 0
            if hasattr(engine, "patience"):
                engine.patience = patience
        _users[engine] += 1
    return engine


def _closed(engine: Any) -> bool:
    """True if the client's local mode was closed by its holder."""
    return engine.kind != "edge" and getattr(getattr(engine.client, "_client", None), "closed", False)


def release(engine: Engine) -> None:
    """Close a store unless somebody else in this process has it open too."""
    if not forget(engine):
        engine.close()


def forget(engine: Any) -> bool:
    """Count one user less, as when an index is dropped without ``close()``; True if there are others."""
    with _mutex:
        left = _users.get(engine, 1) - 1
        if left > 0:
            _users[engine] = left
            return True
        _users.pop(engine, None)
        for key in [key for key, other in _engines.items() if other is engine]:
            del _engines[key]
    return False
