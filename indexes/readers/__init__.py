"""Files to LlamaIndex Documents: text with its outline, and where it came from. One module a format."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path

from llama_index.core.schema import Document

from indexes.errors import RagWrightError, ReaderError, SourceError
from indexes.readers.builder import Extract
from indexes.readers.outline import make_document

__all__ = ["SUFFIXES", "iter_files", "read_file"]

_FORMATS = {  # module -> (file_type, suffixes); a module is imported when its first file comes
    "text": ("text", (".txt", ".text", ".log", ".rst")),
    "markdown": ("markdown", (".md", ".markdown")),
    "html": ("html", (".html", ".htm")),
    "pdf": ("pdf", (".pdf",)),
    "docx": ("docx", (".docx",)),
}
_BY_SUFFIX = {suffix: (module, name) for module, (name, suffixes) in _FORMATS.items() for suffix in suffixes}
SUFFIXES = frozenset(_BY_SUFFIX)


def read_file(path: Path, *, doc_id: str | None = None) -> list[Document]:
    """The Documents of one file (one, for all formats so far).

    Args:
        path: a file whose suffix is in ``SUFFIXES``, in any case.
        doc_id: the document's id; default: the absolute, resolved POSIX path.

    Returns:
        Documents with metadata ``source`` (absolute path), ``title``, ``file_type``, and ``encoding`` where it is
        not UTF-8, and with their outline.

    Raises:
        SourceError: no such file, or a format that is not read.
        ReaderError: the file is empty, damaged, locked by a password or unreadable; the message names path and reason.
    """
    path = Path(path)
    module, file_type = _format_of(path)
    source = path.resolve().as_posix()
    try:
        if path.stat().st_size == 0:
            raise ReaderError(f"'{path}' is empty", remedy="leave it out, or fill it")
        extract: Extract = import_module(f"indexes.readers.{module}").read(path)
    except RagWrightError:
        raise
    except FileNotFoundError as error:
        raise SourceError(f"there is no file '{path}'", remedy="check the path") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReaderError(f"'{path}' cannot be read ({reason})", remedy="check the file and its permissions") from error
    except Exception as error:  # the one broad boundary: no damaged file may stop the ingestion of the others
        reason = f"{type(error).__name__}: {error}"
        raise ReaderError(
            f"'{path}' cannot be read as {file_type} ({reason})", remedy="open and save it again, or leave it out"
        ) from error
    if not extract.text.strip():
        raise ReaderError(f"'{path}' is empty: there is no text in it", remedy="leave it out, or fill it")
    metadata = {"source": source, "title": path.stem, "file_type": file_type}
    metadata |= {key: value for key, value in extract.metadata.items() if value}
    return [make_document(doc_id or source, extract.text, extract.sections, metadata)]


def iter_files(paths: Iterable[Path], *, on_skip: Callable[[Path], object] | None = None) -> Iterator[Path]:
    """The readable files among ``paths`` and in the folders among them, each once, sorted within a folder.

    Hidden files and folders inside a folder are left out. All ``paths`` are checked before the first file is yielded.

    Args:
        paths: files and folders.
        on_skip: called with each file of an unread format, and each folder that may not be opened.

    Raises:
        SourceError: a path does not exist, a named file is of a format that is not read, or (without ``on_skip``) a
            folder may not be opened.
    """
    roots = [Path(path) for path in paths]
    for root in roots:
        if not root.exists():
            raise SourceError(f"there is no file or folder '{root}'", remedy="check the path")
        if not root.is_dir():
            _format_of(root)
    seen: set[Path] = set()
    for root in roots:
        for path in _walk(root, on_skip) if root.is_dir() else (root,):
            resolved = path.resolve()
            if resolved not in seen:
                seen.add(resolved)
                yield path


def _format_of(path: Path) -> tuple[str, str]:
    try:
        return _BY_SUFFIX[path.suffix.lower()]
    except KeyError:
        known = " ".join(sorted(SUFFIXES))
        raise SourceError(f"'{path}' is of a format that is not read", remedy=f"formats are: {known}") from None


def _walk(root: Path, on_skip: Callable[[Path], object] | None) -> Iterator[Path]:
    def closed(error: OSError) -> None:
        folder = Path(error.filename or root)
        if on_skip is None:
            reason = error.strerror or str(error)
            raise SourceError(f"the folder '{folder}' cannot be opened ({reason})", remedy="check its permissions")
        on_skip(folder)

    for folder, folders, names in os.walk(root, onerror=closed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith("."):
                continue
            path = Path(folder, name)
            if path.suffix.lower() in SUFFIXES and path.is_file():
                yield path
            elif on_skip is not None:
                on_skip(path)
