"""Read the front matter of Markdown files, YAML between --- lines or TOML between +++ lines, as metadata.

Scalars and lists stay unchanged, dates become ISO text, tags in one line a list. Names that the index uses
itself are prefixed with ``front_``.
"""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from datetime import date, datetime, time
from typing import Any

MAX_CHARS = 64_000  # longest front matter; MAX_VALUE: longest value, as each sentence of the document has it
MAX_VALUE, MAX_KEYS = 500, 40
_FRONT_MATTER = re.compile(r"\A\ufeff?(---|\+\+\+)[ \t]*\n(.*?\n)?\1[ \t]*(?:\n|\Z)", re.DOTALL)
_DATE = re.compile(
    r"(?P<y>\d{4})[/.](?P<m>\d{1,2})[/.](?P<d>\d{1,2})|(?P<yc>\d{4})\s?年\s?(?P<mc>\d{1,2})\s?月\s?(?P<dc>\d{1,2})\s?[日号]"
    r"|(?P<dg>\d{1,2})\.\s?(?P<mg>\d{1,2})\.\s?(?P<yg>\d{4})"
)
_LISTED = frozenset("tags keywords categories 标签 关键词 分类".split())  # noqa: SIM905 (readable as words)
RESERVED = frozenset(
    (
        "source", "sources", "other_names", "file_name", "file_path", "file_type", "last_modified_date",
        "creation_date", "outline", "notes", "position", "section", "after", "kind", "raw", "head", "parent", "heading",
        "page", "place", "doc_id", "text", "start", "end", "encoding", "document_id", "ref_doc_id",
    )
)  # fmt: skip


def split_front_matter(text: str) -> tuple[str, dict[str, Any], str | None]:
    r"""Return the text without its front matter, the metadata, and a note on faults (None: no faults).

    >>> split_front_matter("---\nlang: en\n---\nIt rains.")
    ('It rains.', {'lang': 'en'}, None)
    """
    found = _FRONT_MATTER.match(text)
    if found is None:
        return text, {}, None
    body, raw = text[found.end() :], found.group(2) or ""
    try:
        if len(raw) > MAX_CHARS:
            raise ValueError(f"it is longer than {MAX_CHARS} characters")
        values = tomllib.loads(raw) if found.group(1) == "+++" else _yaml(raw)
    except Exception as error:  # noqa: BLE001 - two parsers with different errors, and the text is what matters
        reason = " ".join(str(error).split())[:120]
        title = re.search(r"^title[ \t]*[:=][ \t]*[\"']?(.*?)[\"']?[ \t]*$", raw, re.MULTILINE)
        known = {"title": title.group(1)} if title else {}
        return body, known, f"its front matter cannot be read ({reason}); the text was read without it"
    if values is None:
        return body, {}, None
    if not isinstance(values, dict):
        return text, {}, None  # two rules with text between them
    return body, as_metadata(values), None


def as_metadata(values: dict[str, Any]) -> dict[str, Any]:
    """Return plain values under names that the index does not use; empty and very long values are left out.

    >>> as_metadata({"lang": "en", "source": "web", "draft": ""})
    {'lang': 'en', 'front_source': 'web'}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = " ".join(str(key).split())
        name = f"front_{name}" if name in RESERVED else name
        plain = _plain(value)
        if name.lower() in _LISTED and isinstance(plain, str) and len(parts := re.split("[,，、;；]", plain)) > 1:
            plain = [part.strip() for part in parts if part.strip()]
        if name and plain not in (None, "", [], {}) and len(str(plain)) <= MAX_VALUE and len(found) < MAX_KEYS:
            found[name] = plain
    if "title" in found and not isinstance(found["title"], str):
        found["title"] = str(found["title"])
    return found


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value if value == value and value not in (float("inf"), float("-inf")) else str(value)
    if isinstance(value, (date, time)):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, str):
        words = " ".join(value.split())
        return _iso(words) or words
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    return str(value)


def _iso(text: str) -> str | None:
    """Return a date in ISO form if the whole text is one: 2025/1/15, 15.1.2025, 2025年1月15日, 15 January 2025."""
    if len(text) > 20 or (not text[-4:].isdigit() and not text[:4].isdigit()):
        return None
    with suppress(ValueError):  # no such day
        if match := _DATE.fullmatch(text):
            year, month, day = (
                next(filter(None, match.group(name, f"{name}c", f"{name}g"))) for name in ("y", "m", "d")
            )
            return date(int(year), int(month), int(day)).isoformat()
    for form in ("%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y"):
        with suppress(ValueError):
            return datetime.strptime(text, form).date().isoformat()
    return None


def _yaml(raw: str) -> Any:
    import yaml  # type: ignore[import-untyped]

    # Nested aliases would expand to gigabytes.
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(raw, Loader=yaml.SafeLoader)):
        raise ValueError("it refers to itself by *names")
    return yaml.safe_load(raw)
