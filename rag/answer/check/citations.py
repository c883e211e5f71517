"""Answers with checked citations: each sentence cited by the model, matched to a passage, or marked unsupported."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from indexes.nodes.record import SentenceRecord
from indexes.plain import plain
from rag.answer.check.lines import sentence_places
from rag.answer.check.mark_forms import MarkForms
from rag.answer.check.markers import Marker, MarkerScanner
from rag.answer.check.outcome import ClaimVerdict, Nearness, Status
from rag.answer.check.support import Claim, PassageSupport
from rag.answer.check.verdict import decide, prepare
from rag.answer.language import Language
from rag.retrieval.candidate import Passage

_LEAD_IN = (":", "：")
_QUESTION_MARKS = ("?", "？")
IN_WORDS: dict[Language, dict[str, str]] = {
    "en": {"unverified": "[unverified]", "unsupported": "[unsupported]", "contradicted": "[contradicted]"},
    "zh": {"unverified": "[未核实]", "unsupported": "[无依据]", "contradicted": "[与原文不符]"},
}
# A passage named in words is a citation, and no number that the passage must hold: "According to passage 1, ...".
_IN_WORDS = re.compile(
    r"[(（]?\b(?:(?:according to|as (?:stated |mentioned )?in|from|in|see)\s+)?(?:the )?passages? (\d{1,2})\b[)）]?,?"
    r"|[(（]?(?:根据|依据|据|参?见|来自)?段落\s?(\d{1,2})(?!\d)[)）]?[，,]?",
    re.IGNORECASE,
)
MARK = re.compile(r"\s*\[(?=[^\]]*\d)[^\[\]\n]{1,48}\]")


@dataclass(frozen=True, slots=True)
class Citation:
    """A sentence of a passage that the answer rests on.

    >>> from indexes.nodes.record import SentenceRecord
    >>> record = SentenceRecord("harbour.md", 0, "The harbour opens at 6.", metadata={"page": 2})
    >>> citation = make_citation(Passage(1, [record], [], 0.9), record, matched=False)
    >>> citation.number, citation.source, citation.page, citation.text
    (1, 'harbour.md', 2, 'The harbour opens at 6.')

    Args:
        number: the passage's number, as in the answer's ``[number]``.
        source, heading, page: where the passage is.
        text: the sentence of the passage that best supports the answer's sentence.
        matched: False if the model wrote the citation, True if overlap found it.
        start, end: character offsets of ``text`` in its document's extracted text.
        doc_id, sentence_id: ids of the document and the stored sentence.
        place: rows, lines or cell in files without pages ("Prices!2-41"), else "".
        more_places: other places of the same passage, each with doc_id, source, heading and page.
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
    more_places: tuple[dict[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return every field as a dict, ``place`` and ``more_places`` only if they are not empty."""
        found = {name: plain(getattr(self, name)) for name in self.__slots__}
        return {name: value for name, value in found.items() if value or name not in ("place", "more_places")}


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """One sentence of the answer that claims something.

    >>> said = AnswerSentence("It opens at 7.", (1,), "contradicted", 0.7, start=0, end=18, decided_by="numbers")
    >>> said.failed, said.as_dict()["status"]
    (True, 'contradicted')

    Args:
        text: the sentence without its marks.
        numbers: the passages it cites, or the one it was matched with or moved to.
        status: "cited" (a passage it cites supports it), "matched" (it cites none, another supports it), "moved" (a
            passage supports it that it does not cite), "unverified" (the check cannot decide), "unsupported" (no
            passage says it) or "contradicted" (a passage says otherwise).
        support: share of its terms that its passage holds, 0 to 1.
        start, end: character offsets in the answer's text, marks included.
        decided_by: numbers, names, negation, words, question, encoder, or none.
        named: the passages that the model cited: ``numbers`` has only those that support it if it wrote "[1-3]".
    """

    text: str
    numbers: tuple[int, ...]
    status: Status
    support: float
    start: int
    end: int
    decided_by: str = "words"
    named: tuple[int, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the check found that no passage says it, or that one says otherwise."""
        return self.status in ("unsupported", "contradicted")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for the response's metadata: all but ``named``."""
        return {name: plain(getattr(self, name)) for name in self.__slots__ if name != "named"}


@dataclass(slots=True)
class CitedAnswer:
    """A checked answer.

    >>> said = AnswerSentence("It opens at 7.", (1,), "contradicted", support=0.7, start=0, end=18)
    >>> answer = CitedAnswer("It opens at 7 [1]. It is old.", sentences=[said])
    >>> answer.shown("mark", "en"), answer.shown("drop", "en")
    ('It opens at 7 [1]. [contradicted] It is old.', 'It is old.')

    Args:
        text: the answer without invented marks.
        citations: one for each sentence of a passage that is used, in order of use.
        sentences: the answer's claims; headings, code, questions and lead-ins ("The steps are:") claim nothing.
        removed: invented marks as written, such as "[7]".
    """

    text: str
    citations: list[Citation] = field(default_factory=list)
    sentences: list[AnswerSentence] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    @property
    def annotated(self) -> str:
        """The text with corrected marks: added to matched sentences, replaced in moved ones."""
        return self.shown("keep", "en")

    def shown(self, failed: Literal["keep", "mark", "drop"], language: Language) -> str:
        """Return ``annotated`` with the sentences that failed the check kept, marked in words, or dropped."""
        text = self.text
        for sentence in reversed(self.sentences):
            before, after = text[: sentence.start], text[sentence.end :]
            if sentence.failed and failed == "drop":
                text = _without(before, after)
                continue
            body = text[sentence.start : sentence.end]
            narrowed = sentence.status == "cited" and sentence.numbers != sentence.named  # one passage of "[1-3]"
            if narrowed or sentence.status == "moved" or (sentence.status == "unsupported" and failed == "mark"):
                body = MARK.sub("", body).rstrip()
            marks = ""
            if narrowed or sentence.status in ("matched", "moved"):
                marks = "".join(f"[{number}]" for number in sentence.numbers)
            elif failed == "mark" and sentence.status in IN_WORDS[language]:
                marks = IN_WORDS[language][sentence.status]
            gap = " " if marks and body[-1:].isascii() else ""
            text = before + body + gap + marks + after
        return text.strip() if failed == "drop" else text


def _without(before: str, after: str) -> str:
    """Join the text around a dropped sentence; its list mark is dropped too."""
    line = before.rfind("\n") + 1
    if (
        not any(char.isalnum() for char in re.sub(r"\d+[.)、）]", "", before[line:]))
        and not after.split("\n")[0].strip()
    ):
        return before[:line].rstrip("\n") + after
    return before.rstrip(" ") + (" " if before[-1:] == " " and after.strip() else "") + after.lstrip(" ")


def cite(
    answer: str,
    passages: Sequence[Passage],
    *,
    support_threshold: float = 0.5,
    question: str = "",
    meaning: Nearness | None = None,
) -> CitedAnswer:
    """Check every claim of an answer against the passages, cited or not.

    A passage supports a claim if neighbouring sentences hold at least ``support_threshold`` of its terms, and its
    numbers, names and negations agree with the sentence that says most of it; for all others see ``verdict``. What
    counts as a mark is defined in ``markers``.

    >>> from indexes.nodes.record import SentenceRecord
    >>> passages = [Passage(1, [SentenceRecord("harbour.md", 0, "The harbour opens at 6 every morning.")], [], 0.9)]
    >>> answer = cite("The harbour opens at 6 [1]. It closes at 9 [1]. Boats are blue [4].", passages)
    >>> [(sentence.text, sentence.status) for sentence in answer.sentences], answer.removed
    ([('The harbour opens at 6.', 'cited'), ('It closes at 9.', 'unsupported'), ('Boats are blue.', 'unsupported')],
     ['[4]'])

    Args:
        answer: the model's text.
        passages: the passages of the prompt, in any order.
        support_threshold: 0 to 1, default 0.5 (``answer.support_threshold``).
        question: the question, which a bare value is checked together with.
        meaning: compares sentences that words cannot decide about; without it such a claim is "unverified".
    """
    stream = CitationStream(passages, support_threshold=support_threshold, question=question, meaning=meaning)
    stream.feed(answer)
    stream.finish()
    return stream.result()


class CitationStream:
    """``cite`` for an answer that arrives in pieces.

    ``feed`` returns the text that may be shown now (a bracket is held back until it closes), ``finish`` the rest;
    ``result`` then equals ``cite`` of the whole answer, however it was cut.

    >>> stream = CitationStream([])
    >>> [stream.feed(piece) for piece in ("It opens at 6 [", "7", "].")], stream.finish()
    (['', '', ''], 'It opens at 6.')
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        *,
        support_threshold: float = 0.5,
        question: str = "",
        meaning: Nearness | None = None,
    ) -> None:
        self._passages = {passage.number: PassageSupport(passage) for passage in passages}
        self._threshold = support_threshold
        self._question = question
        self._meaning = meaning
        names: dict[str, list[int]] = {}
        for passage in passages:
            names.setdefault(short_source(passage.source).lower(), []).append(passage.number)
        self._scanner = MarkerScanner({passage.number for passage in passages}, names)
        self._forms = MarkForms({passage.number for passage in passages})
        self._pieces: list[str] = []
        self._verdicts: dict[tuple[str, tuple[int, ...]], tuple[Claim, ClaimVerdict]] = {}

    def checked(self) -> CitedAnswer:
        """Judge all sentences but the last one, which may still grow or get its mark."""
        text = "".join(self._pieces)
        claims = _claims(text, [marker for marker in self._scanner.markers if marker.end <= len(text)])
        return self.judge(text[: claims[-1][0]] if claims else "")

    def feed(self, token: str) -> str:
        """Add a piece; return the text that may be shown now."""
        piece = self._scanner.feed(self._forms.feed(token))
        self._pieces.append(piece)
        return piece

    def finish(self) -> str:
        """Return the rest of the text."""
        piece = self._scanner.feed(self._forms.finish()) + self._scanner.finish()
        self._pieces.append(piece)
        return piece

    def result(self) -> CitedAnswer:
        """Return the checked answer; call it after ``finish``."""
        return self.judge("".join(self._pieces))

    def judge(self, text: str) -> CitedAnswer:
        """Judge ``text``, the beginning of what was returned so far."""
        markers = [marker for marker in self._scanner.markers if marker.end <= len(text)]
        return self._judge(text, markers)

    def _decide(self, core: str, numbers: tuple[int, ...]) -> tuple[Claim, ClaimVerdict]:
        if (core, numbers) not in self._verdicts:
            claim = prepare(core, self._question)
            verdict = decide(claim, numbers, self._passages, threshold=self._threshold, meaning=self._meaning)
            self._verdicts[core, numbers] = claim, verdict
        return self._verdicts[core, numbers]

    def _judge(self, text: str, markers: Sequence[Marker]) -> CitedAnswer:
        result = CitedAnswer(text, removed=list(self._scanner.removed))
        for start, end, core, cited, spanned in _claims(text, markers):
            numbers = tuple(number for number in cited if number in self._passages)
            claim, verdict = self._decide(core, numbers)
            if verdict.holding:  # of "[1-3]" those that support it
                kept = tuple(n for n in verdict.numbers if n in verdict.holding or n not in spanned)
                verdict = replace(verdict, numbers=kept)
            idle = not claim.terms and claim.yes is None
            if not numbers and (idle or core.endswith(_QUESTION_MARKS)):
                continue
            if not numbers and verdict.status != "matched" and core.rstrip(" *_").endswith(_LEAD_IN):
                continue
            if verdict.status == "unsupported":
                verdict = replace(verdict, numbers=())
            result.sentences.append(
                AnswerSentence(
                    core, verdict.numbers, verdict.status, verdict.support, start, end, verdict.decided_by, numbers
                )
            )
            for place, number in enumerate(verdict.numbers):
                support = self._passages[number]
                first = verdict.unit is not None and place == 0 and verdict.unit.record in support.passage.sentences
                record = verdict.unit.record if first and verdict.unit else support.best_sentence(claim.terms)
                matched = verdict.status in ("matched", "moved")
                _add(result.citations, make_citation(support.passage, record, matched=matched))
        return result


def short_source(source: str) -> str:
    """Return the file's name, as a prompt shows it.

    >>> short_source("handbook/hours.md")
    'hours.md'
    """
    return re.split(r"[/\\\\]", source.rstrip("/"))[-1] or source


def make_citation(passage: Passage, record: SentenceRecord, *, matched: bool) -> Citation:
    """Return the citation of one sentence of a passage.

    >>> from indexes.nodes.record import SentenceRecord
    >>> record = SentenceRecord("harbour.md", 0, "The harbour opens at 6.")
    >>> make_citation(Passage(1, [record], [], 0.9), record, matched=False).text
    'The harbour opens at 6.'
    """
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
        more_places=tuple(passage.more_places),
    )


def _add(citations: list[Citation], new: Citation) -> None:
    """Add a citation once per sentence; one that the model wrote replaces a matched one."""
    for index, old in enumerate(citations):
        if (old.number, old.sentence_id) == (new.number, new.sentence_id):
            if old.matched and not new.matched:
                citations[index] = new
            return
    citations.append(new)


def _claims(text: str, markers: Sequence[Marker]) -> list[tuple[int, int, str, tuple[int, ...], frozenset[int]]]:
    """Return (start, end, sentence without marks, cited numbers, those only within a range) of each sentence.

    Marks after a full stop belong to the sentence before. They are replaced by blanks of equal length first, so that
    the splitter sees plain sentences and offsets hold.
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
        named = [int(first or second) for first, second in _IN_WORDS.findall(core)]
        core = re.sub(r" (?=[.,;:!?])", "", _IN_WORDS.sub("", core)).strip() or core
        numbers = tuple(dict.fromkeys([*(number for marker in own for number in marker.numbers), *named]))
        begin = min([start, *(marker.start for marker in own)])
        alone = {number for marker in own for number in marker.numbers if number not in marker.spanned}
        spanned = frozenset(number for marker in own for number in marker.spanned) - alone - frozenset(named)
        claims.append((begin, max([end, *(marker.end for marker in own)]), core, numbers, spanned))
    return claims


def _owner(spans: list[tuple[int, int]], cited: list[list[Marker]], marker: Marker, text: str) -> int | None:
    """Return the index of the sentence that a mark belongs to: the one around it, else the one before it on its line.

    A mark between two sentences belongs to the first, unless that one has a mark inside already and text follows
    ("[1] says A. [2] says B."). A mark alone on its line belongs to the last sentence before it.
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
