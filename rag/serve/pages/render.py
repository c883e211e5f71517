"""Templates: every value is escaped; document text is data, never HTML."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from rag.serve.pages.words import Words

FOLDER = Path(__file__).parent
MARKER = re.compile(r"\[(\d{1,3})\]")
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# With "no-referrer" browsers would send "Origin: null" with our own forms, which would then be refused.
HEADERS = {"Content-Security-Policy": CSP, "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY"}


@functools.cache
def environment(more: Path | None = None) -> Environment:
    """Return the templates of the pages; ``more`` is a folder of another package's templates.

    >>> environment().from_string("{{ name }}").render(name="<script>")
    '&lt;script&gt;'
    """
    made = Environment(
        loader=FileSystemLoader([FOLDER / "templates", *([more] if more is not None else [])]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["paragraphs"] = paragraphs
    made.filters["cited"] = cited
    return made


def render(template: str, words: Words, *, more: Path | None = None, **values: Any) -> str:
    """Render a template with the words of a language.

    >>> from rag.serve.errors import Problem
    >>> html = render("refusal.html", Words("zh"), problem=Problem("busy", "队列已满"), here="", links=[])
    >>> '<html lang="zh' in html, "队列已满" in html
    (True, True)
    """
    return environment(more).get_template(template).render(t=words, language=words.language, **values)


def paragraphs(text: str) -> Markup:
    """Return text as HTML with its line ends.

    >>> str(paragraphs("a < b\\nc"))
    'a &lt; b<br>c'
    """
    return Markup("<br>").join(escape(line) for line in text.split("\n"))


def cited(text: str, marks: dict[int, tuple[str, str]]) -> Markup:
    """Return an answer as HTML whose marks are links to what they cite.

    >>> print(cited("At 6 [1].", {1: ("/docs/handbook/0a1b", "The harbour opens at 6.")}))
    At 6 <a class="mark" href="/docs/handbook/0a1b" title="The harbour opens at 6.">1</a>.

    Args:
        marks: number -> (address, the cited sentences).
    """
    parts: list[Any] = []
    last = 0
    for match in MARKER.finditer(text):
        parts.append(paragraphs(text[last : match.start()]))
        number = int(match[1])
        if number in marks:
            address, quoted = marks[number]
            parts.append(Markup('<a class="mark" href="{}" title="{}">{}</a>').format(address, quoted, number))
        else:
            parts.append(escape(match[0]))
        last = match.end()
    parts.append(paragraphs(text[last:]))
    return Markup("").join(parts)
