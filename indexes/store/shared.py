"""Registry of the stores that this process has open, each once.

Opening an index of a store that is already open shares it, so that a notebook cell can be run twice. References are
weak and counted: the last ``close()`` closes the store, and an unreferenced store disappears from the registry.
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
    """Return the open store of the settings, or open it; ``release`` ends its use. Servers are not shared.

    >>> settings = StoreSettings(url=None, path=folder)
    >>> one, other = open_shared(settings), open_shared(settings)
    >>> one is other
    True
    >>> release(one)
    >>> release(other)

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
    """Return whether the client's local mode was closed."""
    return engine.kind != "edge" and getattr(getattr(engine.client, "_client", None), "closed", False)


def release(engine: Engine) -> None:
    """Close a store unless another user in this process has it open.

    >>> engine = open_shared(StoreSettings(path=folder))
    >>> again = open_shared(StoreSettings(path=folder))
    >>> release(again)
    >>> engine.calls.get_collections().collections
    []
    >>> release(engine)
    """
    if not forget(engine):
        engine.close()


def forget(engine: Any) -> bool:
    """Unregister one user, as for an index dropped without ``close()``; return whether others remain.

    >>> settings = StoreSettings(path=folder)
    >>> engine, again = open_shared(settings), open_shared(settings)
    >>> forget(engine), forget(again)
    (True, False)
    >>> engine.close()
    """
    with _mutex:
        left = _users.get(engine, 1) - 1
        if left > 0:
            _users[engine] = left
            return True
        _users.pop(engine, None)
        for key in [key for key, other in _engines.items() if other is engine]:
            del _engines[key]
    return False
