"""Make text safe to show or to log: without secrets, and without characters that steer a terminal.

File names, archive members, headings, servers' errors and addresses come from outside. Errors, remarks and findings go
through ``safe``; a place that shows a single address or name uses ``without_secrets`` or ``one_line``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

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
_SERVICE_KEY = re.compile(r"\b(?:sk|pk|hf|gsk|rk|xai)[-_][\w-]{12,}")
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


def _secret_values(environ: Mapping[str, str]) -> list[str]:
    found = [value for name, value in environ.items() if _VARIABLE.search(name) and len(value) >= _LEAST]
    return sorted((value for value in found if value[0] not in "/~."), key=len, reverse=True)


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
