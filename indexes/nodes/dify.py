"""Text for Dify's import: ``======`` separates parents, ``------`` the children of a parent."""

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
    r"""Split plain or Markdown text into parents, each a list of its children.

    First HTML tables become Markdown tables and images ``![image](address)``. Without limits only headings count.

    >>> split_text("# Care\n\nDry it.\n\n## Storage\n\nKeep it dark.")
    [['# Care\n\nDry it.', '## Storage\n\nKeep it dark.']]

    Args:
        child_max_chars, parent_max_chars, together: as for ``parent_child_cutting.parents_of``.
        image_base_url: prefix of relative image addresses.
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
    r"""Split a document of a reader as ``split_text`` does; headings and code blocks get Markdown marks.

    >>> from indexes.readers import read_file
    >>> _ = (folder / "a.md").write_text("# Care\n\nDry it.\n\n    rinse --cold")
    >>> split_document(read_file(folder / "a.md")[0])
    [['# Care\n\nDry it.\n\n```\nrinse --cold\n```']]
    """
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
    """Return the text that Dify imports. A line of a child that looks like a separator gets a leading blank.

    >>> print(as_dify([["One.", "Two."], ["Three."]]), end="")
    One.
    ------
    Two.
    ======
    Three.
    """
    return f"\n{PARENT_LINE}\n".join(f"\n{CHILD_LINE}\n".join(map(_safe, parent)) for parent in parents) + "\n"


def to_dify(text: str, **options: object) -> str:
    r"""Split a text and return it in the form that Dify imports (``split_text``, then ``as_dify``).

    >>> print(to_dify("# Care\n\nDry it.\n\n# Storage\n\nKeep it dark.", child_max_chars=30), end="")
    # Care
    <BLANKLINE>
    Dry it.
    ======
    # Storage
    <BLANKLINE>
    Keep it dark.
    """
    return as_dify(split_text(text, **options))  # type: ignore[arg-type]


def _safe(child: str) -> str:
    if PARENT_LINE not in child and CHILD_LINE not in child:
        return child
    lines = child.split("\n")
    return "\n".join(f" {line}" if line.rstrip() in (PARENT_LINE, CHILD_LINE) else line for line in lines)
