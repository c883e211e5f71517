"""build_app: one application with all doors, its life from loading to draining, and what all routes share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from indexes.display import safe
from indexes.errors import RagWrightError
from rag.serve.errors import Door, Problem, door_of, problem_of
from rag.serve.gate import Gate
from rag.serve.incoming import require, service_of
from rag.serve.keys import KeyRing, keys_path
from rag.serve.library import Library
from rag.serve.service import Service
from rag.serve.telemetry.metrics import OTHER, Metrics, package_version
from rag.serve.writing.jobs import Jobs
from rag.serve.writing.uploads import forget_incoming
from rag.serve.writing.watch import Watcher
from rag.settings import Settings


class _NoSecrets(logging.Filter):
    """Remove secrets from log records: errors of clients hold addresses with logins, and what servers echo."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = safe(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = safe(logging.Formatter().formatException(record.exc_info))
        return True


log = logging.getLogger("ragwright.serve")
log.addFilter(_NoSecrets())
ROUTES = {"dify": "dify", "openai": "chat", "mcp": "mcp", "api": "api", "page": "page"}


def build_app(
    settings: Settings,
    *,
    library: Library | None = None,
    keys: KeyRing | None = None,
    owner_token: str = "",
    load: bool = True,
    watch: Sequence[Path] = (),
    say: Callable[[str], None] = lambda step: None,
    on_ready: Callable[[], None] = lambda: None,
) -> FastAPI:
    """Build the application with every door.

    Args:
        settings: the whole tree; ``serve`` configures the server.
        library: an open store, for tests; default: opened from the settings when the server starts.
        keys: the server's keys; default: those beside the store.
        owner_token: accepted as a key with every right (for the command line of the same account).
        load: whether to load the models when the server starts; False if a test has loaded them.
        watch: folders that are kept in sync with ``settings.collection`` while the server runs.
        say: called with what is loaded next.
        on_ready: called once questions are answered.

    Raises:
        SettingsError: ``serve.origins`` is "*" while keys are configured.
        SourceError: one of ``watch`` is not a folder.
    """
    from indexes.errors import SettingsError

    keys = keys if keys is not None else KeyRing(keys_path(settings.store))
    if "*" in settings.serve.origins and len(keys):
        raise SettingsError("serve.origins is '*' while keys are configured", remedy="name the origins")
    metrics = Metrics()
    library = library or Library(settings, only=settings.serve.collections)
    service = Service(library, metrics)
    jobs = Jobs(library, metrics)
    watcher: Watcher | None = None
    if watch:
        own, ready = settings.store.path.expanduser(), lambda: service.state == "ready"
        watcher = Watcher(jobs, settings.collection, watch, store=own, ready=ready)
    stack = AsyncExitStack()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        forget_incoming(settings.store)
        loading = asyncio.ensure_future(_load(service, load, say, on_ready))
        if watcher is not None:
            watcher.start()
        async with stack:
            for enter in app.state.lifespans:
                await stack.enter_async_context(enter())
            yield
            service.state = "draining"
            if watcher is not None:
                watcher.stop()
            jobs.stop()
            loading.cancel()
        await asyncio.to_thread(jobs.close)
        service.close()

    app = FastAPI(
        title="RagWright",
        version=package_version(),
        description="Search and cited answers from your own documents.",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service, app.state.jobs, app.state.metrics = service, jobs, metrics
    app.state.keys, app.state.settings, app.state.lifespans = keys, settings, []
    app.state.watcher = watcher
    _common(app)
    _health(app)
    from rag.serve.api.owner import router as owner_router
    from rag.serve.api.routes import router as api_router
    from rag.serve.dify.route import router as dify_router
    from rag.serve.openai.routes import router as openai_router
    from rag.serve.pages.routes import mount_pages

    for router in (dify_router, openai_router, api_router, owner_router):
        app.include_router(router)
    mount_pages(app)
    from rag.serve.mcp.mount import mount_mcp

    mount_mcp(app)
    app.add_middleware(
        Gate,
        keys=keys,
        loopback=is_loopback_host(settings.serve.host),
        hosts=settings.serve.hosts,
        owner_token=owner_token,
        upload_bytes=settings.serve.upload_mb * 1_000_000,
        metrics_open=settings.serve.metrics_open,
        on_reject=lambda problem: metrics.rejected.labels(_reason(problem)).inc(),
        on_done=_counter(metrics),
    )
    if settings.serve.origins:  # outermost: a browser's preflight request has no key
        from starlette.middleware.cors import CORSMiddleware

        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.serve.origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type"],
            expose_headers=["retry-after", "x-request-id"],
        )
    return app


def is_loopback_host(host: str) -> bool:
    """Return whether a bind address can be reached only from this machine.

    >>> is_loopback_host("127.0.0.1"), is_loopback_host("0.0.0.0")
    (True, False)
    """
    return host in ("localhost", "::1") or host.startswith("127.")


async def _load(service: Service, load: bool, say: Callable[[str], None], on_ready: Callable[[], None]) -> None:
    if not load:
        service.state = "ready"
        return
    try:
        await asyncio.to_thread(service.warm, say)
    except Exception as error:
        log.exception("the server cannot answer: %s", problem_of(error))
    else:
        on_ready()


def _common(app: FastAPI) -> None:
    """Answer every exception in the form of its door, without traceback, path or key."""

    async def handle(request: Request, error: Exception) -> Response:
        door = door_of(request.url.path)
        if isinstance(error, RequestValidationError):
            first = error.errors()[0] if error.errors() else {}
            place = ".".join(str(part) for part in first.get("loc", ())[1:])
            problem = Problem("bad_request", f"{place or 'the request'}: {first.get('msg', 'cannot be read')}")
        elif isinstance(error, HTTPException):
            code: Any = "not_found" if error.status_code in (404, 405) else "bad_request"
            problem = Problem(code, f"there is nothing at {request.method} {request.url.path}")
        else:
            problem = problem_of(error)
        if (reason := _reason(problem)) != OTHER:
            request.app.state.metrics.rejected.labels(reason).inc()
        if door == "page":
            from rag.serve.pages.refusal import refusal_page

            return Response(refusal_page(problem, request.scope), problem.status(door), media_type="text/html")
        return JSONResponse(problem.body(door), problem.status(door), headers=problem.headers(door))

    for kind in (Problem, RagWrightError, RequestValidationError, HTTPException):  # the gate answers for all others
        app.add_exception_handler(kind, handle)


def _health(app: FastAPI) -> None:
    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """Report liveness: the event loop runs."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    async def readyz(request: Request) -> JSONResponse:
        """Report readiness: models are loaded and the store answers."""
        service = service_of(request)
        checks: dict[str, Any] = {"models": service.state == "ready"}
        if service.failure:
            checks["failure"] = service.failure
        if service.state == "ready":
            try:
                checks["collections"] = len(await asyncio.to_thread(service.library.names))
            except Exception as error:  # noqa: BLE001 - reported in the answer
                checks["store"] = str(problem_of(error))
                return JSONResponse({"status": "failing", "checks": checks}, 503)
            return JSONResponse({"status": "ready", "checks": checks})
        return JSONResponse({"status": service.state, "checks": checks}, 503, headers={"Retry-After": "2"})

    @app.get("/metrics", tags=["health"])
    async def metrics_page(request: Request) -> Response:
        """Return metrics for Prometheus."""
        if not request.app.state.settings.serve.metrics_open:
            require(request, "read")
        service = service_of(request)
        await asyncio.to_thread(service.refresh_gauges)
        body, kind = request.app.state.metrics.page(request.headers.get("accept"))
        return Response(body, media_type=kind)


def _counter(metrics: Metrics) -> Any:
    """Return what the gate calls after each response."""

    def count(door: Door, state: dict[str, Any], status: int, seconds: float) -> None:
        collection = metrics.label(state.get("collection"))
        answered = state.get("answer_status", "error" if status >= 400 else "passages")
        metrics.requests.labels(state.get("route", ROUTES[door]), collection, answered, str(status)).inc()
        metrics.duration.labels(state.get("route", ROUTES[door]), collection).observe(seconds)

    return count


def _reason(problem: Problem) -> str:
    words = {"busy": "queue_full", "too_large": "too_large", "deadline": "deadline", "draining": "draining"}
    if problem.code in ("no_key", "bad_key", "forbidden"):
        return "unauthorized"
    return words.get(problem.code, OTHER)
