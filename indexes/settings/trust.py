"""Trust in a settings file that was not named explicitly: the ``rag.toml`` of the working folder.

Such a file may choose models and numbers. It may send documents, questions or keys elsewhere, or run code, only after
``rag trust`` for its folder; path and hash of the file are then stored in the account's folder, so that a changed file
needs trust again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from indexes.errors import RagWrightError, UntrustedSettingsError
from indexes.files import file_errors, write_json
from indexes.folders import user_folder
from indexes.settings.key_file import NAME, keys_beside

MEMORY = "trusted.json"
# Fields that decide where texts are sent, whose pictures a browser fetches, who may call, and by which names.
ADDRESSES = ("base_url", "url", "image_base_url", "host", "hosts", "origins")
SHARES = ("\\\\", "//")  # how a path on a file server begins
SEEN = "seen.json"  # files already shown to the user
# Variables with the key of a service for language models, embeddings or reranking: the only list of them.
PROVIDERS = frozenset(
    f"{name}_API_KEY"
    for name in (
        "ANTHROPIC",
        "ARK",
        "AZURE_OPENAI",
        "BAICHUAN",
        "CO",
        "COHERE",
        "DASHSCOPE",
        "DEEPSEEK",
        "FIREWORKS",
        "GEMINI",
        "GOOGLE",
        "GROQ",
        "JINA",
        "MINIMAX",
        "MISTRAL",
        "MOONSHOT",
        "NVIDIA",
        "OLLAMA",
        "OPENAI",
        "OPENROUTER",
        "PERPLEXITY",
        "QDRANT",
        "SILICONFLOW",
        "TOGETHER",
        "VLLM",
        "VOYAGE",
        "XAI",
        "ZHIPUAI",
    )
)


def requests_of(file: Path, table: Mapping[str, Any]) -> list[str]:
    """Return the requests of a settings file that need trust, one phrase each; profiles count too.

    >>> requests_of(Path("rag.toml"), {"llm": {"base_url": "http://10.0.0.5:8000"}, "store": {"grpc": True}})
    ["llm.base_url = 'http://10.0.0.5:8000' is an address off this machine"]
    """
    found = []
    for key, value in _values(table):
        if (reason := _reason(key, value, file.parent)) is not None:
            found.append(f"{key} = {value!r} {reason}")
    return found


def keys_of(file: Path, table: Mapping[str, Any]) -> list[str]:
    r"""Return the keys that the ``.env`` beside the file sets, one phrase each.

    >>> _ = (folder / ".env").write_text("RAG_API_KEY=k3y\n")
    >>> keys_of(folder / "rag.toml", {})[0].endswith(".env sets the key RAG_API_KEY")
    True
    """
    named = {str(value) for key, value in _values(table) if key.endswith("api_key_env")}
    return [_sets(file, name) for name in keys_beside(file, {*named, "RAG_API_KEY", "QDRANT_API_KEY"})]


def require_trust(
    file: Path, table: Mapping[str, Any], environ: Mapping[str, str], *, keys: Iterable[str] = ()
) -> None:
    """Reject a file that needs trust and does not have it.

    >>> file, environ = folder / "rag.toml", {"XDG_CONFIG_HOME": str(folder)}
    >>> _ = file.write_text("")
    >>> require_trust(file, {"store": {"grpc": True}}, environ)
    >>> try:
    ...     require_trust(file, {"store": {"url": "http://10.0.0.5:6333"}}, environ)
    ... except UntrustedSettingsError as error:
    ...     print(error.reasons)
    ["store.url = 'http://10.0.0.5:6333' is an address off this machine"]

    Args:
        keys: variables that the ``.env`` beside it would set.

    Raises:
        UntrustedSettingsError: the file needs trust and has none, or has changed since.
    """
    reasons = [*requests_of(file, table), *(_sets(file, name) for name in keys)]
    if reasons and not (_is_trusted(file, environ) and (not keys or _is_trusted(file.parent / NAME, environ))):
        raise UntrustedSettingsError(file, reasons)


def _sets(file: Path, variable: str) -> str:
    return f"{file.parent / NAME} sets the key {variable}"


def _is_trusted(file: Path, environ: Mapping[str, str]) -> bool:
    """Return whether the file is trusted and unchanged since."""
    return _remembered(environ).get(str(file.resolve())) == _hash(file)


def trust(file: Path, environ: Mapping[str, str]) -> None:
    r"""Trust the file, and the ``.env`` beside it, in their current form.

    >>> file, environ = folder / "rag.toml", {"XDG_CONFIG_HOME": str(folder)}
    >>> _ = file.write_text('[store]\nurl = "http://10.0.0.5:6333"\n')
    >>> trust(file, environ)
    >>> trusted_files(environ) == [str(file.resolve())]
    True

    Raises:
        StoreError: the account's folder cannot be written.
    """
    both = [one for one in (file, file.parent / NAME) if one.is_file()]
    _keep({**_remembered(environ), **{str(one.resolve()): _hash(one) for one in both}}, environ)


def distrust(file: Path, environ: Mapping[str, str]) -> bool:
    """Withdraw trust from the file and the ``.env`` beside it; False if it was not trusted.

    >>> file, environ = folder / "rag.toml", {"XDG_CONFIG_HOME": str(folder)}
    >>> _ = file.write_text("")
    >>> trust(file, environ)
    >>> distrust(file, environ), distrust(file, environ)
    (True, False)
    """
    kept = _remembered(environ)
    known = kept.pop(str(file.resolve()), None) is not None
    kept.pop(str((file.parent / NAME).resolve()), None)
    if known:
        _keep(kept, environ)
    return known


def trusted_files(environ: Mapping[str, str]) -> list[str]:
    """Return the paths of trusted files.

    >>> file, environ = folder / "rag.toml", {"XDG_CONFIG_HOME": str(folder)}
    >>> _ = file.write_text("")
    >>> trust(file, environ)
    >>> [Path(path).name for path in trusted_files(environ)]
    ['rag.toml']
    """
    return sorted(_remembered(environ))


def first_use(file: Path, environ: Mapping[str, str]) -> bool:
    """Return whether the file is used for the first time in its current form, and remember it.

    >>> file, environ = folder / "rag.toml", {"XDG_CONFIG_HOME": str(folder)}
    >>> _ = file.write_text("")
    >>> first_use(file, environ), first_use(file, environ)
    (True, False)
    """
    seen = _remembered(environ, SEEN)
    place, digest = str(file.resolve()), _hash(file)
    if seen.get(place) == digest:
        return False
    with contextlib.suppress(RagWrightError):  # then its name is shown every time
        _keep({**seen, place: digest}, environ, SEEN)
    return True


def _reason(key: str, value: Any, folder: Path) -> str | None:
    field = key.rpartition(".")[2]
    if value in (None, "", False) or not isinstance(value, (str, bool)):
        return None
    if field in ADDRESSES and isinstance(value, str):
        from indexes.addresses import is_loopback

        return None if value == ":memory:" or is_loopback(value) else "is an address off this machine"
    if str(value).startswith(SHARES):
        return "is a folder of another machine"
    if field.endswith("_env"):
        allowed = str(value).startswith("RAG_") or value in PROVIDERS
        return None if allowed else "reads an environment variable that is not a key for models or stores"
    if key.endswith("read.ocr"):
        return "runs a function or program"
    if field == "trust_remote_code":
        return "runs code of model folders"
    if field == "model" and _holds_code(folder / Path(str(value)).expanduser()):
        return "is a model folder with code in it"
    return None


def _holds_code(folder: Path) -> bool:
    try:
        if not folder.is_dir():
            return False
        if next(folder.rglob("*.py"), None) is not None:
            return True
        return any('"auto_map"' in file.read_text("utf-8", "replace") for file in folder.glob("*.json"))
    except (OSError, ValueError):
        return False


def _values(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _values(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield from ((prefix + key, item) for item in value)
        else:
            yield prefix + key, value


def _remembered(environ: Mapping[str, str], name: str = MEMORY) -> dict[str, str]:
    try:
        kept = json.loads((user_folder("config", environ) / name).read_text("utf-8"))
    except (OSError, ValueError):  # missing or unreliable: trust is needed again
        return {}
    return {str(path): str(digest) for path, digest in kept.items()} if isinstance(kept, dict) else {}


def _keep(files: Mapping[str, str], environ: Mapping[str, str], name: str = MEMORY) -> None:
    path = user_folder("config", environ) / name
    with file_errors(path):
        write_json(path, dict(sorted(files.items())))
        path.chmod(0o600)


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
