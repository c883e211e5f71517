"""What the engine says of damaged files and full disks, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexes.errors import DamagedError, DiskSpaceError, StoreError

# How the engine's plain exceptions begin that tell of its files, not of the question.
_FILES = ("Service runtime error", "No appropriate index for faceting: `doc_id`", "IO Error")
SAID = 120  # characters of what the engine says


def is_panic(error: BaseException) -> bool:
    """A panic of the engine's: no Exception, and of a class that it does not export."""
    return type(error).__name__ == "PanicException"


def damaged(folder: Path, error: BaseException) -> StoreError:
    """Return our error for what the engine says of the files of a collection."""
    if _is_full(error):
        return DiskSpaceError(
            f"the disk is full: {folder} cannot be written",
            remedy="free disk space and run it again; what was acknowledged is kept",
        )
    said = str(error).strip().replace(f"{folder}/", "")
    while said.startswith("Service runtime error: "):
        said = said.removeprefix("Service runtime error: ")
    return DamagedError(folder.name, f"the collection in {folder} is damaged ({said[:SAID]})")


@contextmanager
def engine_errors(folder: Path) -> Iterator[None]:
    """Turn the engine's errors about its files into ours."""
    try:
        yield
    except BaseException as error:
        # It raises nothing narrower than Exception, and panics beside it.
        if is_panic(error) or (type(error) is Exception and str(error).startswith(_FILES)):
            raise damaged(folder, error) from error
        raise


@contextmanager
def suppress_panic() -> Iterator[None]:
    """For closing what is damaged: that was told before."""
    try:
        yield
    except BaseException as error:
        if not is_panic(error):
            raise


def _is_full(error: BaseException) -> bool:
    return "os error 28" in str(error) or "No space" in str(error)
