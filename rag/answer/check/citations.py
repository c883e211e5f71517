"""Answers with checked citations: each sentence cited by the model, matched to a passage, or marked unsupported."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from indexes.nodes.record import SentenceRecord
from rag.answer.check.lines import sentence_places
from rag.answer.check.markers import Marker, MarkerScanner
from rag.answer.check.support import PassageSupport
from rag.answer.check.terms import terms_of
from rag.retrieval.candidate import Passage

Status = Literal["cited", "matched", "unsupported"]

_LEAD_IN = (":", "：")
_QUESTION_MARKS = ("?", "？")


@dataclass(frozen=True, slots=True)
class Citation:
    """One passage sentence behind the answer.

    Args:
        number: the passage's number, as in the answer's ``[number]``.
        source, heading, page: where the passage stands.
        text: the sentence of the passage that best supports the answer sentence.
        matched: False where the model wrote the citation, True where overlap found it.
        start, end: character offsets of ``text`` in its document's extracted text.
        doc_id, sentence_id: the stored sentence.
        place: rows, lines or cell in files that have no pages ("Prices!2-41"), else "".
    """

    number: int
    source: str
    heading: str | None
    page: int | None
    text: str
    matched: bool
    start: int
    end: int
    doc_id: str
    sentence_id: str
    place: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The shape of ``rag ask --json``: number, source, heading, page, text, matched, and place where it has one."""
        names = ("number", "source", "heading", "page", "text", "matched", *(("place",) if self.place else ()))
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """One sentence of the answer that claims something.

    Args:
        text: the sentence without its markers.
        numbers: passages behind it: those it cites, or the one it was matched to.
        status: "cited", "matched" or "unsupported".
        support: share of its terms that its passage holds, 0 to 1, also for a cited sentence (a low one means that
            the model cited, but in other words or wrongly).
        start, end: place in the answer's text, markers included.
    """

    text: str
    numbers: tuple[int, ...]
    status: Status
    support: float
    start: int
    end: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the response's metadata."""
        return {
            "text": self.text,
            "numbers": list(self.numbers),
            "status": self.status,
            "support": self.support,
            "start": self.start,
            "end": self.end,
        }


@dataclass(slots=True)
class CitedAnswer:
    """The checked answer.

    Args:
        text: the answer without invented numbers.
        citations: one for each passage sentence used, in order of use.
        sentences: the answer's claims; headings, code, questions and lead-ins ("The steps are:") are none.
        removed: invented numbers as written, such as "[7]".
    """

    text: str
    citations: list[Citation] = field(default_factory=list)
    sentences: list[AnswerSentence] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    @property
    def annotated(self) -> str:
        """The text with ``[n]`` added where a sentence was matched: for readers, after streaming is over."""
        text = self.text
        for sentence in reversed(self.sentences):
            if sentence.status == "matched":
                marks = "".join(f"[{number}]" for number in sentence.numbers)
                gap = " " if text[sentence.end - 1].isascii() else ""
                text = text[: sentence.end] + gap + marks + text[sentence.end :]
        return text


def cite(answer: str, passages: Sequence[Passage], *, support_threshold: float = 0.5) -> CitedAnswer:
    """Check an answer's citations and find those it left out.

    Markers follow the rules of ``markers``. A sentence with a valid marker, inside it or right behind it, is "cited".
    Any other claim is "matched" to the passage whose neighbouring sentences hold the largest share of its terms (names
    and numbers count double), provided the share reaches ``support_threshold`` and no number of it is missing there;
    else it is "unsupported". Overlap sees words, not logic: a negation passes.

    Args:
        answer: the model's text.
        passages: those the prompt held, whatever their order.
        support_threshold: 0 to 1, default 0.5 (``answer.support_threshold``).
    """
    stream = CitationStream(passages, support_threshold=support_threshold)
    stream.feed(answer)
    stream.finish()
    return stream.result()


class CitationStream:
    """The same as ``cite`` for an answer that arrives in pieces.

    ``feed(token)`` gives the text that may be shown now (a bracket is held back until it closes), ``finish()`` the
    rest; ``result()`` is then equal to ``cite`` of the whole answer, however it was cut.
    """

    def __init__(self, passages: Sequence[Passage], *, support_threshold: float = 0.5) -> None:
        self._passages = list(passages)
        self._threshold = support_threshold
        self._scanner = MarkerScanner({passage.number for passage in passages})
        self._pieces: list[str] = []

    def feed(self, token: str) -> str:
        piece = self._scanner.feed(token)
        self._pieces.append(piece)
        return piece

    def finish(self) -> str:
        piece = self._scanner.finish()
        self._pieces.append(piece)
        return piece

    def result(self) -> CitedAnswer:
        """Call after ``finish()``."""
        text = "".join(self._pieces)
        return _judge(text, self._scanner.markers, self._scanner.removed, self._passages, self._threshold)


def make_citation(passage: Passage, record: SentenceRecord, *, matched: bool) -> Citation:
    return Citation(
        number=passage.number,
        source=passage.source,
        heading=record.heading or passage.heading,
        page=record.page if record.page is not None else passage.page,
        text=record.text,
        matched=matched,
        start=record.start,
        end=record.end,
        doc_id=record.doc_id,
        sentence_id=record.id,
        place=str(record.metadata.get("place") or ""),
    )


def _judge(
    text: str, markers: Sequence[Marker], removed: Sequence[str], passages: Sequence[Passage], threshold: float
) -> CitedAnswer:
    prepared = {passage.number: PassageSupport(passage) for passage in passages}
    result = CitedAnswer(text, removed=list(removed))
    for start, end, core, numbers in _claims(text, markers):
        terms = terms_of(core)
        if numbers:
            support = max(prepared[number].support(terms) for number in numbers)
            status: Status = "cited"
        else:
            if not terms or core.endswith(_QUESTION_MARKS):
                continue
            scored = sorted((-support.support(terms), number) for number, support in prepared.items())
            support, best = (-scored[0][0], scored[0][1]) if scored else (0.0, 0)
            supported = bool(scored) and support > 0 and support >= threshold
            if not supported and core.rstrip(" *_").endswith(_LEAD_IN):
                continue
            status, numbers = ("matched", (best,)) if supported else ("unsupported", ())
        result.sentences.append(AnswerSentence(core, numbers, status, round(support, 4), start, end))
        for number in numbers:
            record = prepared[number].best_sentence(terms)
            citation = make_citation(prepared[number].passage, record, matched=status == "matched")
            _add(result.citations, citation)
    return result


def _add(citations: list[Citation], new: Citation) -> None:
    """Once a passage sentence; written by the model wins over matched."""
    for index, old in enumerate(citations):
        if (old.number, old.sentence_id) == (new.number, new.sentence_id):
            if old.matched and not new.matched:
                citations[index] = new
            return
    citations.append(new)


def _claims(text: str, markers: Sequence[Marker]) -> list[tuple[int, int, str, tuple[int, ...]]]:
    """(start, end, sentence without markers, cited numbers) of each sentence; markers behind a full stop belong to it.

    Markers are blanked out first, at equal length, so that the splitter sees plain sentences and offsets hold.
    """
    masked = text
    for marker in markers:
        masked = masked[: marker.start] + " " * (marker.end - marker.start) + masked[marker.end :]
    spans = sentence_places(masked)
    cited: list[list[Marker]] = [[] for _ in spans]
    for marker in markers:
        place = _owner(spans, cited, marker, text)
        if place is not None:
            cited[place].append(marker)
    claims = []
    for (start, end), own in zip(spans, cited, strict=True):
        core = re.sub(r"\s+", " ", masked[start:end]).strip()
        core = re.sub(r" (?=[,.;:!?，。；：！？、)）」』])", "", core)
        numbers = tuple(dict.fromkeys(number for marker in own for number in marker.numbers))
        begin = min([start, *(marker.start for marker in own)])
        claims.append((begin, max([end, *(marker.end for marker in own)]), core, numbers))
    return claims


def _owner(spans: list[tuple[int, int]], cited: list[list[Marker]], marker: Marker, text: str) -> int | None:
    """Index of the sentence a marker belongs to: the one around it, else the one before it on its line.

    A marker between two sentences goes to the one before it, unless that one has a marker inside already and text
    follows ("[1] says A. [2] says B."). A marker alone on its line belongs to the last sentence before it.
    """
    before = after = None
    for index, (start, end) in enumerate(spans):
        if start <= marker.start < end:
            return index
        if end <= marker.start:
            before = index
        elif after is None:
            after = index
    if after is not None and "\n" in text[marker.end : spans[after][0]]:
        after = None
    if before is None or (after is not None and "\n" in text[spans[before][1] : marker.start]):
        return after
    inside = any(known.start < spans[before][1] for known in cited[before])
    return after if inside and after is not None else before
