"""Choose a language model for a demo: a running Ollama's, else a fetched file, else one that is fetched now."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from indexes.addresses import ollama_base_url
from indexes.errors import RagWrightError
from indexes.http import ask_once
from rag.models.fetch import Progress, fetch_model
from rag.models.folder import auto_model, models_folder

TIMEOUT = 2.0  # seconds to wait for an Ollama server that may not be there
_NO_CHAT = re.compile(r"embed|bge|minilm|e5-|rerank|nomic|gte-|arctic", re.IGNORECASE)


@dataclass(slots=True)
class ModelChoice:
    """A language model to use.

    >>> ModelChoice({"provider": "none"}, ["answers are the documents' own sentences"]).llm
    {'provider': 'none'}

    Args:
        llm: settings of the ``llm`` section that use it.
        words: sentences about it for the user.
    """

    llm: dict[str, object]
    words: list[str] = field(default_factory=list)


def choose_model(
    fetch: str | None,
    *,
    preferred: str = "",
    progress: Progress | None = None,
    environ: Mapping[str, str] = os.environ,
) -> ModelChoice:
    """Return the best language model available here; extractive answers if there is none.

    Args:
        fetch: name of the model to fetch if there is none; None fetches nothing.
        preferred: name of the model to use if Ollama has it.
    """
    base_url = ollama_base_url(None, environ)
    models = _ollama_models(base_url)
    if models:
        model = next((name for name in models if name in (preferred, f"{preferred}:latest")), models[0])
        return ModelChoice(
            {"provider": "ollama", "model": model},
            [f"an Ollama server is running at {base_url}, so its model {model} writes the answers"],
        )
    name = auto_model(models_folder(environ))
    if name is not None:
        return ModelChoice({"provider": "llama_cpp", "model": name}, [f"the fetched model {name} writes the answers"])
    if fetch is None:
        return ModelChoice(
            {"provider": "none"}, ["there is no language model here, so answers are the documents' own sentences"]
        )
    try:
        found = fetch_model(fetch, progress=progress, environ=environ)
    except RagWrightError as error:
        return ModelChoice(
            {"provider": "none"},
            [
                f"the language model {fetch} could not be fetched: {error}",
                "answers are the documents' own sentences instead",
            ],
        )
    return ModelChoice(
        {"provider": "llama_cpp", "model": found.name},
        [*found.notes, f"{found.name} was fetched from {found.source}, and writes the answers"],
    )


def _ollama_models(base_url: str, timeout: float = TIMEOUT) -> list[str]:
    """Return the names of the chat models of an Ollama server, newest first; [] if no server is running."""
    entries = ask_once(base_url, "/api/tags", timeout=timeout).object().get("models")
    rows = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    names = [str(entry.get("name") or entry.get("model")) for entry in rows]
    return [name for name in names if not _NO_CHAT.search(name)]
