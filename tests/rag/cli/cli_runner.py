"""Running the command inside the test's process."""

from __future__ import annotations

import os
from collections.abc import Callable

from click.testing import CliRunner, Result

from rag.cli.main import main

Rag = Callable[..., Result]


def runner(environ: dict[str, str | None]) -> Rag:
    """``rag("search", "question", input=None)`` in this process, with no RAG_ variable but the given ones."""
    clean: dict[str, str | None] = {name: None for name in os.environ if name.startswith("RAG_")}

    def invoke(*args: str, input: str | None = None, env: dict[str, str | None] | None = None) -> Result:
        return CliRunner().invoke(main, list(args), input=input, env={**clean, **environ, **(env or {})})

    return invoke
