"""The errors of RagWright: one sentence with what failed, the value, and what to do about it.

Every error a user can meet is one of these classes. A command prints ``str(error)`` and exits with
``error.exit_code``; its user sees no traceback. Raise them with ``what`` (what failed, with the value) and ``remedy``
(the next step, preferably a command)::

    raise CollectionNotFoundError(f"there is no collection 'notes' in {path}", remedy="run 'rag ingest PATH' first")
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from indexes.display import one_line, without_secrets


def mend_line(collection: str) -> str:
    """Return the remedy for damaged files of a collection, or of a generation of it.

    >>> mend_line("guide.2")
    'mend it with: rag verify --repair --collection guide'
    """
    return f"mend it with: rag verify --repair --collection {shlex.quote(re.sub(r'[.][0-9]+$', '', collection))}"


class RagWrightError(Exception):
    """Base class of all errors raised on purpose.

    ``str()`` returns one sentence without secrets and control characters, whatever its parts contain.

    >>> str(RagWrightError("there is no file 'a.md'", remedy="check the path"))
    "there is no file 'a.md'; check the path"
    """

    exit_code = 1

    def __init__(self, what: str, *, remedy: str) -> None:
        self.what = one_line(without_secrets(what))
        self.remedy = one_line(without_secrets(remedy))
        super().__init__(f"{self.what}; {self.remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Let an error cross from a worker of a cluster: ``__init__`` does not take what ``args`` holds."""
        return _brought_back, (type(self), self.args, dict(self.__dict__))


def _brought_back(kind: type[RagWrightError], args: tuple[Any, ...], fields: dict[str, Any]) -> RagWrightError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class SettingsError(RagWrightError):
    """A value in rag.toml, the environment or an argument cannot be used.

    >>> SettingsError("unknown setting llm.modle", remedy="did you mean llm.model?").exit_code
    2
    """

    exit_code = 2


class UntrustedSettingsError(SettingsError):
    """A settings file that was not named explicitly requests other machines, keys or code without 'rag trust'.

    >>> error = UntrustedSettingsError(Path("notes/rag.toml"), ["store.url = 'http://10.0.0.5' is off this machine"])
    >>> error.remedy, error.exit_code
    ('look at it, then run: rag trust notes', 2)

    Args:
        path: the file.
        reasons: its requests, one phrase each.
    """

    def __init__(self, path: Path, reasons: list[str]) -> None:
        self.path, self.reasons = path, reasons
        super().__init__(
            f"{path}, which came with this folder, is not trusted: {'; '.join(reasons)}",
            remedy=f"look at it, then run: rag trust {shlex.quote(str(path.parent))}",
        )


class SourceError(RagWrightError):
    """A source to ingest does not exist or is of a format that is not read."""


class ReaderError(RagWrightError):
    """A file could not be read. Ingestion reports it, skips the file and continues."""


class EncoderError(RagWrightError):
    """An embedding model could not be loaded or reached, or returned an unusable vector."""


class TextError(EncoderError):
    """A model or its server cannot encode one of the texts. Ingestion skips the file of that text."""


class RerankerError(RagWrightError):
    """A reranker could not be loaded or reached, or returned an unusable score."""


class MissingExtraError(RagWrightError):
    """An optional part is not installed.

    >>> str(MissingExtraError.of("dask", needed_for="--cluster", install="pip install 'ragwright[cluster]'"))
    "--cluster needs the package 'dask', which is not installed; run: pip install 'ragwright[cluster]'"
    """

    @classmethod
    def of(cls, package: str, *, needed_for: str, install: str) -> MissingExtraError:
        """Create the error for a missing package; ``install`` is the exact command to run."""
        return cls(f"{needed_for} needs the package '{package}', which is not installed", remedy=f"run: {install}")


class StoreError(RagWrightError):
    """The vector store rejected a call, cannot be reached, or has unexpected content."""


class FilterError(StoreError):
    """A filter has an operator or a value that the store cannot compare: the request is wrong, not the store."""


class StoreUnreachableError(StoreError):
    """A Qdrant server did not answer."""


class CollectionNotFoundError(StoreError):
    """The collection does not exist."""


class CollectionLockedError(StoreError):
    """Another process has the embedded collection open."""


class FingerprintMismatchError(StoreError):
    """The collection was built with a different model than it is opened with."""


class DamagedError(StoreError):
    """Files of a collection are damaged or lost.

    >>> str(DamagedError("guide", "the record of 'guide' is missing"))
    "the record of 'guide' is missing; mend it with: rag verify --repair --collection guide"

    Args:
        collection: name of the collection.
        what: which file or part, and how.
    """

    def __init__(self, collection: str, what: str) -> None:
        self.collection = collection
        super().__init__(what, remedy=mend_line(collection))


class ReadOnlyError(StoreError):
    """The store is on a read-only disk or in a read-only folder."""


class DiskSpaceError(StoreError):
    """Too little disk space is left to write safely (the embedded engine dies of SIGBUS on a full disk)."""


class ClusterError(RagWrightError):
    """The workers that a run was spread over cannot be had, or failed."""


class LLMError(RagWrightError):
    """The language model failed while answering."""


class LLMUnreachableError(LLMError):
    """The language model's server did not answer."""


class LLMTimeoutError(LLMError):
    """The language model's server was too slow."""


class LLMModelNotFoundError(LLMError):
    """The server answers, but does not have the model."""


def first_line(error: BaseException) -> str:
    r"""Return the first line of an error's message: a library's may have pages.

    >>> first_line(ValueError("unknown tensor\n  in layer 3")), first_line(ValueError())
    ('unknown tensor', '')
    """
    return (str(error).strip().splitlines() or [""])[0]


def must_be(kinds: type | tuple[type, ...], name: str, value: object, remedy: str) -> None:
    """Raise SettingsError unless an argument is of one of these types.

    >>> must_be(str, "collection", "guide", "give a name")
    """
    if not isinstance(value, kinds):
        raise SettingsError(f"{name} is {value!r:.80}, which cannot be used", remedy=remedy)
