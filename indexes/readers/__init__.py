"""Read files into documents: text with its outline, and where it came from. One module per format.

``read_file`` returns LlamaIndex Documents. Ingestion uses ``read_streams``, which does not import LlamaIndex.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from indexes.display import counted
from indexes.errors import RagWrightError, ReaderError, SourceError
from indexes.readers.builder import Extract
from indexes.readers.inline import real_title
from indexes.readers.outline import NOTES_KEY, Section
from indexes.readers.plain.code import CODE_SUFFIXES
from indexes.readers.properties import file_metadata, properties_of
from indexes.readers.source_file import Ocr, SourceFile, load_ocr, printable
from indexes.readers.stream import DocumentStream, parts_of
from indexes.settings.sections import ReadSettings
from indexes.text.characters import half_characters, valid, valid_value
from indexes.text.invisible import Removed, without_invisible

if TYPE_CHECKING:
    from llama_index.core.schema import Document

__all__ = ["SUFFIXES", "read_file"]

_FORMATS = {  # module -> (file_type, suffixes); a module is imported with the first file of its format
    "plain.text": ("text", (".txt", ".text", ".log", ".rst")),
    "plain.markdown": ("markdown", (".md", ".markdown")),
    "web.html": ("html", (".html", ".htm", ".xhtml")),
    "pdf.pdf": ("pdf", (".pdf",)),
    "office.docx": ("docx", (".docx", ".docm")),
    "office.pptx": ("pptx", (".pptx", ".pptm")),
    "office.xlsx": ("xlsx", (".xlsx", ".xlsm")),
    "office.legacy": ("office", (".doc", ".xls", ".ppt")),
    "office.odt": ("odt", (".odt",)),
    "plain.rtf": ("rtf", (".rtf",)),
    "plain.delimited": ("csv", (".csv", ".tsv")),
    "web.epub": ("epub", (".epub",)),
    "plain.notebook": ("notebook", (".ipynb",)),
    "plain.records": ("json", (".json", ".jsonl", ".ndjson")),
    "plain.code": ("code", tuple(CODE_SUFFIXES)),
    "mail": ("mail", (".eml",)),
    "archive": ("zip", (".zip",)),
}
_BY_SUFFIX = {suffix: (module, name) for module, (name, suffixes) in _FORMATS.items() for suffix in suffixes}
SUFFIXES = frozenset(_BY_SUFFIX)
_WITH_MEMBERS = ("archive", "mail")  # formats that contain other files
NOT_READ = "it is of a format that is not read"  # reason passed to ``on_skip`` for pictures and the like
_MAX_NOTES = 20

OnSkip = Callable[[str, str], object]


def read_file(
    path: Path,
    *,
    doc_id: str | None = None,
    settings: ReadSettings | None = None,
    ocr: Ocr | None = None,
    on_skip: OnSkip | None = None,
) -> list[Document]:
    r"""Read one file: one Document, or one per readable member of a zip archive.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "notice.md"
    ...     _ = path.write_text("# Care\n\nDry it in the shade.\n")
    ...     read_file(path)[0].text
    'Care\n\nDry it in the shade.'

    Args:
        path: a file whose suffix is in ``SUFFIXES``, in any case.
        doc_id: id of the document; default: the absolute, resolved POSIX path. Members of an archive have
            ``archive.zip!/folder/member.txt``.
        settings: options of reading, the section ``read`` of the settings.
        ocr: function that returns the text of a scanned PDF page, given as a PIL image; default: ``settings.ocr``.
        on_skip: called with the id of each archive member that is not read, and the reason; default: the reasons
            become notes of the archive's first document.

    Returns:
        Documents with their outline and metadata ``source`` (absolute path, or that of the member), ``title``,
        ``file_type``, ``encoding`` if it is not UTF-8, and ``notes`` about the reading, if any (see
        ``outline.notes_of``).

    Raises:
        SourceError: no such file, or a format that is not read.
        ReaderError: the file is empty, damaged, locked by a password or unreadable; the message names path and reason.
        SettingsError: ``settings.ocr`` does not name a function.
    """
    return [read.document() for read in read_streams(path, doc_id=doc_id, settings=settings, ocr=ocr, on_skip=on_skip)]


def read_streams(
    path: Path,
    *,
    doc_id: str | None = None,
    settings: ReadSettings | None = None,
    ocr: Ocr | None = None,
    on_skip: OnSkip | None = None,
) -> list[DocumentStream]:
    r"""Read one file as ``read_file`` does, with the same arguments and errors, into documents in parts.

    >>> _ = (folder / "notice.md").write_text("# Care\n\nDry it.\n")
    >>> stream = read_streams(folder / "notice.md")[0]
    >>> stream.metadata["title"], [part.text for part in stream.parts]
    ('Care', ['Care\n\nDry it.'])
    """
    path = Path(path)
    _format_of(path)
    shown = printable(path)
    if shown != str(path):
        raise ReaderError(f"the name of the file '{shown}' is not UTF-8", remedy="rename it")
    settings = settings or ReadSettings()
    file = SourceFile(shown, path=path, settings=settings, ocr=ocr or load_ocr(settings.ocr))
    try:
        mode = path.stat().st_mode
        source = doc_id or path.resolve().as_posix()
        if not stat.S_ISREG(mode):
            kind = "folder" if stat.S_ISDIR(mode) else "device or pipe"
            raise ReaderError(f"'{shown}' cannot be read, it is a {kind}", remedy="name a file")
    except FileNotFoundError as error:
        raise SourceError(f"there is no file '{shown}'", remedy="check the path") from error
    except OSError as error:
        raise _unreadable(file, error) from error
    skipped: list[tuple[str, str]] = []
    documents = list(_documents(file, source, lambda name, reason: skipped.append((name, reason))))
    if on_skip is not None:
        for name, reason in skipped:
            on_skip(name, reason)
    elif documents and skipped:
        documents[0].metadata.setdefault(NOTES_KEY, []).extend(_notes_on_members(skipped))
    if not documents:
        reason = f"none of its {counted(len(skipped), 'file')} can be read" if skipped else "there is no file in it"
        first = f" ({skipped[0][0]}: {skipped[0][1]})" if skipped else ""
        raise ReaderError(f"nothing in '{shown}' was read, {reason}{first}", remedy="leave it out, or unpack it")
    return documents


def _documents(file: SourceFile, source: str, on_skip: OnSkip) -> Iterator[DocumentStream]:
    """Yield the documents of a file or member; for an archive those of its members, with faults to ``on_skip``."""
    module, file_type = _format_of(Path(file.name))
    if module != "archive":
        yield _document(file, source, module, file_type)
    if module not in _WITH_MEMBERS:
        return
    for member, fault in import_module(f"indexes.readers.{module}").members(file):
        member_id = source + member.name.removeprefix(file.name)
        if fault is None and PurePosixPath(member.name).suffix.lower() not in SUFFIXES:
            fault = NOT_READ
        if fault is not None:
            on_skip(member_id, fault)
            continue
        try:
            yield from _documents(member, member_id, on_skip)
        except ReaderError as error:
            on_skip(member_id, str(error))


def _notes_on_members(skipped: list[tuple[str, str]]) -> list[str]:
    """Return one sentence per faulty member, at most 20, and one that counts the members of unread formats."""
    foreign = [PurePosixPath(name).suffix for name, reason in skipped if reason == NOT_READ]
    faults = [(name, reason) for name, reason in skipped if reason != NOT_READ]
    notes = [reason if name in reason else f"'{name}' was left out: {reason}" for name, reason in faults[:_MAX_NOTES]]
    if len(faults) > _MAX_NOTES:
        notes.append(f"{len(faults) - _MAX_NOTES} more of its files could not be read")
    if foreign:
        kinds = ", ".join(sorted({suffix or "no ending" for suffix in foreign}))
        notes.append(f"{len(foreign)} of its files are of formats that are not read ({kinds})")
    return notes


def _document(file: SourceFile, source: str, module: str, file_type: str) -> DocumentStream:
    extract, properties = _valid(file, _extract(file, module, file_type), properties_of(file, file_type))
    extract = _visible(extract)
    if not extract.text.strip():
        raise ReaderError(f"'{file}' is empty: there is no text in it", remedy="leave it out, or fill it")
    metadata: dict[str, Any] = {"source": source, "title": file.stem}
    metadata |= file_metadata(file, source, file_type, properties) | properties
    metadata |= {key: value for key, value in extract.metadata.items() if value not in (None, "", [], {})}
    metadata["title"] = real_title(metadata["title"]) or file.stem
    if notes := file.all_notes():
        metadata[NOTES_KEY] = [valid(note) for note in notes]
    return DocumentStream(source, metadata, parts_of(extract.text, extract.sections or [Section(0, len(extract.text))]))


def _valid(file: SourceFile, extract: Extract, properties: dict[str, Any]) -> tuple[Extract, dict[str, Any]]:
    """Replace lone surrogates in text, outline and metadata; a note counts them."""
    found = half_characters(extract.text) or sum(
        map(half_characters, (*_words_of(extract.sections), *_words_in(extract.metadata), *_words_in(properties)))
    )
    if not found:
        return extract, properties
    file.note(f"half characters (such as \\ud800) were replaced by U+FFFD: {found}")
    sections = [
        replace(
            section,
            heading=tuple(map(valid, section.heading)),
            place=valid(section.place),
            caption=valid(section.caption),
        )
        for section in extract.sections
    ]
    mended = Extract(valid(extract.text), sections, valid_value(extract.metadata), extract.visible)
    return mended, valid_value(properties)


def _words_of(sections: list[Section]) -> Iterator[str]:
    """Yield the words of the outline, each heading path once if it is the same tuple."""
    before: tuple[str, ...] = ()
    for section in sections:
        if section.heading != before:
            yield from section.heading
            before = section.heading
        yield section.place
        yield section.caption


def _words_in(value: Any) -> Iterator[str]:
    """Yield all text of a metadata value, names of keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from _words_in(item)


def _visible(extract: Extract) -> Extract:
    """Remove soft hyphens and other invisible characters."""
    if extract.visible:
        return extract
    removed = Removed(extract.text)
    headings = any(without_invisible(title) != title for section in extract.sections for title in section.heading)
    if removed.text == extract.text and not headings:
        return extract
    sections = [
        replace(
            section,
            start=removed.offset(section.start),
            end=removed.offset(section.end),
            heading=tuple(map(without_invisible, section.heading)),
            caption=without_invisible(section.caption),
        )
        for section in extract.sections
    ]
    metadata = {
        key: without_invisible(value) if isinstance(value, str) else value for key, value in extract.metadata.items()
    }
    return Extract(removed.text, sections, metadata)


def _extract(file: SourceFile, module: str, file_type: str) -> Extract:
    try:
        if (file.path.stat().st_size if file.path is not None else len(file.data)) == 0:
            raise ReaderError(f"'{file}' is empty", remedy="leave it out, or fill it")
        extract: Extract = import_module(f"indexes.readers.{module}").read(file)
    except RagWrightError:
        raise
    except FileNotFoundError as error:
        raise ReaderError(f"'{file}' vanished while it was read", remedy="run again") from error
    except OSError as error:
        raise _unreadable(file, error) from error
    except MemoryError as error:
        raise ReaderError(f"'{file}' needs more memory than there is", remedy="split it, or leave it out") from error
    except RecursionError as error:
        raise ReaderError(f"'{file}' is nested too deeply to be read", remedy="leave it out") from error
    except Exception as error:  # the one broad except: a damaged file must not stop the ingestion of the others
        reason = f"{type(error).__name__}: {error}"
        raise ReaderError(
            f"'{file}' cannot be read as {file_type} ({reason})", remedy="open and save it again, or leave it out"
        ) from error
    return extract


def _unreadable(file: SourceFile, error: OSError) -> ReaderError:
    reason = error.strerror or str(error)
    return ReaderError(f"'{file}' cannot be read ({reason})", remedy="check the file and its permissions")


def _format_of(path: Path) -> tuple[str, str]:
    try:
        return _BY_SUFFIX[path.suffix.lower()]
    except KeyError:
        known = " ".join(sorted(SUFFIXES))
        what = f"'{printable(path)}' is of a format that is not read"
        raise SourceError(what, remedy=f"formats are: {known}") from None
