"""The name of a document: its title, or its file name in readable form.

Documents of one kind (reports, contracts, manuals) are told apart only by their title, file name or headings:
"Guarantee: five years." The lexical leg adds these words, weighted, to every sentence (``nodes.record.place_of``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from indexes.readers.inline import real_title
from indexes.text.characters import HAN

NAME_CHARS = 200  # a longer title is a sentence or two

_TOKENS = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+")
_ID = re.compile(
    r"(?=\w*\d)[0-9a-f]{8,}|\d{5,}|(?=(?:\D*\d){4})(?=.*[^\W\d])\w{8,}", re.IGNORECASE
)  # hashes, numbers, keys
_MEANT_FOR_NOBODY = frozenset("img dsc dscn scan image page file doc document new untitled tmp temp".split())  # noqa: SIM905
_PARTS = re.compile(r"[_\s]+|(?<=[^\W\d_])\.(?=[^\W\d_])|(?<!\d)-|-(?!\d)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])|(?<=[a-z]{3})(?=\d{2})")
_COPY = re.compile(r"(?:\s*(?:\(\d+\)|\bcopy\b|\bfinal\b|副本|\bv\d+\b))+\s*$", re.IGNORECASE)


def document_name(metadata: Mapping[str, Any]) -> str:
    """Return the title if it reads like one, else the file name in readable form; "" for ids, hashes and "untitled".

    >>> document_name({"title": "0001193125-23-012345", "file_name": "acme_annual-report_2023.pdf"})
    'acme annual report 2023'
    >>> document_name({"title": "Handbook", "file_name": "x1.md"}), document_name({"title": "f3a9c0d1"})
    ('Handbook', '')
    """
    title, file = str(metadata.get("title") or ""), str(metadata.get("file_name") or "")
    return _name(title, file)


def renamed(metadata: Mapping[str, Any], file_name: str) -> dict[str, Any]:
    """Return the metadata of a document whose file was renamed; a title that is the old file name changes too.

    >>> renamed({"title": "draft", "file_name": "draft.md"}, "Price list.md")
    {'title': 'Price list', 'file_name': 'Price list.md'}
    >>> renamed({"title": "The mill", "file_name": "draft.md"}, "Price list.md")["title"]
    'The mill'
    """
    before, now = PurePosixPath(str(metadata.get("file_name") or "")), PurePosixPath(file_name)
    title = now.stem if metadata.get("title") == before.stem else metadata.get("title")
    return {**metadata, "file_name": file_name, "title": title}


@lru_cache(maxsize=4096)
def _name(title: str, file: str) -> str:
    stem = PurePosixPath(file).stem
    if title != stem and (named := real_title(title)) and _reads(named):
        return named[:NAME_CHARS]
    readable = " ".join(_PARTS.sub(" ", _CAMEL.sub(" ", stem)).split())
    readable = _COPY.sub("", readable)
    return readable[:NAME_CHARS] if real_title(readable) and _reads(readable) else ""


def _reads(name: str) -> bool:
    """Return whether at least half of it are words: not an accession number, hash, key or number of a picture.

    >>> [_reads(name) for name in ("3M 2018 10K", "d123456d10k", "IMG 20240101", "2023年度报告")]
    [True, False, False, True]
    """
    words, others = 0, 0
    for token in _TOKENS.findall(name):
        if _ID.fullmatch(token) or token.lower() in _MEANT_FOR_NOBODY:
            others += len(token)
        elif not token.isdigit():
            words += len(token)
    return words > 0 and words >= others
