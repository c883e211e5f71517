"""Make text fit to show or to log: no secrets, no characters that steer a terminal, and plurals that are right.

File names, archive members, headings, servers' errors and addresses come from outside. Errors, remarks and findings go
through ``safe``; a place that shows a single address or name uses ``without_secrets`` or ``one_line``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
# Control characters except tab and line feed, direction marks and overrides, and Unicode's line ends.
STEERING = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"

_STEERING = re.compile(f"[{STEERING}]")
_STEERING_OR_BREAK = re.compile(f"[{STEERING}\t\n]")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}

_OF_A_KEY = r"[\w.-]*(?:key|token|secret|passw(?:or)?d|pwd|credential|signature|auth)"
_LOGIN = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/?#]*@", re.IGNORECASE)
_BARE_LOGIN = re.compile(
    r"(?<![\w/.+-])(?!mailto:)[\w.+-]+:[^\s/?#@:'\"]{2,}@(?=[\w\[])"
)  # of an address without its scheme
_QUERY = re.compile(rf"([?&;]{_OF_A_KEY}=)[^&\s#'\"<>;]+", re.IGNORECASE)
_HEADER = re.compile(
    r"\b((?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?(?:(?:bearer|basic|token)\s+)?|x?-?api[-_]?key['\"]?\s*[:=]\s*['\"]?"
    r"|bearer\s+(?=\S*\d))[^\s'\",;&#]{4,}",
    re.IGNORECASE,
)
_ADDRESS_QUERY = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s?#'\"<>]*\?)[^\s#'\"<>;]+", re.IGNORECASE)
_SERVICE_KEY = re.compile(r"\b(?:sk|pk|hf|gsk|rk|xai)[-_][\w-]{12,}")
_OF_ONE = {"are": "is", "were": "was", "have": "has", "do": "does"}  # verbs of one thing
_VARIABLE = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
_LEAST_KEY = 4  # shortest key, in characters
_LEAST = 8  # shortest value of a variable, in characters; a shorter one could be a word of the sentence


def safe(text: str, environ: Mapping[str, str] | None = None) -> str:
    r"""Return ``text`` without secrets and without characters that steer a terminal.

    >>> safe("http://me:word@host\x1b[2J", {})
    'http://***@host\\x1b[2J'
    """
    return escaped(without_secrets(text, environ))


def one_line(text: str) -> str:
    r"""Return a name or sentence with line breaks, control characters and direction marks as escapes.

    >>> one_line("a\nb")
    'a\\nb'
    """
    return _STEERING_OR_BREAK.sub(_escape, text)


def escaped(text: str) -> str:
    r"""Return text like ``one_line``, with tabs and line ends unchanged.

    >>> escaped("a\nb\x1b")
    'a\nb\\x1b'
    """
    return _STEERING.sub(_escape, text.replace("\r\n", "\n"))


def dropped(text: str) -> str:
    r"""Return running text without the characters that ``escaped`` would replace.

    >>> dropped("a\x1bb")
    'ab'
    """
    return _STEERING.sub("", text)


def counted(count: int, noun: str, *, many: str | None = None, of: int | None = None, verb: str = "") -> str:
    """Return a number with its noun, and perhaps a verb, in the right form.

    >>> counted(1, "document"), counted(1204, "query"), counted(2, "process")
    ('1 document', '1,204 queries', '2 processes')
    >>> counted(1, "question", of=3, verb="are"), counted(2, "sentence", verb="have")
    ('1 of 3 questions is', '2 sentences have')

    Args:
        many: the plural, if it is not regular.
        of: the whole that ``count`` is a part of; the noun then follows it.
        verb: the plural form: "are", "have", "need".
    """
    total = count if of is None else of
    text = f"{count:,} " if of is None else f"{count:,} of {of:,} "
    text += noun if total == 1 else many or plural_of(noun)
    return f"{text} {agreed(count, verb)}" if verb else text


def agreed(count: int, verb: str) -> str:
    """Return a verb in the form that agrees with a number.

    >>> agreed(1, "are"), agreed(3, "are"), agreed(1, "need")
    ('is', 'are', 'needs')
    """
    return verb if count != 1 else _OF_ONE.get(verb, f"{verb}s")


def plural_of(noun: str) -> str:
    """Return the regular plural of an English noun.

    >>> plural_of("dev question"), plural_of("copy"), plural_of("day"), plural_of("reading of characters")
    ('dev questions', 'copies', 'days', 'readings of characters')
    """
    noun, of, rest = noun.partition(" of ")
    if of:
        return f"{plural_of(noun)}{of}{rest}"
    if noun.endswith("y") and noun[-2:-1] not in ("a", "e", "o", "u"):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


def without_key(text: str, key: str | None) -> str:
    """Return ``text`` with ``***`` in place of a key, which servers may echo.

    >>> without_key("invalid key sk-12345", "sk-12345")
    'invalid key ***'
    """
    return text.replace(key, HIDDEN) if key and len(key) >= _LEAST_KEY else text


def without_secrets(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Return ``text`` with ``***`` in place of logins and keys in addresses, keys in headers, and the values of
    environment variables with keys (a server may echo what it was sent).

    >>> without_secrets("http://me:word@host:6333/x?api_key=abc&limit=3", {})
    'http://***@host:6333/x?api_key=***&limit=3'
    """
    for value in _secret_values(os.environ if environ is None else environ):
        text = text.replace(value, HIDDEN)
    text = _LOGIN.sub(rf"\1{HIDDEN}@", text)
    text = _BARE_LOGIN.sub(f"{HIDDEN}@", text)
    text = _QUERY.sub(rf"\1{HIDDEN}", text)
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    return _SERVICE_KEY.sub(HIDDEN, text)


class Bilingual(str):
    """A sentence for people in English, with the same in Chinese as ``zh``.

    >>> note = Bilingual("nothing was found", "没有找到")
    >>> note, text_in(note, "zh"), text_in("no Chinese", "zh")
    ('nothing was found', '没有找到', 'no Chinese')
    """

    zh: str

    def __new__(cls, english: str, chinese: str) -> Bilingual:
        """Make the English text, and keep the Chinese one beside it."""
        made = super().__new__(cls, english)
        made.zh = chinese
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override] # for copies and other processes
        return str(self), self.zh


def text_in(sentence: str, language: str) -> str:
    """Return a sentence in a language, "en" or "zh"; one that is not ``Bilingual`` as it is.

    >>> text_in(Bilingual("no answer", "没有答案"), "zh"), text_in("no answer", "zh")
    ('没有答案', 'no answer')
    """
    return sentence.zh if language == "zh" and isinstance(sentence, Bilingual) else str(sentence)


def for_records(value: Any) -> Any:
    """Return plain data as it may be kept in a file: addresses without logins and queries, which may hold keys.

    The same data gives the same result on every machine, so that records can be compared; what was masked stays so.

    >>> for_records({"llm": {"base_url": "https://me:word@host/v1?sig=abc", "model": "qwen"}})
    {'llm': {'base_url': 'https://***@host/v1?***', 'model': 'qwen'}}
    """
    if isinstance(value, str):
        return _ADDRESS_QUERY.sub(rf"\1{HIDDEN}", without_secrets(value, {}))
    if isinstance(value, Mapping):
        return {key: for_records(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_records(part) for part in value]
    return value


def _secret_values(environ: Mapping[str, str]) -> list[str]:
    found = [value for name, value in environ.items() if _VARIABLE.search(name) and len(value) >= _LEAST]
    return sorted((value for value in found if value[0] not in "/~."), key=len, reverse=True)


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
