"""Open the engine that the settings name: embedded, a server, or qdrant-client's local mode."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from indexes.display import without_key
from indexes.errors import MissingExtraError, SettingsError, StoreError, StoreUnreachableError
from indexes.files import make_private
from indexes.settings.sections import StoreSettings
from indexes.store.engine import ClientEngine, Engine

OURS = ("edge", "manifests", "encodings", "uploads", "keys.toml", "feedback.jsonl")  # content of a store's folder
EDGE_INSTALL = "pip install 'qdrant-edge-py==0.9.*'"


def open_engine(settings: StoreSettings, **options: Any) -> Engine:
    """Open the store of the settings; ``engine.client`` is its Qdrant client, created on first access.

    >>> engine = open_engine(StoreSettings(url=":memory:"))
    >>> engine.kind, engine.client.get_collections().collections
    ('memory', [])

    Without a url this is the embedded engine in ``settings.path`` (Qdrant Edge; without its wheel, qdrant-client's
    local mode and a warning). A url names a server or cluster, which is contacted once. ":memory:" is for tests.

    Args:
        options: passed to ``QdrantClient`` for a server (``transport=`` of httpx, ``headers=`` ...).

    Raises:
        StoreUnreachableError: the server does not answer, or rejects the key.
        MissingExtraError: ``engine = "edge"`` without the wheel.
    """
    if settings.url == ":memory:":
        from qdrant_client import QdrantClient

        return ClientEngine(QdrantClient(":memory:"))
    if settings.url:
        return ClientEngine(_open_server(settings, settings.url, options))
    if settings.engine != "local":
        if _edge_is_installed():
            from indexes.store.edge.client import EdgeClient

            make_private(settings.path.expanduser(), OURS)
            client = EdgeClient(settings.path.expanduser() / "edge", min_free_mb=settings.min_free_mb)
            client.end_deletions()
            return client
        if settings.engine == "edge":
            raise MissingExtraError.of("qdrant-edge-py", needed_for="store.engine = 'edge'", install=EDGE_INSTALL)
        warnings.warn(
            "Qdrant Edge is not installed, so qdrant-client's local mode is used, which is about a hundred times "
            f"slower: install Edge ({EDGE_INSTALL}) or use a Qdrant server (store.url)",
            RuntimeWarning,
            stacklevel=2,
        )
    return ClientEngine(_open_local(settings))


def as_engine(client: Any) -> Engine:
    """Return the engine of a Qdrant client; an engine is returned unchanged.

    >>> from qdrant_client import QdrantClient
    >>> as_engine(QdrantClient(":memory:")).kind
    'memory'
    """
    from indexes.store.edge.client import EdgeClient

    if isinstance(client, (EdgeClient, ClientEngine)):
        return client
    engine = getattr(client, "engine", None)  # only of the embedded engine's client
    return engine if isinstance(engine, EdgeClient) else ClientEngine(client)


def _edge_is_installed() -> bool:
    """Return whether Qdrant Edge, the embedded engine, can be imported."""
    try:
        import qdrant_edge  # noqa: F401
    except ImportError:
        return False
    return True


def _open_local(settings: StoreSettings) -> Any:
    from qdrant_client import QdrantClient

    from indexes.errors import CollectionLockedError

    folder = settings.path.expanduser() / "local"
    try:
        with warnings.catch_warnings():
            # It recommends a server from 20,000 points on; our own warning came before.
            warnings.filterwarnings("ignore", message=".*Local mode is not recommended.*")
            return QdrantClient(path=str(folder), force_disable_check_same_thread=True)
    except RuntimeError as error:
        if "already accessed" not in str(error):
            raise
        raise CollectionLockedError(
            f"the collections in {folder} are held open by another client or process",
            remedy="stop it, or use a Qdrant server (store.url) to share one collection",
        ) from error


def _open_server(settings: StoreSettings, url: str, options: dict[str, Any]) -> Any:
    from qdrant_client import QdrantClient
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    from indexes.addresses import is_loopback
    from indexes.http import stream_limits

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            f"store.url is {url!r}, which is not an http:// or https:// address",
            remedy="write it like http://localhost:6333, or leave it out for the embedded engine",
        )
    api_key = os.environ.get(settings.api_key_env) or None
    arguments: dict[str, Any] = {
        "url": url,
        "api_key": api_key,
        "prefer_grpc": settings.grpc,
        "timeout": max(1, round(settings.timeout)),
        "check_compatibility": False,  # the check runs in a thread, ignores our proxy rule, and only warns
        **stream_limits(settings.timeout),
        **options,
    }
    if is_loopback(url):
        arguments["trust_env"] = False
        if settings.grpc:
            arguments["grpc_options"] = {"grpc.enable_http_proxy": 0, **options.get("grpc_options", {})}
    with warnings.catch_warnings():
        if is_loopback(url):
            warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        try:
            client = QdrantClient(**arguments)
        except ValueError as error:  # an invalid host; urllib3's LocationParseError is a ValueError too
            raise SettingsError(
                f"store.url is {url!r}, which cannot be used ({error})", remedy="write it like http://localhost:6333"
            ) from error

    def translate(request: Any, send: Callable[[Any], Any]) -> Any:
        """Turn failures of later REST calls into one sentence; 409 and 429 are left to the callers."""
        try:
            response = send(request)
        except ResponseHandlingException as error:
            raise _server_error(error, url, settings.api_key_env, api_key is not None) from error
        if response.status_code >= 300 and response.status_code not in (409, 429):
            refusal = UnexpectedResponse.for_response(response)
            if response.status_code in (401, 403):
                raise _server_error(refusal, url, settings.api_key_env, api_key is not None)
            reason = without_key(_reason(response), api_key)
            raise StoreError(
                f"the Qdrant server at {url} refused {request.method} {request.url.path}: {reason}",
                remedy="if the reason is not clear from its answer, look at the server's log",
            ) from refusal
        return response

    try:
        client.get_collections()
    except Exception as error:
        client.close()
        raise _server_error(error, url, settings.api_key_env, api_key is not None) from error
    client.http.client.add_middleware(translate)
    return client


def _reason(response: Any) -> str:
    """Return the error in the server's JSON, or the beginning of another answer."""
    try:
        return str(response.json()["status"]["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code} {response.text[:200]!r}"


def _server_error(error: Exception, url: str, key_variable: str, has_key: bool) -> StoreUnreachableError:
    status = getattr(error, "status_code", None)
    code = getattr(error, "code", None)  # gRPC
    code_name = getattr(code() if callable(code) else code, "name", "")
    if status in (401, 403) or code_name in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return StoreUnreachableError(
            f"the Qdrant server at {url} refused "
            + (f"the key in {key_variable}" if has_key else "a request without key"),
            remedy=f"put the right key into the environment variable {key_variable}",
        )
    if status is not None:
        return StoreUnreachableError(
            f"{url} answered with status {status}, which a Qdrant server would not do",
            remedy="check store.url: its port is usually 6333, and 6334 is gRPC",
        )
    reason = str(getattr(error, "source", None) or getattr(error, "details", lambda: "")() or error).strip()
    return StoreUnreachableError(
        f"the Qdrant server at {url} does not answer ({reason or type(error).__name__})",
        remedy="start it (docker run -p 6333:6333 qdrant/qdrant), correct store.url, or leave it out to use the "
        "embedded engine",
    )
