"""Turn the engine's errors about damaged files and full disks into one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexes.errors import DamagedError, DiskSpaceError, StoreError

# Beginnings of the engine's exceptions that concern its files, not the query.
_FILES = ("Service runtime error", "No appropriate index for faceting: `doc_id`", "IO Error")
SAID = 120  # characters kept of the engine's message


def is_panic(error: BaseException) -> bool:
    """Return whether an error is a panic of the engine: not an Exception, and of a class that it does not export.

    >>> is_panic(ValueError("a wrong dimension"))
    False
    """
    return type(error).__name__ == "PanicException"


def damaged(folder: Path, error: BaseException) -> StoreError:
    """Return our error for the engine's error about a collection's files.

    >>> damaged(Path("store/guide"), Exception("Service runtime error: IO Error: store/guide/shard: cut short")).what
    'the collection in store/guide is damaged (IO Error: shard: cut short)'
    >>> damaged(Path("store/guide"), OSError("os error 28")).what
    'the disk is full: store/guide cannot be written'
    """
    if "os error 28" in str(error) or "No space" in str(error):
        return DiskSpaceError(
            f"the disk is full: {folder} cannot be written",
            remedy="free disk space and run it again; acknowledged writes are kept",
        )
    said = str(error).strip().replace(f"{folder}/", "")
    while said.startswith("Service runtime error: "):
        said = said.removeprefix("Service runtime error: ")
    return DamagedError(folder.name, f"the collection in {folder} is damaged ({said[:SAID]})")


@contextmanager
def engine_errors(folder: Path) -> Iterator[None]:
    """Turn the engine's errors about its files into ours.

    >>> with engine_errors(Path("store/guide")):
    ...     raise Exception("IO Error: the file is cut short")
    Traceback (most recent call last):
        ...
    indexes.errors.DamagedError: the collection in store/guide is damaged (IO Error: the file is cut short); mend it
    with: rag verify --repair --collection guide
    """
    try:
        yield
    except BaseException as error:
        # The engine raises nothing narrower than Exception, and panics, which are not Exceptions.
        if is_panic(error) or (type(error) is Exception and str(error).startswith(_FILES)):
            raise damaged(folder, error) from error
        raise


@contextmanager
def suppress_panic() -> Iterator[None]:
    """Ignore panics while closing a damaged collection; the damage was reported before.

    >>> class PanicException(BaseException):
    ...     pass
    >>> with suppress_panic():
    ...     raise PanicException("index out of bounds")
    """
    try:
        yield
    except BaseException as error:
        if not is_panic(error):
            raise
