"""Parent-child chunks: small children are searched, and the answer reads the whole parent.

First pass, by headings: each deepest heading with its text is a child of the next heading up, which becomes the
parent; a parent with a heading above it is a child of that one in turn. So a heading with nothing above it is a parent,
and its children are its own text and what stands under each of its sub-headings.

Second pass, by length:

- What stands under a heading is one child where it is within ``child_max``; else its own text and each of its
  sub-headings are children, and so on. Text that is still too long is cut at paragraphs, sentences, commas.
- A parent over ``parent_max`` is cut between its children: a parent is filled up to the limit, then the next begins.
  Where the last one would be below ``child_max`` (and so be a child, not a parent), it takes children from the one
  before it: of 300, 150 and 200 under a limit of 500, the first parent gets 300, the second 150 + 200.
- Tables, images and code blocks are never cut. One over ``child_max`` is a parent by itself.

The length of a parent is that of its children together. No text is lost or repeated: all chunks are spans of the text.
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
Together = Callable[[Sequence[str]], bool]  # the children of a parent -> do they belong together?


@dataclass(slots=True)
class Child:
    """``text[start:end]`` under the headings ``path``; ``kind`` is "text" unless all its blocks are of another kind."""

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
    """The parents of a text in order, each a list of its children in order.

    Args:
        blocks: of the text (``blocks.text_blocks`` or ``blocks.blocks_of``).
        child_max, parent_max: characters; None: the first pass alone decides.
        together: asked for every parent with several children; where it says no, each child becomes a parent (a heading
            alone stays with the child after it).

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
    """What may not be parted without need: a heading's children together where they are within ``parent_max``."""
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
    """What stands under a sub-heading: one child where it fits."""
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
    """A heading with its own text as children."""
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
    """The block, in pieces where it is too long and may be cut; images in a paragraph stay whole."""
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
    """Groups to parents: filled up to the limit, one after the other; a lone atomic block is a parent."""
    filled: list[Parent] = []
    run: list[list[Parent]] = []
    held = 0  # characters in the last parent of the run

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
    """Let the last parent, where it is too short to be one, take from the one before it."""
    before, last = run[-2], run[-1]
    while _total(last) < min(child_max, parent_max) and len(before) > 1:
        if _total(last) + _total([before[-1]]) > parent_max:
            break
        last.insert(0, before.pop())


def _headings_forward(parents: list[Parent], parent_max: int) -> list[Parent]:
    """A heading that would end a parent goes with what it is the heading of, also where that is an atomic block."""
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
