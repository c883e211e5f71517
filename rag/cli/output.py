"""Print data to stdout and words to stderr."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from indexes.display import STEERING, dropped, escaped, one_line, safe
from indexes.text.characters import columns
from rag.cli.page import cut, unmarked, width_of, wrapped

_STEERING = re.compile(f"[{STEERING}]")

TRACED = 10  # candidates of a trace shown on a terminal


def data(text: str = "", *, end: str = "\n", styled: bool = False) -> None:
    r"""Print text to stdout; control characters are escaped, unless it is our own ``styled`` text.

    >>> data("a file's name with \x1b[2J")
    a file's name with \x1b[2J
    """
    click.echo((text if styled else escaped(text)) + end, nl=False)


def words(text: str, *, style: Mapping[str, Any] | None = None) -> None:
    """Print a remark to stderr, without secrets and control characters.

    >>> with contextlib.redirect_stderr(sys.stdout):
    ...     words("asking http://me:secret@host")
    asking http://***@host
    """
    with contextlib.suppress(BrokenPipeError):  # nobody reads stderr
        click.echo(click.style(safe(text), **style) if style else safe(text), err=True)


def note(text: str, *, apart: bool = False, language: str = "en") -> None:
    """Print on stderr why a result is less than it could be.

    >>> with contextlib.redirect_stderr(sys.stdout):
    ...     note("no language model is configured")
    ...     note("没有配置语言模型", language="zh")
    note: no language model is configured
    说明：没有配置语言模型

    Args:
        apart: after an empty line on a terminal.
        language: the text's language, "en" or "zh".
    """
    width = width_of(sys.stderr)
    if apart and width is not None:
        words("")
    start = "说明：" if language == "zh" else "note: "
    words(wrapped(f"{start}{unmarked(safe(text))}", width, "  ", first=""), style={"dim": True})


def data_json(value: Any, *, line: bool = False) -> None:
    """Print JSON to stdout, indented, or on one line.

    >>> data_json({"answer": "六点开门"}, line=True)
    {"answer": "六点开门"}
    """
    text = json.dumps(value, ensure_ascii=False, indent=None if line else 2, default=str)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a file name that is not UTF-8: its bytes are escaped
        text = json.dumps(value, indent=None if line else 2, default=str)
    # json.dumps escapes what lies below U+0020 only.
    click.echo(_STEERING.sub(lambda match: f"\\u{ord(match.group()):04x}", text))


def make_output_tolerant() -> None:
    """Replace characters that the terminal cannot show, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def clean(text: str) -> str:
    """Make a document's text safe for a terminal; tabs and line ends are kept.

    >>> clean("red \\x1b[31m text")
    'red [31m text'
    """
    return dropped(text)


def shown_path(source: str) -> str:
    """Return a file below the working folder relative to it, everything else unchanged.

    >>> shown_path("https://example.org/a.html")
    'https://example.org/a.html'
    """
    path = Path(source)
    if path.is_absolute():
        with contextlib.suppress(ValueError, OSError):
            return one_line(str(path.relative_to(Path.cwd())))
    return one_line(source)


def place(
    source: str, heading: str | None, page: int | None, rows: str | None = None, *, room: int | None = None
) -> str:
    """Return where a sentence is.

    >>> place("guide/windows.md", "Windows > Merging", 3)
    'guide/windows.md › Windows › Merging, page 3'

    Args:
        rows: rows, lines or cell in a file without pages.
        room: maximum columns; the heading and the path are shortened from their start.
    """
    end = (f", {one_line(clean(rows))}" if rows else "") + (f", page {page}" if page is not None else "")
    parts = [one_line(clean(part.strip())) for part in (heading or "").split(" > ") if part.strip()]
    path = shown_path(source)
    if room is None:
        return " › ".join([path, *parts]) + end
    folders = path.split("/")
    while columns(" › ".join([path, *parts]) + end) > room:
        if len(parts) > 1:
            parts = parts[2:] if parts[0] == "…" else parts[1:]
            parts = ["…", *parts] if len(parts) > 1 else parts
        elif len(folders) > 2:
            folders = folders[2:] if folders[0] == "…" else folders[1:]
            folders, path = ["…", *folders], "/".join(["…", *folders])
        else:
            break
    fit = columns(path + end) + 3
    if parts and columns(" › ".join([path, *parts]) + end) > room:
        parts = [cut(parts[-1], room - fit)] if room - fit > 8 else []
    return cut(" › ".join([path, *parts]) + end, room)


def trace_text(trace: Mapping[str, Any]) -> str:
    """Format a trace: stages with milliseconds, then candidates with their ranks.

    >>> print(trace_text({"timings_ms": {"encode": 12.0}, "candidates": []}))
    Stages (ms):
      encode           12.0
      total            12.0
    """
    timings: Mapping[str, float] = trace.get("timings_ms", {})
    lines = ["Stages (ms):"]
    lines += [f"  {stage:<10} {milliseconds:>10.1f}" for stage, milliseconds in timings.items()]
    lines.append(f"  {'total':<10} {sum(timings.values()):>10.1f}")
    if trace.get("server"):
        lines.append(f"Answered by the running server: {trace['server']}")
    if trace.get("searched") and trace["searched"] != trace.get("question"):
        lines.append(f"Searched: {clean(trace['searched'])}")
    for text in trace.get("rewritten", []):
        lines.append(f"Searched too: {clean(text)}")
    for text in trace.get("hypothetical", []):
        lines.append(f"Hypothetical: {clean(text)}")
    llm = {key: value for key, value in trace.get("llm", {}).items() if value is not None}
    if llm:
        model = [str(llm.pop("model"))] if "model" in llm else []
        lines.append("Model: " + ", ".join([*model, *(f"{key} {value}" for key, value in llm.items())]))
    candidates = trace.get("candidates", [])
    if candidates:
        lines += ["Candidates:", f"  {'#':>3} {'dense':>6} {'sparse':>6} {'fused':>7} {'rerank':>7}  sentence"]
    for rank, candidate in enumerate(candidates[:TRACED], 1):
        numbers = (
            f"{_cell(candidate.get('dense_rank')):>6} {_cell(candidate.get('sparse_rank')):>6} "
            f"{_cell(candidate.get('fused_score')):>7} {_cell(candidate.get('rerank_score')):>7}"
        )
        lines.append(f"  {rank:>3} {numbers}  {shorten(candidate['text'], 70)} ({shown_path(candidate['source'])})")
    if len(candidates) > TRACED:
        lines.append(f"  ... and {len(candidates) - TRACED} more: --json shows them all")
    return "\n".join(lines)


def shorten(text: str, length: int) -> str:
    """Shorten a text to one line of at most ``length`` characters.

    >>> shorten("The harbour opens at 6.", 12)
    'The harbour…'
    """
    text = clean(" ".join(text.split()))
    return text if len(text) <= length else text[: length - 1] + "…"


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def megabytes(size: int) -> str:
    """Format bytes as MB.

    >>> megabytes(1_234_567)
    '1.2 MB'
    """
    return f"{size / 1e6:.1f} MB"


def say_waiting(waiting: list[str], collection: str) -> None:
    """Report what still holds deleted text, and how to erase it.

    >>> with contextlib.redirect_stderr(sys.stdout):
    ...     say_waiting(["collection 'guide'"], "guide")
    deleted text is still in collection 'guide': the next 'rag ingest' erases it, or at once: rag delete --now
     --collection guide
    """
    for what in waiting:
        words(
            f"deleted text is still in {what}: the next 'rag ingest' erases it, or at once: "
            f"rag delete --now --collection {collection}"
        )
