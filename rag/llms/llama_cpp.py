"""llama.cpp inside this process, for machines without a model server: a GGUF file, by path or fetched name.

xllamacpp runs llama.cpp's own server in threads of this process; ``LocalChat`` calls it over a free loopback port whose
key only this process has. So chat templates, streaming, async and cancellation are not implemented a second time.
"""

from __future__ import annotations

import os
import secrets
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
from llama_index.core.bridge.pydantic import PrivateAttr

from indexes.errors import LLMError, LLMModelNotFoundError, MissingExtraError
from indexes.http import http_client
from rag.llms.guard import Guard
from rag.llms.local_chat import LocalChat
from rag.llms.thinking import thinking_switch
from rag.llms.transports import ONE_REQUEST, async_stream_options, stream_options
from rag.settings import LLMSettings

INSTALL = "pip install 'ragwright[offline]'"
# Prompt tokens per thread and step. A request can be cancelled only between steps: with 1.5 billion parameters a step
# of 32 takes one second on one thread, and 16, 32 and 64 read 31, 35 and 38 tokens a second.
READ_AT_ONCE = 32
PATIENCE = 86_400.0  # seconds: reading a long prompt on a slow machine takes long, and no network can fail here
MOST_THREADS = 8  # reading a prompt gains little from more, and writing is limited by memory bandwidth


class LlamaCpp(Guard, LocalChat):
    """An LLM in this process; start it with ``start_llama_cpp``.

    ``close()`` frees its memory; copies share the model. ``context_window`` is the setting, or less if the model was
    trained with less.
    """

    _servers: list[Any] = PrivateAttr()  # one, or none after close(); copies share the list
    _http: httpx.Client = PrivateAttr()
    _count: Any = PrivateAttr()

    def __init__(self, server: Any, **fields: Any) -> None:
        super().__init__(**fields)
        self._servers = [server]
        self._http = http_client(str(server.listening_address), 30.0, self.api_key, limits=ONE_REQUEST)
        self.context_window = min(self.context_window, self._true_context())
        self._count = lru_cache(maxsize=4096)(self._tokenize)

    @classmethod
    def class_name(cls) -> str:
        return "LlamaCpp"

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text in the model's vocabulary, without special tokens."""
        return self._count(text)

    def close(self) -> None:
        """Stop the threads and free the model. The LLM and its copies cannot be used afterwards."""
        self._servers.clear()  # xllamacpp stops its server with the last reference
        self._http.close()

    def _tokenize(self, text: str) -> int:
        answer = self._http.post("/tokenize", json={"content": text, "parse_special": False})
        answer.raise_for_status()
        return len(answer.json()["tokens"])

    def _true_context(self) -> int:
        answer = self._http.get("/props")
        answer.raise_for_status()
        return int(answer.json()["default_generation_settings"]["n_ctx"])


def start_llama_cpp(settings: LLMSettings) -> LlamaCpp:
    """Load the model and start it.

    Raises:
        MissingExtraError: xllamacpp is not installed.
        LLMModelNotFoundError: the model file does not exist.
        LLMError: llama.cpp cannot load the file.
    """
    path = check_llama_cpp(settings)
    import xllamacpp

    key = secrets.token_hex(16)
    try:
        server = xllamacpp.Server(_parameters(xllamacpp, path, settings, key))
    except RuntimeError as exc:
        raise LLMError(
            f"llama.cpp cannot load '{path}' ({exc})",
            remedy="check that it is a complete GGUF file and that it and llm.context_window fit into memory",
        ) from exc
    address = str(server.listening_address)
    settings = settings.model_copy(update={"timeout": PATIENCE})
    return LlamaCpp(
        server,
        model=settings.model,
        api_base=f"{address}/v1",
        api_key=key,
        context_window=settings.context_window,
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        body=thinking_switch(settings),
        http_client=httpx.Client(**stream_options(address, settings.timeout)),
        async_http_client=httpx.AsyncClient(**async_stream_options(address, settings.timeout)),
    )


def check_llama_cpp(settings: LLMSettings) -> Path:
    """Return the model's file, without loading it.

    Raises:
        MissingExtraError, LLMModelNotFoundError: as ``start_llama_cpp``.
    """
    if find_spec("xllamacpp") is None:
        raise MissingExtraError.of("xllamacpp", needed_for="llm.provider = 'llama_cpp'", install=INSTALL)
    return model_path(settings.model)


def model_path(model: str) -> Path:
    """Return the GGUF file of ``model``: the name of a fetched one, "auto" (the best fetched one), or a path.

    >>> model_path("no-such.gguf")
    Traceback (most recent call last):
        ...
    indexes.errors.LLMModelNotFoundError: there is no model file 'no-such.gguf'; set llm.model to a GGUF file or to a
     name that 'rag model list' shows, or llm.provider to 'ollama' for a model name

    Raises:
        LLMModelNotFoundError: there is none; the message says how to fetch it.
    """
    from rag.models import CATALOGUE, auto_model, stored_models

    name = auto_model() or next(iter(CATALOGUE)) if model == "auto" else model
    stored = stored_models()
    if (found := stored.get(name) or stored.get(name.lower())) is not None:
        return found.path
    if name.lower() in CATALOGUE:
        known = CATALOGUE[name.lower()]
        raise LLMModelNotFoundError(
            f"the model '{known.name}' has not been fetched", remedy=f"run: rag model fetch {known.name}"
        )
    path = Path(model).expanduser()
    if not path.is_file():
        raise LLMModelNotFoundError(
            f"there is no model file '{path}'",
            remedy="set llm.model to a GGUF file or to a name that 'rag model list' shows, or llm.provider to 'ollama' "
            "for a model name",
        )
    return path


def free_threads() -> int:
    """Return how many threads to compute with: the number of idle processors, at least 1.

    llama.cpp's threads wait for each other after each layer, so one thread too many costs more than it gains: on two
    busy cores two threads read a prompt several times more slowly than one.

    >>> free_threads() >= 1
    True
    """
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, min(MOST_THREADS, round(processors - busy)))


def _parameters(xllamacpp: Any, path: Path, settings: LLMSettings, key: str) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = settings.context_window
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads or free_threads()
    params.n_batch = params.n_ubatch = READ_AT_ONCE * params.cpuparams.n_threads
    params.n_threads_http = 4
    params.verbosity = -1
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # any free one
    params.api_keys = [key]
    params.endpoint_slots = False
    params.cache_ram_mib = 0  # the default keeps up to 8 GiB of earlier prompts
    return params
