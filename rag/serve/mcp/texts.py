"""What the MCP tools say: one well-written text a result, cut where it would flood a conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from indexes.display import dropped, one_line

LIMIT = 20_000
CUT = "\n\n[cut here: ask for less, or read on with the tool 'read']"


def limited(text: str) -> str:
    """At most 20,000 characters, saying where it was cut, and none that steers a terminal."""
    text = dropped(text)
    return text if len(text) <= LIMIT else text[: LIMIT - len(CUT)] + CUT


def place_of(passage: Mapping[str, Any]) -> str:
    """Where a passage stands. Names and headings come from files: one that holds a line break would look like another
    passage."""
    parts = [str(passage.get("name") or passage.get("source") or "")]
    if passage.get("heading"):
        parts.append(str(passage["heading"]))
    if passage.get("page") is not None:
        parts.append(f"p. {passage['page']}")
    return one_line(" · ".join(parts))


def search_text(body: Mapping[str, Any]) -> str:
    """Numbered passages, each with its place, score and id."""
    passages = body.get("passages") or []
    if not passages:
        return "Nothing was found."
    blocks = [
        f"[{passage['number']}] {place_of(passage)} · score {passage['score']:.2f} · id {passage['sentence_id']}\n"
        f"{passage['text']}"
        for passage in passages
    ]
    return limited("\n\n".join([*blocks, *_notes(body)]))


def ask_text(body: Mapping[str, Any]) -> str:
    """The answer, its status, and the cited sentences with their places."""
    lines = [str(body.get("answer") or ""), "", f"Status: {body.get('status')}"]
    citations = body.get("citations") or []
    if citations:
        lines.append("Sources:")
        lines += [f"[{c['number']}] {place_of(c)} · id {c.get('sentence_id')}\n    “{c['text']}”" for c in citations]
    if nearest := body.get("nearest"):
        lines.append("The nearest passages:")
        lines += [f"- {place_of(row)}: {row['text']}" for row in nearest]
    return limited("\n".join([*lines, *_notes(body)]))


def read_text(rows: Sequence[Mapping[str, Any]], before: str | None, after: str | None) -> str:
    """Consecutive sentences, with the ids to go on from."""
    text = "".join(f"{row.get('raw') or row['text']}{row.get('after') or ' '}" for row in rows).strip()
    ends = []
    if before:
        ends.append(f"read on before: id {before}")
    if after:
        ends.append(f"read on after: id {after}")
    return limited(text + ("\n\n" + "; ".join(ends) if ends else ""))


def collections_text(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "There is no collection yet."
    lines = []
    for row in rows:
        if row.get("problem"):
            lines.append(f"{row['name']}: {row['problem']}")
        else:
            counts = f"{row['documents']} documents, {row['sentences']} sentences"
            languages = f" in {', '.join(row['languages'])}" if row.get("languages") else ""
            lines.append(f"{row['name']}: {counts}{languages} ({row['model']})")
    return limited("\n".join(map(one_line, lines)))


def documents_text(body: Mapping[str, Any]) -> str:
    rows = body.get("documents") or []
    if not rows:
        return "No document."
    lines = [
        f"{row['name']} · id {row['id']} · {row['sentences']} sentences{' · ' + row['date'] if row.get('date') else ''}"
        for row in rows
    ]
    lines = [one_line(line) for line in lines]
    shown, total = len(rows) + int(body.get("offset") or 0), int(body.get("total") or 0)
    if shown < total:
        lines.append(f"{total - shown} more: offset={shown}")
    return limited("\n".join(lines))


def _notes(body: Mapping[str, Any]) -> list[str]:
    return [f"\nNote: {note}" for note in body.get("notes") or []]
