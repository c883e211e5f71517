"""Text for Dify's own import: ``======`` between parents, ``------`` between the children of one."""

from __future__ import annotations

from llama_index.core.schema import Document

from indexes.nodes.blocks import Block, blocks_of, text_blocks
from indexes.nodes.markup import plain_markup
from indexes.nodes.parent_child_cutting import Parent, Together, parents_of
from indexes.readers.outline import OUTLINE_KEY

PARENT_LINE, CHILD_LINE = "======", "------"


def split_text(
    text: str,
    *,
    child_max_chars: int | None = None,
    parent_max_chars: int | None = None,
    image_base_url: str | None = None,
    together: Together | None = None,
) -> list[list[str]]:
    """The parents of plain or Markdown text, each the list of its children.

    HTML tables become Markdown and images ``![image](address)`` first. Without limits the headings alone decide.

    Args:
        child_max_chars, parent_max_chars, together: as for ``parent_child.parents_of``.
        image_base_url: put before relative addresses of images.
    """
    text = plain_markup(text.replace("\r\n", "\n").replace("\r", "\n"), image_base_url=image_base_url)
    return _split(text, text_blocks(text), child_max_chars, parent_max_chars, together)


def split_document(
    document: Document,
    *,
    child_max_chars: int | None = None,
    parent_max_chars: int | None = None,
    together: Together | None = None,
) -> list[list[str]]:
    """As ``split_text`` for a document that a reader made: its headings and code blocks get their Markdown marks."""
    marked = any(item["kind"] == "heading" for item in document.metadata.get(OUTLINE_KEY) or ())
    written: list[str] = []
    blocks: list[Block] = []
    length = 0
    for block in blocks_of(document):
        shown = document.text[block.start : block.end]
        if block.kind == "heading" and marked:
            shown = f"{'#' * min(block.level, 6)} {' '.join(shown.split())}"
        elif block.kind == "code" and not shown.lstrip().startswith(("```", "~~~")):
            fence = "````" if "```" in shown else "```"
            shown = f"{fence}\n{shown}\n{fence}"
        blocks.append(Block(length, length + len(shown), block.kind, block.level, block.title))
        written += (shown, "\n\n")
        length += len(shown) + 2
    return _split("".join(written), blocks, child_max_chars, parent_max_chars, together)


def _split(
    text: str, blocks: list[Block], child_max: int | None, parent_max: int | None, together: Together | None
) -> list[list[str]]:
    parents = parents_of(text, blocks, child_max=child_max, parent_max=parent_max, together=together)
    return [_texts(text, parent) for parent in parents]


def _texts(text: str, parent: Parent) -> list[str]:
    return [text[child.start : child.end] for child in parent]


def as_dify(parents: list[list[str]]) -> str:
    """Parents as the text that Dify imports. A line of a child that reads like a separator gets a blank in front."""
    return f"\n{PARENT_LINE}\n".join(f"\n{CHILD_LINE}\n".join(map(_safe, parent)) for parent in parents) + "\n"


def to_dify(text: str, **options: object) -> str:
    """``split_text`` and ``as_dify`` in one: the text of a document, ready for Dify."""
    return as_dify(split_text(text, **options))  # type: ignore[arg-type]


def _safe(child: str) -> str:
    if PARENT_LINE not in child and CHILD_LINE not in child:
        return child
    lines = child.split("\n")
    return "\n".join(f" {line}" if line.rstrip() in (PARENT_LINE, CHILD_LINE) else line for line in lines)
