"""Chunks of a fixed size with overlap that end at sentences: the usual recipe, for comparison or by choice.

A window of chunks reads like the document: ``join_records`` includes an overlap once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from indexes.errors import SettingsError
from indexes.nodes.cutting import OVERLAP, CountTokens, Limits, Render, pieces
from indexes.nodes.record import SentenceRecord
from indexes.nodes.sentence_window import RunPlaces, run_records
from indexes.nodes.sliding_sentences import in_order, spans_of, window_of
from indexes.nodes.sliding_text import TextRun, TextWindow, iter_runs
from indexes.readers.stream import DocumentStream
from indexes.text.sentences import Span

if TYPE_CHECKING:
    from llama_index.core.schema import Document

CHUNK_CHARS = 150  # 100 to 150 suit Chinese


def iter_chunks(
    document: Document | DocumentStream,
    *,
    chunk_chars: int = CHUNK_CHARS,
    overlap_chars: int = OVERLAP,
    max_tokens: int | None = None,
    count_tokens: CountTokens | None = None,
    contextual: str = "none",
) -> Iterator[SentenceRecord]:
    """Yield the chunks of a document in order, one record each.

    A chunk has as many whole sentences of one section as fit; a longer sentence is cut. Tables give one record per row,
    code blocks are cut at ``chunk_chars``, without overlap at line ends.

    >>> from llama_index.core.schema import Document
    >>> document = Document(text="It rains. We stay in. Tomorrow we go.")
    >>> [chunk.text for chunk in iter_chunks(document, chunk_chars=25, overlap_chars=0)]
    ['It rains. We stay in.', 'Tomorrow we go.']

    Args:
        document: as for ``iter_records``.
        chunk_chars: longest chunk in characters.
        overlap_chars: maximum number of characters that a chunk repeats of the previous one: whole sentences if they
            are short enough, else the end of the last sentence, from a comma or blank on.
        max_tokens, count_tokens, contextual: as for ``iter_records``.

    Raises:
        SettingsError: the overlap is more than half a chunk.
    """
    if overlap_chars * 2 > chunk_chars:
        raise SettingsError(
            f"an overlap of {overlap_chars} characters is more than half a chunk of {chunk_chars}",
            remedy="set split.overlap_chars to a quarter of split.chunk_chars or less",
        )
    limits = Limits(chunk_chars, max_tokens, count_tokens, overlap_chars)
    window, doc_id, base = window_of(document)
    return in_order(window, _drafts(window, doc_id, base, limits, contextual))


def _drafts(
    window: TextWindow, doc_id: str, base: dict[str, Any], limits: Limits, contextual: str
) -> Iterator[SentenceRecord]:
    for run in iter_runs(window):
        if run.first.kind != "text":
            yield from run_records(window, run, doc_id, base, limits, contextual)
            continue
        places = RunPlaces(run, base, contextual)
        for words, span in _chunks(window, run, limits, places):
            yield SentenceRecord(
                doc_id, 0, words, span.start, span.end, "", run.index, "text", places.metadata(span.start)
            )


def _chunks(window: TextWindow, run: TextRun, limits: Limits, places: RunPlaces) -> Iterator[tuple[str, Span]]:
    """Pack sentences into chunks and yield (text, span in the document)."""
    chunk: list[Span] = []  # offsets in the document
    text, at = "", 0

    def shown(start: int, end: int) -> str:
        return places.prefix(start) + text[start - at : end - at]

    def here(start: int, end: int) -> str:
        return shown(start + at, end + at)

    for text, at, sentence in spans_of(window, run, keep=4 * limits.max_chars):
        for found in pieces(text, sentence.start, sentence.end, limits, here):
            piece = Span(found.start + at, found.end + at)
            if chunk and not _fits(chunk[0].start, piece.end, limits, shown):
                yield text[chunk[0].start - at : chunk[-1].end - at], Span(chunk[0].start, chunk[-1].end)
                chunk = _kept(text, at, chunk, piece, limits)
                while chunk and not _fits(chunk[0].start, piece.end, limits, shown):
                    chunk.pop(0)
            chunk.append(piece)
    if chunk:
        yield text[chunk[0].start - at : chunk[-1].end - at], Span(chunk[0].start, chunk[-1].end)


def _fits(start: int, end: int, limits: Limits, shown: Render) -> bool:
    return end - start <= limits.max_chars and limits.tokens_over(shown(start, end)) <= 1


def _kept(text: str, at: int, chunk: list[Span], following: Span, limits: Limits) -> list[Span]:
    """Return the part of a finished chunk that the next one repeats while it can still hold ``following``.

    ``text`` begins at ``at``."""
    end = chunk[-1].end
    if following.start < end:
        return []  # pieces of a cut sentence overlap already
    lowest = max(end - limits.overlap, following.end - limits.max_chars)
    kept = [span for span in chunk if span.start >= lowest]
    if kept or limits.overlap == 0 or lowest >= end - 1:
        return kept
    for place in range(lowest, end - 1):
        if text[place - at] in "，、；：,; \t\n":
            return [Span(place + 1, end)] if text[place + 1 - at : end - at].strip() else []
    return [Span(lowest, end)] if lowest > chunk[-1].start else []
