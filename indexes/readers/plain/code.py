"""Source code: the unchanged file, in sections of kind "code" that begin at functions and classes.

Languages are not parsed. A section is a run of blocks between blank lines; a new one begins at a block with a
definition (``def``, ``class``, ``func``, ``fn``, ``CREATE TABLE`` and the like) with little indentation, or when the
section becomes long. The definitions are the heading path. Files without definitions (settings, style sheets) are cut
by length alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from indexes.readers.builder import Extract
from indexes.readers.decode import decode
from indexes.readers.outline import Section
from indexes.readers.source_file import SourceFile

_LANGUAGES = {
    "python": ".py .pyi .pyw",
    "javascript": ".js .mjs .cjs .jsx",
    "typescript": ".ts .tsx .mts",
    "java": ".java",
    "kotlin": ".kt .kts",
    "scala": ".scala",
    "c": ".c .h",
    "cpp": ".cpp .cc .cxx .hpp .hh .hxx",
    "csharp": ".cs",
    "go": ".go",
    "rust": ".rs",
    "swift": ".swift",
    "ruby": ".rb",
    "php": ".php",
    "perl": ".pl .pm",
    "lua": ".lua",
    "r": ".r",
    "julia": ".jl",
    "shell": ".sh .bash .zsh .ps1 .bat",
    "sql": ".sql",
    "css": ".css .scss .less",
    "settings": ".toml .yaml .yml .ini .cfg .conf .properties",
    "xml": ".xml",
    "interface": ".proto .graphql .thrift",
}
CODE_SUFFIXES = {suffix: language for language, suffixes in _LANGUAGES.items() for suffix in suffixes.split()}
_WORDS = (
    r"(?:class|def|function|func|fn|fun|sub|struct|enum|interface|trait|impl|protocol|object|module|namespace|record|"
    r"message|service|type|macro_rules!|procedure)"
)
_MODIFIERS = (
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|pub(?:\([^)]{0,20}\))?|"
    r"unsafe|const|open|sealed|data|override|inline|virtual|extern|partial)[ \t]+){0,6}"
)
_DEFINITION = re.compile(
    rf"^(?P<indent>[ \t]{{0,8}}){_MODIFIERS}{_WORDS}[ \t]+(?:\([^)\n]{{0,80}}\)[ \t]*)?"
    r"(?P<name>[^\W\d][\w.:]{0,80})",
    re.MULTILINE,
)
_TYPED = re.compile(  # int main(int argc, ...) {   public void run() {
    r"^(?P<indent>[ \t]{0,8})(?!return|else|new|throw|case|goto|if|for|while|switch)"
    r"[A-Za-z_][\w:<>,*&\[\] \t]{0,80}[ \t*&](?P<name>[A-Za-z_]\w{0,80})\([^;{}\n]{0,200}\)[^;{}\n]{0,60}\{",
    re.MULTILINE,
)
_SQL = re.compile(
    r"^(?P<indent>)CREATE[ \t]+(?:OR[ \t]+REPLACE[ \t]+)?(?:TEMP(?:ORARY)?[ \t]+)?"
    r"(?:TABLE|VIEW|FUNCTION|PROCEDURE|INDEX|TRIGGER)[ \t]+(?:IF[ \t]+NOT[ \t]+EXISTS[ \t]+)?"
    r"(?P<name>[\w.\"`\[\]]{1,80})",
    re.MULTILINE | re.IGNORECASE,
)
_TYPED_LANGUAGES = ("c", "cpp", "java", "csharp")
_NO_DEFINITIONS = ("css", "settings", "xml")
_BLANK = re.compile(r"\n[ \t\r]*(?=\n)")
_CODING = re.compile(rb"coding[:=][ \t]*([-\w.]+)")
_LONG = 1500  # characters after which a section ends at the next blank line


def read(file: SourceFile) -> Extract:
    r"""Read a file of source code.

    >>> extract = read(SourceFile("a.py", data=b"def rain():\n    pass\n\n\ndef snow():\n    pass\n"))
    >>> [(section.heading, section.place) for section in extract.sections]
    [(('rain',), 'lines 1-2'), (('snow',), 'lines 5-6')]
    """
    data = file.read_bytes()
    language = CODE_SUFFIXES[file.suffix]
    declared = _CODING.search(data[:300]) if language in ("python", "ruby", "perl") else None
    if language == "xml":
        declared = re.search(rb"encoding=[\"']([-\w.]+)", data[:200])
    text, encoding = decode(file, data, declared.group(1).decode("ascii", "replace") if declared else None)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    sections = list(_sections(text, language))
    return Extract(text, sections, {"title": file.name.rpartition("/")[2], "encoding": encoding, "language": language})


def _sections(text: str, language: str) -> Iterator[Section]:
    """Yield sections that tile the text."""
    definitions = _definitions(text, language)
    starts = [0, *(match.end() + 1 for match in _BLANK.finditer(text)), len(text)]
    at, line, next_definition = 0, 1, 0
    path: list[tuple[int, str]] = []
    begun: tuple[str, ...] = ()
    for block, block_end in pairwise(starts):
        first: tuple[int, str] | None = None
        inner: list[tuple[int, str]] = []
        while next_definition < len(definitions) and definitions[next_definition][0] < block_end:
            _, indent, name = definitions[next_definition]
            first = first or (indent, name)
            inner.append((indent, name))
            next_definition += 1
        long = block - at > _LONG
        if (first is not None or long) and text[at:block].strip():
            yield Section(at, block, begun, kind="code", place=_lines(text, at, block, line))
            line += text.count("\n", at, block)
            at = block
        if first is not None:
            path = [(depth, name) for depth, name in path if depth < first[0]]
            begun = tuple(name for _, name in [*path, first])
            for indent, name in inner:
                path = [(depth, above) for depth, above in path if depth < indent] + [(indent, name)]
        elif at == block:
            begun = tuple(name for _, name in path)
    if at < len(text):
        yield Section(at, len(text), begun, kind="code", place=_lines(text, at, len(text), line))


def _definitions(text: str, language: str) -> list[tuple[int, int, str]]:
    """Return (offset, indentation, name) of the definitions, in order."""
    if language in _NO_DEFINITIONS:
        return []
    matches = [*(_SQL if language == "sql" else _DEFINITION).finditer(text)]
    if language in _TYPED_LANGUAGES:
        matches += _TYPED.finditer(text)
    found: dict[int, tuple[int, int, str]] = {}
    for match in matches:
        indent = len(match.group("indent").expandtabs(4))
        found.setdefault(match.start(), (match.start(), indent, match.group("name").strip('"`[]:')))
    return [found[at] for at in sorted(found)]


def _lines(text: str, start: int, end: int, first: int) -> str:
    """Return "lines 10-20" for the text between ``start`` and ``end``; ``first`` is the line number at ``start``."""
    lead = len(text[start:end]) - len(text[start:end].lstrip("\n"))
    last = first + text[start:end].rstrip("\n").count("\n")
    return f"lines {first + lead}-{last}"
