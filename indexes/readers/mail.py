"""Mail (.eml): subject, sender, date and body; attachments are members, like the files of an archive."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_binary_file, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

from indexes.errors import ReaderError
from indexes.readers.builder import Extract, OutlineBuilder, collapse_lines
from indexes.readers.source_file import SourceFile, apart, shown_name
from indexes.readers.web.html import add_page

_REMEDY = "save it again from the mail program, or leave it out"
_SHOWN = ("from", "to", "cc", "date")


def read(file: SourceFile) -> Extract:
    r"""Read the mail itself; its attachments are ``members``.

    >>> mail = b"From: Ada <ada@example.org>\nSubject: The mill\n\nIt turns again."
    >>> extract = read(SourceFile("a.eml", data=mail))
    >>> extract.text, extract.metadata["author"]
    ('The mill\n\nFrom: Ada <ada@example.org>\n\nIt turns again.', 'Ada <ada@example.org>')
    """
    message = _message(file)
    builder = OutlineBuilder()
    subject = _header(message, "subject")
    builder.heading(1, subject)
    heads = [f"{name.capitalize()}: {value}" for name in _SHOWN if (value := _header(message, name))]
    builder.paragraph("\n".join(heads))
    body = message.get_body(("plain", "html"))
    if isinstance(body, EmailMessage):
        words = _content(body)
        if body.get_content_subtype() == "html":
            add_page(builder, words, file)
        else:
            for paragraph in words.replace("\r\n", "\n").split("\n\n"):
                builder.paragraph(collapse_lines(paragraph))
    date = None
    with contextlib.suppress(TypeError, ValueError, IndexError):
        date = parsedate_to_datetime(_header(message, "date")).isoformat()
    return builder.build({"title": subject, "author": _header(message, "from"), "date": date})


def members(file: SourceFile) -> Iterator[tuple[SourceFile, str | None]]:
    r"""Yield the attachments, and why one cannot be read (None: it can).

    >>> message = EmailMessage()
    >>> message.set_content("It rains.")
    >>> message.add_attachment("# Care", filename="care.md")
    >>> [(member.name, member.data) for member, fault in members(SourceFile("a.eml", data=message.as_bytes()))]
    [('a.eml!/care.md', b'# Care\n')]

    Raises:
        ReaderError: the mail is nested in too many archives.
    """
    if file.depth >= file.settings.archive_depth:
        return
    seen: set[str] = set()
    for number, part in enumerate(_message(file).iter_attachments(), start=1):
        label = " ".join((part.get_filename() or "").replace("\\", "/").rpartition("/")[2].split())
        label = shown_name(label) or f"part {number}"
        if part.get_content_type() == "message/rfc822" and "." not in label:
            label += ".eml"
        name = f"{file.name}!/{apart(label, seen)}"
        member = replace(file, name=name, path=None, depth=file.depth + 1, notes=[], left_out=Counter())
        try:
            content = part.get_content()
        except (KeyError, LookupError, ValueError) as error:
            yield member, f"it cannot be decoded ({error})"
            continue
        if isinstance(content, EmailMessage):
            member.data = content.as_bytes()
        else:
            member.data = content if isinstance(content, bytes) else str(content).encode()
        yield member, None


def _message(file: SourceFile) -> EmailMessage:
    with file.open() as stream:
        message = message_from_binary_file(stream, policy=policy.default)
    if not isinstance(message, EmailMessage) or not message.keys():
        raise ReaderError(f"'{file}' is damaged or not a mail: it has no headers", remedy=_REMEDY)
    return message


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except (ValueError, IndexError):  # headers on which the email package fails
        return ""


def _content(part: EmailMessage) -> str:
    try:
        return str(part.get_content())
    except (LookupError, ValueError):
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else str(payload)
