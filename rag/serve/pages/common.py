"""What every page needs: its frame in the reader's language, the key, forms, and addresses of places in documents."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse

from rag.serve.errors import Problem
from rag.serve.keys import AccessKey, same_origin
from rag.serve.pages.added import AddedPages
from rag.serve.pages.render import HEADERS, render
from rag.serve.pages.words import COOKIE as LANGUAGE_COOKIE
from rag.serve.pages.words import Words, choose_language
from rag.serve.service import Service

# What a question may set for itself on a page; with "_b" behind, those of the setting it is compared with.
CHOICES = ("top_k", "window", "rerank", "hyde", "fusion")


def page(
    request: Request, template: str, status: int = 200, *, added: AddedPages | None = None, **values: Any
) -> HTMLResponse:
    """A page in the reader's language, under the strict content policy."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    language = choose_language(headers, request.cookies.get(LANGUAGE_COOKIE))
    words = Words(language, added.words if added else None)
    links = request.app.state.page_links
    more = added.templates if added else None
    here = request.url.path
    whole = f"{here}?{request.url.query}" if request.url.query else here
    shown = render(template, words, more=more, here=here, whole=whole, links=links, **values)
    return HTMLResponse(shown, status, headers=dict(HEADERS))


def key_or_none(request: Request) -> AccessKey | None:
    """The request's key; None: the page asks for one."""
    return getattr(request.state, "key", None)


def login_page(request: Request, wrong: bool = False) -> HTMLResponse:
    return page(request, "login.html", 401 if wrong else 200, wrong=wrong, next=request.url.path)


async def seen(service: Service, key: AccessKey) -> list[str]:
    """The collections that the key may see."""
    return await asyncio.to_thread(service.collections, key)


def check_own_page(request: Request) -> None:
    """Refuse a form that another site's page has sent.

    Raises:
        Problem: "forbidden".
    """
    if "origin" in request.headers and not same_origin(dict(request.headers)):
        raise Problem("forbidden", "this request came from another site's page", "use the server's own page")


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form, as sent without files."""
    raw = (await request.body()).decode("utf-8", "replace")
    return {name: values[-1] for name, values in parse_qs(raw, keep_blank_values=True).items()}


def as_body(form: dict[str, str], end: str = "") -> dict[str, Any]:
    """A form's fields as the JSON API's.

    Args:
        end: "_b" reads the setting that another one is compared with.
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
    """The address that asks the same again, with what it set."""
    names = ("question", "collection", *CHOICES, "filters")
    return f"/?{urlencode({name: form[name] for name in names if form.get(name)})}"


def own_address(text: str) -> str:
    """An address of this server that a form names, else its first page."""
    return text if text.startswith("/") and not text.startswith(("//", "/\\")) else "/"
