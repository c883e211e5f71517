"""The error family of RagWright: what failed, the value, and what to do about it, in one sentence.

Every error a user can meet is one of these classes. A command prints ``str(error)`` and exits with
``error.exit_code``; no traceback reaches its user. Raise them with ``what`` (what failed, holding the value)
and ``remedy`` (the next step, best of all a command)::

    raise CollectionNotFoundError(f"there is no collection 'notes' in {path}", remedy="run 'rag ingest PATH' first")
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from indexes.display import one_line, without_secrets


def mend_line(collection: str) -> str:
    """What to do about damaged files of a collection, or of a generation of it ("guide.2")."""
    return f"mend it with: rag verify --repair --collection {shlex.quote(re.sub(r'[.][0-9]+$', '', collection))}"


class RagWrightError(Exception):
    """Base of all errors raised on purpose. ``str()`` gives the one sentence, which holds no secret and no control
    character, whatever it was made of."""

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
    """A value in rag.toml, the environment or an argument cannot be used."""

    exit_code = 2


class UntrustedSettingsError(SettingsError):
    """A settings file that nobody named asks for other machines, keys or code, and 'rag trust' has not allowed it.

    Args:
        path: the file.
        reasons: what it asks for, one phrase each.
    """

    def __init__(self, path: Path, reasons: list[str]) -> None:
        self.path, self.reasons = path, reasons
        super().__init__(
            f"{path}, which came with this folder, is not trusted: {'; '.join(reasons)}",
            remedy=f"look at it, then run: rag trust {shlex.quote(str(path.parent))}",
        )


class SourceError(RagWrightError):
    """What was to be ingested does not exist or is of no kind we read."""


class ReaderError(RagWrightError):
    """One file could not be read. Ingestion reports it, skips the file and goes on."""


class EncoderError(RagWrightError):
    """An embedding model could not be loaded, reached, or gave an unusable vector."""


class TextError(EncoderError):
    """A model, or its server, cannot read one of the texts that it was given. Ingestion skips that text's file."""


class RerankerError(RagWrightError):
    """A reranker could not be loaded, reached, or gave an unusable score."""


class MissingExtraError(RagWrightError):
    """An optional part is not installed."""

    @classmethod
    def of(cls, package: str, *, needed_for: str, install: str) -> MissingExtraError:
        """``install`` is the exact line to run."""
        return cls(f"{needed_for} needs the package '{package}', which is not installed", remedy=f"run: {install}")


class StoreError(RagWrightError):
    """The vector store refused, cannot be reached, or holds something else than expected."""


class StoreUnreachableError(StoreError):
    """A Qdrant server did not answer."""


class CollectionNotFoundError(StoreError):
    """The collection was never built here."""


class CollectionLockedError(StoreError):
    """Another process holds the embedded collection open."""


class FingerprintMismatchError(StoreError):
    """The collection was built with another model than the one it is opened with."""


class DamagedError(StoreError):
    """Files of a collection are damaged or lost.

    Args:
        collection: its name.
        what: which file or part, and how.
    """

    def __init__(self, collection: str, what: str) -> None:
        self.collection = collection
        super().__init__(what, remedy=mend_line(collection))


class ReadOnlyError(StoreError):
    """The store lies on a disk, or in a folder, that can only be read."""


class DiskSpaceError(StoreError):
    """Too little disk space is left to write safely (the embedded engine dies of SIGBUS on a full disk)."""


class ClusterError(RagWrightError):
    """The workers that a run was spread over cannot be had, or failed."""


class LLMError(RagWrightError):
    """The language model failed while answering."""


class LLMUnreachableError(LLMError):
    """The language model's server did not answer at all."""


class LLMTimeoutError(LLMError):
    """The language model's server was too slow."""


class LLMModelNotFoundError(LLMError):
    """The server answers, but does not have the model."""


def must_be(kinds: type | tuple[type, ...], name: str, value: object, remedy: str) -> None:
    """Raise SettingsError in one sentence if an argument is of none of these kinds."""
    if not isinstance(value, kinds):
        raise SettingsError(f"{name} is {value!r:.80}, which cannot be used", remedy=remedy)
