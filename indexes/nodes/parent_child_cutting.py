"""Parent-child chunks: search finds small children, and the answer reads the whole parent.

First pass, by headings: a top-level heading is a parent; its children are its own text and the text under each of its
sub-headings.

Second pass, by length:

- The text under a heading is one child if it is within ``child_max``; else its own text and each of its sub-headings
  are children, and so on. Text that is still too long is cut at paragraphs, sentences, commas.
- A parent over ``parent_max`` is divided between its children: a parent is filled up to the limit, then the next
  begins. If the last one would be shorter than ``child_max``, it takes children from the one before: of 300, 150 and
  200 under a limit of 500, the first parent gets 300, the second 150 + 200.
- Tables, images and code blocks are never cut. One over ``child_max`` is a parent by itself.

The length of a parent is the sum of its children's. No text is lost or repeated: all chunks are spans of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from indexes.errors import SettingsError
from indexes.nodes.blocks import ATOMIC, IMAGE, Block, Node, tree_of
from indexes.nodes.cutting import Limits, pieces
from indexes.text.sentences import iter_spans

NO_LIMIT = 1 << 60
Together = Callable[[Sequence[str]], bool]  # the children of a parent -> whether they belong together


@dataclass(slots=True)
class Child:
    r"""A child ``text[start:end]`` under the headings ``path``.

    ``kind`` is "text" unless all its blocks are of one other kind.

    >>> from indexes.nodes.blocks import text_blocks
    >>> text = "# Care\n\nDry it.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"
    >>> parents = parents_of(text, text_blocks(text), child_max=20)
    >>> [(child.kind, len(child)) for parent in parents for child in parent]
    [('text', 15), ('table', 33)]
    """

    start: int
    end: int
    path: tuple[str, ...] = ()
    kind: str = "text"
    alone: bool = False  # an atomic block over the limit: a parent by itself

    def __len__(self) -> int:
        return self.end - self.start


Parent = list[Child]


def parents_of(
    text: str,
    blocks: list[Block],
    *,
    child_max: int | None = None,
    parent_max: int | None = None,
    together: Together | None = None,
) -> list[Parent]:
    r"""Split a text into parents, each a list of its children, in order.

    >>> from indexes.nodes.blocks import text_blocks
    >>> text = "# Care\n\nDry it.\n\n## Storage\n\nKeep it dark."
    >>> [[text[child.start : child.end] for child in parent] for parent in parents_of(text, text_blocks(text))]
    [['# Care\n\nDry it.', '## Storage\n\nKeep it dark.']]

    Args:
        blocks: blocks of the text (``blocks.text_blocks`` or ``blocks.blocks_of``).
        child_max, parent_max: longest child and parent in characters; None: only headings count.
        together: called for each parent with several children; if it returns False, each child becomes a parent (a
            heading alone stays with the next child).

    Raises:
        SettingsError: ``parent_max`` is below ``child_max``.
    """
    child_max, parent_max = child_max or NO_LIMIT, parent_max or NO_LIMIT
    if parent_max < child_max < NO_LIMIT:
        raise SettingsError(
            f"a child of {child_max} characters does not fit a parent of {parent_max}",
            remedy="raise split.parent_max_chars, or lower split.child_max_chars",
        )
    root = tree_of(blocks)
    found: list[Parent] = []
    for top in [Node(own=root.own)] * bool(root.own) + root.below:
        found += _fill(_groups(text, top, child_max, parent_max), child_max, parent_max)
    if together is None:
        return found
    return [part for parent in found for part in _promoted(text, parent, together)]


def _groups(text: str, node: Node, child_max: int, parent_max: int) -> list[Parent]:
    """Group children that should stay together: those of a heading if they are within ``parent_max``."""
    children = _children(text, node, child_max)
    if _fits(children, parent_max) or not node.below:
        return [children] if _fits(children, parent_max) else [[child] for child in children]
    groups = [[child] for child in _own(text, node, child_max)]
    for below in node.below:
        part = _subtree(text, below, child_max)
        groups += [part] if _fits(part, parent_max) else _groups(text, below, child_max, parent_max)
    return groups


def _fits(children: Parent, parent_max: int) -> bool:
    return not any(child.alone for child in children) and sum(map(len, children)) <= parent_max


def _children(text: str, node: Node, child_max: int) -> Parent:
    if child_max < NO_LIMIT and node.end - node.start <= child_max:
        return [_child(_all_blocks(node), node.path)]
    children = _own(text, node, child_max)
    for below in node.below:
        children += _subtree(text, below, child_max)
    return children


def _subtree(text: str, node: Node, child_max: int) -> Parent:
    """Return the children under a sub-heading: one child if it fits."""
    if node.end - node.start <= child_max:
        return [_child(_all_blocks(node), node.path)]
    return _children(text, node, child_max)


def _all_blocks(node: Node) -> list[Block]:
    blocks: list[Block] = []
    waiting = [node]
    while waiting:
        one = waiting.pop()
        blocks += one.own
        waiting += reversed(one.below)
    return blocks


def _child(blocks: Sequence[Block], path: tuple[str, ...], *, alone: bool = False) -> Child:
    kinds = {block.kind for block in blocks}
    kind = kinds.pop() if len(kinds) == 1 else "text"
    return Child(blocks[0].start, blocks[-1].end, path, "text" if kind == "image" else kind, alone)


def _own(text: str, node: Node, child_max: int) -> Parent:
    """Return a heading with its own text as children."""
    if node.chunks is None:
        node.chunks = _cut_own(text, node, child_max)
    return list(node.chunks)


def _cut_own(text: str, node: Node, child_max: int) -> Parent:
    if not node.own:
        return []
    if node.own[-1].end - node.own[0].start <= child_max:
        return [_child(node.own, node.path)]
    children: Parent = []
    packed: list[Block] = []
    for block in node.own:
        for part in _parts(text, block, child_max):
            if packed and (part.end - packed[0].start > child_max):
                children.append(_child(packed, node.path))
                packed = []
            if part.end - part.start > child_max:
                children.append(_child([part], node.path, alone=True))
            else:
                packed.append(part)
    if packed:
        children.append(_child(packed, node.path))
    return children


def _parts(text: str, block: Block, child_max: int) -> Iterator[Block]:
    """Yield the block, cut if it is too long and may be cut; images in a paragraph stay whole."""
    if block.end - block.start <= child_max or block.kind in ATOMIC:
        yield block
        return
    limits = Limits(child_max, overlap=0)
    images = [match.span() for match in IMAGE.finditer(text, block.start, block.end)]
    starts = [block.start]
    for span in iter_spans(text, block.start, block.end, NO_LIMIT):
        if span.start > block.start and not any(a < span.start < b for a, b in images):
            starts.append(span.start)
    for start, end in pairwise([*starts, block.end]):
        within = [(a, b) for a, b in images if start <= a < end]
        if end - start <= child_max or not within:
            yield from (Block(piece.start, piece.end) for piece in pieces(text, start, end, limits))
            continue
        at = start
        for a, b in within:
            yield from (Block(piece.start, piece.end) for piece in pieces(text, at, a, limits))
            yield Block(a, b, "image")
            at = b
        yield from (Block(piece.start, piece.end) for piece in pieces(text, at, end, limits))


def _fill(groups: list[Parent], child_max: int, parent_max: int) -> list[Parent]:
    """Fill parents with groups up to the limit; an atomic block over the limit is a parent by itself."""
    filled: list[Parent] = []
    run: list[list[Parent]] = []
    held = 0  # characters in the current parent

    def close() -> None:
        if len(run) > 1:
            _balance(run, child_max, parent_max)
        filled.extend([child for group in parent for child in group] for parent in run)
        run.clear()

    for group in groups:
        length = _total([group])
        if group[0].alone:
            close()
            filled.append(group)
        elif run and held + length <= parent_max:
            run[-1].append(group)
            held += length
        else:
            run.append([group])
            held = length
    close()
    return _headings_forward(filled, parent_max)


def _balance(run: list[list[Parent]], child_max: int, parent_max: int) -> None:
    """Move children to the last parent from the one before it if it is too short."""
    before, last = run[-2], run[-1]
    while _total(last) < min(child_max, parent_max) and len(before) > 1:
        if _total(last) + _total([before[-1]]) > parent_max:
            break
        last.insert(0, before.pop())


def _headings_forward(parents: list[Parent], parent_max: int) -> list[Parent]:
    """Move a heading at the end of a parent to the next one, to which it belongs, even before an atomic block."""
    for before, after in pairwise(parents):
        while before and before[-1].kind == "heading":
            room = after[-1].alone or sum(map(len, after)) + len(before[-1]) <= parent_max
            if not room or (len(before) == 1 and not after[-1].alone):
                break
            after.insert(0, before.pop())
    return [parent for parent in parents if parent]


def _total(parent: list[Parent]) -> int:
    return sum(len(child) for group in parent for child in group)


def _promoted(text: str, parent: Parent, together: Together) -> list[Parent]:
    if len(parent) < 2 or together([text[child.start : child.end] for child in parent]):
        return [parent]
    head = parent[:1] if parent[0].kind == "heading" else []
    rest = [[child] for child in parent[len(head) :]]
    rest[0][:0] = head
    return rest
