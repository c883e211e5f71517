"""The page that says why a request was refused."""

from __future__ import annotations

from starlette.requests import cookie_parser
from starlette.types import Scope

from rag.serve.errors import Problem
from rag.serve.pages.render import render
from rag.serve.pages.words import COOKIE, Words, choose_language


def refusal_page(problem: Problem, scope: Scope) -> str:
    """Return a page with the reason and what to do about it.

    >>> html = refusal_page(Problem("busy", "the queue is full", "try again in a minute"), {"type": "http"})
    >>> "the queue is full" in html, "try again in a minute" in html
    (True, True)
    """
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}
    chosen = cookie_parser(headers.get("cookie", "")).get(COOKIE)
    links = getattr(getattr(scope.get("app"), "state", None), "page_links", [])
    return render("refusal.html", Words(choose_language(headers, chosen)), problem=problem, here="", links=links)
