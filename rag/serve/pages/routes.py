"""mount_pages: the pages, those that other packages add, and their static files."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from rag.serve.pages import asking, managing, reading
from rag.serve.pages.added import AddedPages
from rag.serve.pages.common import KeyWanted, login_page

FOLDER = Path(__file__).parent


def mount_pages(app: FastAPI) -> None:
    """Add the pages and their static files; without script, posting a form returns the finished page."""
    for pages in (asking, reading, managing):
        app.include_router(pages.router)
    app.add_exception_handler(KeyWanted, lambda request, _: login_page(request))
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    app.state.page_links = []
    for point in entry_points(group="ragwright.pages"):
        added: AddedPages = point.load()()
        app.include_router(added.router)
        app.state.page_links += added.links
