"""The sentences of a run as a user's own splitter gives them (``sentence_splitter`` of LlamaIndex's window parser)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from indexes.errors import SourceError
from indexes.nodes.sliding_text import Run, TextWindow
from indexes.text.sentences import Span

SentenceSplitter = Callable[[str], list[str]]


def spans_by(
    split: SentenceSplitter, window: TextWindow, run: Run, *, keep: int = 0
) -> Iterator[tuple[str, int, Span]]:
    """Yield the sentences of a run as ``spans_of`` does; the whole run is held.

    Raises:
        SourceError: a sentence does not stand in the text, so that no citation could point at it.
    """
    window.let_go(run.start - keep)
    window.reach(run.end)
    while run.grow():
        window.reach(run.end)
    text, base = window.text, window.base
    at, end = run.start - base, run.end - base
    for sentence in split(text[at:end]):
        words = sentence.split()
        if not words:
            continue
        # Splitters may tidy the white space within a sentence.
        found = re.compile(r"\s+".join(map(re.escape, words))).search(text, at, end)
        if found is None:
            raise SourceError(
                f"the sentence_splitter gave {sentence[:60]!r}, which does not stand in the text after the sentence "
                "before it",
                remedy="let it return the text's own sentences, in order",
            )
        at = found.end()
        yield text, base, Span(found.start(), at)
