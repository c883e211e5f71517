"""The formats of a comparison by name; each is a function from a ``Comparison`` to text."""

from __future__ import annotations

import json
from collections.abc import Callable

from eval.comparing.compare import Comparison
from eval.report.html import html
from eval.report.latex import latex
from eval.report.markdown import markdown
from eval.report.terminal import terminal


def to_json(comparison: Comparison) -> str:
    """Return the comparison as JSON, without per-query values (they are in the runs)."""
    return json.dumps(comparison.as_dict(), ensure_ascii=False, indent=2)


FORMS: dict[str, Callable[[Comparison], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "latex": latex,
    "json": to_json,
    "html": html,
}
