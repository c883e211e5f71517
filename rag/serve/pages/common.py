"""What every page needs: its frame in the reader's language, the key, forms, and links into documents."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse

from rag.serve.errors import Problem
from rag.serve.incoming import key_of, require
from rag.serve.keys import AccessKey, same_origin
from rag.serve.pages.added import AddedPages
from rag.serve.pages.render import HEADERS, render
from rag.serve.pages.words import COOKIE as LANGUAGE_COOKIE
from rag.serve.pages.words import Words, choose_language
from rag.serve.service import Service

# What a question can set on a page; with the suffix "_b", those of the setting that it is compared with.
CHOICES = ("top_k", "window", "rerank", "hyde", "fusion")


def page(
    request: Request, template: str, status: int = 200, *, added: AddedPages | None = None, **values: Any
) -> HTMLResponse:
    """Return a page in the reader's language, with the strict content security policy."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    language = choose_language(headers, request.cookies.get(LANGUAGE_COOKIE))
    words = Words(language, added.words if added else None)
    links = request.app.state.page_links
    more = added.templates if added else None
    here = request.url.path
    whole = f"{here}?{request.url.query}" if request.url.query else here
    shown = render(template, words, more=more, here=here, whole=whole, links=links, **values)
    return HTMLResponse(shown, status, headers=dict(HEADERS))


class KeyWanted(Exception):
    """A page was opened without a key: the answer is the page that asks for one."""


def reader_of(request: Request, scope: str = "") -> AccessKey:
    """Return the request's key.

    >>> from types import SimpleNamespace
    >>> reader_of(SimpleNamespace(state=SimpleNamespace(key=None)))
    Traceback (most recent call last):
        ...
    rag.serve.pages.common.KeyWanted

    Raises:
        KeyWanted: it has none.
        Problem: the key lacks ``scope``.
    """
    if getattr(request.state, "key", None) is None:
        raise KeyWanted
    return require(request, scope) if scope else key_of(request)


def login_page(request: Request, wrong: bool = False) -> HTMLResponse:
    """Return the page that asks for a key."""
    return page(request, "login.html", 401 if wrong else 200, wrong=wrong, next=request.url.path)


async def seen(service: Service, key: AccessKey) -> list[str]:
    """Return the collections that the key may access; first the one that the server was started with.

    >>> from types import SimpleNamespace
    >>> from rag.settings import Settings
    >>> settings = Settings(collection="guide")
    >>> service = SimpleNamespace(collections=lambda key: ["archive", "guide"], settings=settings)
    >>> asyncio.run(seen(service, None))
    ['guide', 'archive']
    """
    names = await asyncio.to_thread(service.collections, key)
    return sorted(names, key=lambda name: name != service.settings.collection)


def check_own_page(request: Request) -> None:
    """Refuse a form from another site's page.

    >>> from types import SimpleNamespace
    >>> check_own_page(SimpleNamespace(headers={"origin": "http://127.0.0.1:8321", "host": "127.0.0.1:8321"}))
    >>> check_own_page(SimpleNamespace(headers={"origin": "https://other.example", "host": "127.0.0.1:8321"}))
    Traceback (most recent call last):
        ...
    rag.serve.errors.Problem: this request came from another site's page; use the server's own page

    Raises:
        Problem: "forbidden".
    """
    if "origin" in request.headers and not same_origin(dict(request.headers)):
        raise Problem("forbidden", "this request came from another site's page", "use the server's own page")


async def form_of(request: Request) -> dict[str, str]:
    """Read the fields of a form without files.

    >>> async def receive():
    ...     return {"type": "http.request", "body": b"question=When%3F&top_k="}
    >>> asyncio.run(form_of(Request({"type": "http", "headers": []}, receive)))
    {'question': 'When?', 'top_k': ''}
    """
    raw = (await request.body()).decode("utf-8", "replace")
    return {name: values[-1] for name, values in parse_qs(raw, keep_blank_values=True).items()}


def as_body(form: dict[str, str], end: str = "") -> dict[str, Any]:
    """Return a form's fields as a body of the JSON API.

    >>> as_body({"question": "When?", "top_k": "5", "rerank": "off"})
    {'question': 'When?', 'collection': None, 'filters': [], 'top_k': 5, 'rerank': False}

    Args:
        end: "_b" reads the second setting of a comparison.
    """
    body: dict[str, Any] = {"question": form.get("question", ""), "collection": form.get("collection") or None}
    body["filters"] = [line.strip() for line in form.get("filters", "").splitlines() if line.strip()]
    for name in ("top_k", "window"):
        if form.get(name + end, "").strip().isdigit():
            body[name] = int(form[name + end])
    for name in ("hyde", "fusion"):
        if form.get(name + end):
            body[name] = form[name + end]
    if form.get(f"rerank{end}") in ("on", "off"):
        body["rerank"] = form[f"rerank{end}"] == "on"
    return body


def question_link(form: dict[str, str]) -> str:
    """Return the address that asks the same question again, with the same settings.

    >>> question_link({"question": "When?", "collection": "handbook"})
    '/?question=When%3F&collection=handbook'
    """
    names = ("question", "collection", *CHOICES, "filters")
    return f"/?{urlencode({name: form[name] for name in names if form.get(name)})}"


def own_address(text: str) -> str:
    """Return an address of this server that a form names, else the first page.

    >>> own_address("/docs"), own_address("//example.org")
    ('/docs', '/')
    """
    return text if text.startswith("/") and not text.startswith(("//", "/\\")) else "/"
