"""run_server: one process on one address, with the file by which other commands find it."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from indexes.errors import SettingsError
from rag.serve.address import announced, check_alone
from rag.serve.app import build_app, is_loopback_host
from rag.serve.keys import KeyRing, keys_path
from rag.settings import Settings

BACKLOG = 128


def check_bind(settings: Settings, keys: KeyRing) -> None:
    """Refuse to listen for other machines without a key.

    >>> check_bind(Settings(), KeyRing(folder / "keys.toml"))  # this machine only: no key is needed
    >>> check_bind(Settings.model_validate({"serve": {"host": "0.0.0.0"}}), KeyRing(folder / "keys.toml"))
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: serve.host = '0.0.0.0' can be reached from other machines, and no key is configured;
     make one with 'rag key new NAME --scope read,ask', or listen on 127.0.0.1

    Raises:
        SettingsError: there is no key; the message has the command that makes one.
    """
    if not is_loopback_host(settings.serve.host) and len(keys) == 0:
        raise SettingsError(
            f"serve.host = {settings.serve.host!r} can be reached from other machines, and no key is configured",
            remedy="make one with 'rag key new NAME --scope read,ask', or listen on 127.0.0.1",
        )


def bind(host: str, port: int) -> socket.socket:
    """Return a bound socket, so that the address is known before the models are loaded.

    >>> with closing(bind("127.0.0.1", 0)) as listening:  # port 0: a free one
    ...     listening.getsockname()[1] > 0
    True

    Raises:
        SettingsError: the address is taken or cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise SettingsError(
            f"cannot listen on {host}:{port}: {error.strerror or error}", remedy="choose another --port or --host"
        ) from error
    made.listen(BACKLOG)
    made.set_inheritable(True)
    return made


def addresses(base: str, *, mcp: bool) -> dict[str, str]:
    """Return the addresses to paste into other programs.

    >>> addresses("http://127.0.0.1:8321", mcp=False)["openai"]
    'http://127.0.0.1:8321/v1'
    """
    found = {"page": f"{base}/", "dify": base, "openai": f"{base}/v1", "api": f"{base}/api/v1"}
    if mcp:
        found["mcp"] = f"{base}/mcp"
    return found


def run_server(
    settings: Settings,
    *,
    on_start: Callable[[dict[str, str]], None] = lambda addresses: None,
    on_ready: Callable[[dict[str, str]], None] = lambda addresses: None,
    say: Callable[[str], None] = lambda step: None,
    watch: Sequence[Path] = (),
) -> int:
    """Serve until SIGTERM or Ctrl-C; return 0 if everything was closed in order.

    Args:
        on_start: called with the addresses (name -> URL) once the server listens; it answers 503 until it is ready.
        on_ready: called with them once the models are loaded and questions are answered.
        say: called with what is loaded next.
        watch: folders that are kept in sync with ``settings.collection``.

    Raises:
        SettingsError: the address cannot be used, or other machines could reach it without a key.
        SourceError: one of ``watch`` is not a folder.
        StoreError: another server of this store is running.
    """
    import uvicorn

    from rag.serve.draining import DrainingServer

    keys = KeyRing(keys_path(settings.store))
    check_bind(settings, keys)
    check_alone(settings)  # before its address is found taken, which says less
    with closing(bind(settings.serve.host, settings.serve.port)) as listening:
        host = settings.serve.host if not is_loopback_host(settings.serve.host) else "127.0.0.1"
        shown = f"[{host}]" if ":" in host else host
        base = f"http://{shown}:{listening.getsockname()[1]}"
        token = secrets.token_urlsafe(32)
        with announced(settings, base, token):
            found: dict[str, str] = {}
            app = build_app(
                settings, keys=keys, owner_token=token, watch=watch, say=say, on_ready=lambda: on_ready(found)
            )
            found.update(addresses(base, mcp=app.state.mcp))
            config = uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_graceful_shutdown=1,  # the server has drained by then
            )
            server = DrainingServer(config, settings.serve.drain_seconds)
            on_start(found)
            logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
            server.run(sockets=[listening])
    return 0
