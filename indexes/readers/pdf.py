"""PDF (.pdf): the text of each page with its number, lines joined to paragraphs, bookmarks as headings.

Lines are joined in one pass over a page: a short line that ends a sentence ends its paragraph, a short line without an
end (a title) stands alone, hyphens at line ends go unless the same word is written with its hyphen elsewhere. Lines
that repeat at the top or bottom of most pages (running titles, page numbers) are left out. Text that runs over a page
break is not torn. Scanned pages are pictures and give no text: a file of nothing else is a ReaderError.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pypdfium2

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder, glue_between
from indexes.readers.source_file import SourceFile

_HYPHENATED = re.compile(r"[^\W\d_]+-[^\W\d_]+")
_SOFT = re.compile(r"([^\W\d_]*)[\ufffe\x02\xad]\s*([^\W\d_]*)")  # pdfium's mark for a hyphen at a line end
_LINE_END_HYPHEN = re.compile(r"([^\W\d_]+)-\Z")
_FIRST_WORD = re.compile(r"[^\W\d_]+")
_LEADERS = re.compile(r"(?:\.[ ]?){4,}|…{2,}")
_ENDS = frozenset('.!?。！？：:；;…”」』)）"')
_BULLET = re.compile(
    r"[-*•·●○■□◦▪‣–—]\s|\d{1,3}[.)、．]\s|[(（][\w一二三四五六七八九十]{1,3}[)）]|[一二三四五六七八九十]{1,3}、|第\w{1,5}[章节条]|[①-⑳]"
)
_DIGITS = re.compile(r"\d+")
_MARGIN_PAGES = 4  # fewer pages than this tell no running title from text
_MAX_BOOKMARK_DEPTH = 6


def read(file: SourceFile) -> Extract:
    try:
        pdf = pypdfium2.PdfDocument(file.path if file.path is not None else file.data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise ReaderError(
                f"'{file}' is locked by a password", remedy="save a copy without the password and ingest that"
            ) from error
        raise ReaderError(
            f"'{file}' is damaged or no PDF ({error})", remedy="open and save it again, or leave it out"
        ) from error
    try:
        pages = [_page_lines(pdf, number) for number in range(len(pdf))]
        bookmarks = _bookmarks(pdf)
        title = " ".join((pdf.get_metadata_value("Title") or "").split())
    except pypdfium2.PdfiumError as error:
        raise ReaderError(f"'{file}' is damaged ({error})", remedy="open and save it again, or leave it out") from error
    finally:
        pdf.close()
    if not any(pages):
        raise ReaderError(
            f"'{file}' has no text in its {len(pages)} pages, it seems scanned",
            remedy="run an OCR program over it (for example: ocrmypdf in.pdf out.pdf) and ingest the result",
        )
    pages = _without_margins(pages)
    builder = OutlineBuilder()
    hyphenated = {word.lower() for lines in pages for line in lines for word in _HYPHENATED.findall(line)}
    for number, lines in enumerate(pages):
        _add_page(builder, lines, number + 1, bookmarks.get(number, []), hyphenated)
    return builder.build({"title": title})


def _page_lines(pdf: pypdfium2.PdfDocument, number: int) -> list[str]:
    page = pdf[number]
    try:
        textpage = page.get_textpage()
        try:
            text = textpage.get_text_range()
        finally:
            textpage.close()
    finally:
        page.close()
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    lines = [" ".join(line.split()) for line in text.split("\n")]
    return lines if any(lines) else []


def _bookmarks(pdf: pypdfium2.PdfDocument) -> dict[int, list[tuple[int, str]]]:
    """Page index to the (level from 1, title) of its bookmarks, in order."""
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for bookmark in pdf.get_toc(max_depth=_MAX_BOOKMARK_DEPTH):
        target = bookmark.get_dest()
        index = target.get_index() if target is not None else None
        title = " ".join((bookmark.get_title() or "").replace("\0", "").split())
        if index is not None and title:
            found[index].append((bookmark.level + 1, title))
    return found


def _without_margins(pages: list[list[str]]) -> list[list[str]]:
    """Pages without the first and last lines that most pages share but for their digits."""
    if len(pages) < _MARGIN_PAGES:
        return pages
    for place in (0, -1):
        stripped = [_trim(lines) for lines in pages]
        count = Counter(_DIGITS.sub("#", lines[place]) for lines in stripped if lines)
        common = {line for line, times in count.items() if times * 2 > len(pages)}
        cut = slice(1, None) if place == 0 else slice(None, -1)
        pages = [lines[cut] if lines and _DIGITS.sub("#", lines[place]) in common else lines for lines in stripped]
    return pages


def _trim(lines: list[str]) -> list[str]:
    start, end = 0, len(lines)
    while start < end and not lines[start]:
        start += 1
    while end > start and not lines[end - 1]:
        end -= 1
    return lines[start:end]


def _add_page(
    builder: OutlineBuilder, lines: list[str], page: int, bookmarks: list[tuple[int, str]], hyphenated: set[str]
) -> None:
    waiting = list(bookmarks)
    here = {_key(line) for line in lines}
    for level, title in [mark for mark in waiting if _key(mark[1]) not in here]:
        builder.enter(level, title)  # its words stand in no line of their own: it holds from the top of the page
    waiting = [mark for mark in waiting if _key(mark[1]) in here]
    body: list[str] = []
    for line in lines:
        if waiting and _key(line) == _key(waiting[0][1]):
            _add_paragraphs(builder, body, page, hyphenated)
            body = []
            level, title = waiting.pop(0)
            builder.heading(level, title, page)
        else:
            body.append(line)
    _add_paragraphs(builder, body, page, hyphenated)


def _key(line: str) -> str:
    return "".join(line.split()).casefold()


def _add_paragraphs(builder: OutlineBuilder, lines: list[str], page: int, hyphenated: set[str]) -> None:
    for index, (paragraph, tight) in enumerate(unwrap(lines, hyphenated)):
        glue = "\n" if tight else "\n\n"
        if index == 0 and builder.last_text[-1:] not in _ENDS and _goes_on(builder.last_text, paragraph):
            glue = glue_between(builder.last_text, paragraph)
        builder.paragraph(paragraph, page, glue=glue)


def _goes_on(before: str, after: str) -> bool:
    """Does the text of the page before run on here? Lower case does, and Chinese after a full line of Chinese."""
    if not before or _BULLET.match(after):
        return False
    last_line = before[before.rfind("\n") + 1 :]
    return after[0].islower() or (len(last_line) >= 25 and glue_between(before, after) == "")


def unwrap(lines: list[str], hyphenated: set[str]) -> list[tuple[str, bool]]:
    """Lines of a page to paragraphs; True: it stands directly under the one before (list items, rows), no blank line.

    Args:
        lines: without surrounding blanks; "" is a blank line.
        hyphenated: lower-case words that the document writes with a hyphen.
    """
    lengths = sorted(len(line) for line in lines if line)
    width = lengths[int(len(lengths) * 0.8)] if lengths else 0
    paragraphs: list[tuple[list[str], bool]] = []
    before = ""
    for line in lines:
        if not line:
            before = ""
            continue
        tight = bool(before)
        if not before or _starts_paragraph(before, line, width):
            paragraphs.append(([_softened(line, hyphenated)], tight))
        else:
            parts = paragraphs[-1][0]
            parts += _joined(parts.pop(), _softened(line, hyphenated), hyphenated)
        before = line
    return [(" ".join(_LEADERS.sub(" ", "".join(parts)).split()), tight) for parts, tight in paragraphs]


def _starts_paragraph(before: str, line: str, width: int) -> bool:
    if _BULLET.match(line) or _LEADERS.search(before) or _LEADERS.search(line):
        return True
    if before[-1] in _ENDS:
        return len(before) < 0.8 * width
    return len(before) < 0.6 * width and not line[0].islower() and before[-1] not in "，、,-"


def _joined(before: str, line: str, hyphenated: set[str]) -> list[str]:
    match = _LINE_END_HYPHEN.search(before)
    following = _FIRST_WORD.match(line)
    if match and following and following.group()[0].islower():
        keeps = f"{match.group(1)}-{following.group()}".lower() in hyphenated
        return [before if keeps else before[:-1], line]
    return [before, glue_between(before, line), line]


def _softened(line: str, hyphenated: set[str]) -> str:
    """pdfium joins a hyphenated line end itself and marks the place."""
    if "\ufffe" not in line and "\x02" not in line and "\xad" not in line:
        return line

    def mend(match: re.Match[str]) -> str:
        left, right = match.groups()
        return f"{left}-{right}" if not left or f"{left}-{right}".lower() in hyphenated else left + right

    return _SOFT.sub(mend, line)
