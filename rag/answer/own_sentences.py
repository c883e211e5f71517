"""The documents' own sentences as an answer: whether they may be given, by the floor, and which."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from rag.answer.check.citations import CitedAnswer
from rag.answer.check.meaning import Meaning
from rag.answer.extractive import extract_answer
from rag.answer.language import detect_language
from rag.answer.list_items import with_whole_items
from rag.answer.notes import NOT_ABOUT, OTHER_WORDS
from rag.answer.prompt.routing import is_small_talk
from rag.answer.refusal.floor import Floor
from rag.answer.writing import PreparedAnswer


class OwnSentences:
    """Write answers without the model, unless the passages are not about what is asked.

    >>> from rag.trace import Trace
    >>> asked = PreparedAnswer("When does the boat come?", "en", Trace("When does the boat come?"))
    >>> OwnSentences(None, Meaning(None), most=2).write(asked, rejected=False) is None, asked.trace.notes
    (True, ['the passages found are not about what is asked'])

    Args:
        index: an open index.
        meaning: compares meanings across languages.
        most: sentences of an answer, at most.
    """

    def __init__(self, index: Any, meaning: Meaning, *, most: int) -> None:
        self.floor = Floor(index)
        self._index = index
        self._meaning = meaning
        self._most = most

    def write(self, prepared: PreparedAnswer, *, rejected: bool) -> CitedAnswer | None:
        """Return the answer; None, with a note, if nothing that was found is about the question.

        Args:
            rejected: the model found an answer in the passages, but it failed the check: they are about the question.
        """
        speaks = "words" if rejected else self._speaks(prepared)
        if speaks is None:
            prepared.trace.note(NOT_ABOUT, "not_found")
            return None
        if speaks == "meaning":
            prepared.trace.note(OTHER_WORDS, "other_words")
        return self._extract(prepared, by_meaning=speaks == "meaning")

    def nearness(self, prepared: PreparedAnswer) -> float | None:
        """Return how near the passages' nearest sentence is to the question (``Floor.nearness``).

        None if it is unknown, or in another language, whose sentences are all farther away.
        """
        cosine, text = _nearest(prepared)
        if prepared.dense is None or cosine is None or text is None:
            return None
        if detect_language(text) != detect_language(prepared.trace.searched):
            return None
        return self.floor.nearness(prepared.dense, cosine)

    def _speaks(self, prepared: PreparedAnswer) -> Literal["words", "meaning"] | None:
        if is_small_talk(prepared.trace.searched):
            return None
        cosine, text = _nearest(prepared)
        return self.floor.speaks(
            prepared.trace.searched,
            prepared.passages,
            prepared.language,
            dense=prepared.dense,
            cosine=cosine,
            nearest_text=text,
            meaning=self._meaning,
        )

    def _extract(self, prepared: PreparedAnswer, *, by_meaning: bool) -> CitedAnswer:
        """Return the best sentences; ``by_meaning``: the nearest alone, as not verified."""
        passages, scores = prepared.passages, prepared.sentence_scores
        if by_meaning:
            scores = prepared.cosines
            passages = [max(passages, key=lambda one: max((scores.get(hit, -1.0) for hit in one.hits), default=-1.0))]
        cited = extract_answer(
            prepared.trace.searched,
            with_whole_items(passages, self._index.store.windows),
            language=prepared.language,
            sentences=1 if by_meaning else self._most,
            score=scores,
        )
        if by_meaning:
            cited.sentences = [
                replace(one, status="unverified", support=0.0, decided_by="none") for one in cited.sentences
            ]
        return cited


def _nearest(prepared: PreparedAnswer) -> tuple[float | None, str | None]:
    """Return the highest cosine of the question with a hit of its passages, and that hit; None without a dense leg."""
    cosines = prepared.cosines
    hits = {hit for passage in prepared.passages for hit in passage.hits if hit in cosines}
    there = [one for passage in prepared.passages for one in passage.sentences if one.id in hits]
    text = max(there, key=lambda one: cosines[one.id]).text if there else None
    return max((cosines[hit] for hit in hits), default=None), text
