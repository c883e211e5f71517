"""Trace: what each stage of one question did; every response holds it as ``response.metadata["trace"]``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from indexes.display import text_in
from indexes.plain import Plain, plain

# A fixed word for each kind of note: programs compare the word, people read the note.
NoteKind = Literal[
    "one_leg",  # one of the two legs was not searched
    "question_cut",  # the question is longer than the encoder reads
    "hyde",  # HyDE was used
    "hyde_failed",  # HyDE is on and could not be used
    "rewriting_failed",  # the question could not be translated or rephrased
    "rerank_failed",  # the reranker failed, so the fused order is kept
    "passage_cut",  # the reranker could not read passages to their end
    "rerank_blended",  # the order is not only the reranker's
    "context",  # passages were left out of the prompt
    "routed",  # answered without the documents, or the routing failed
    "follow_up",  # a follow-up question was not condensed
    "no_llm",  # no language model is configured
    "language",  # the language model does not read the question's language
    "llm_failed",  # the language model failed or wrote nothing
    "repeated",  # the language model repeated itself and was stopped
    "answer_cut",  # the answer reached its maximum length
    "citation_removed",  # the language model cited a passage that does not exist
    "orders",  # a document holds an order to a language model
    "unsupported",  # no passage supports a sentence, or another passage than the cited one does
    "other_language",  # the language model answered in another language than the question's
    "other_words",  # the answer's sentence was chosen by its meaning alone
    "not_found",  # why the documents hold no answer
    "settings",  # which of the user's own models is used
    "left_out",  # one of several collections could not be searched
    "other",
]
NOTE_KINDS: tuple[NoteKind, ...] = get_args(NoteKind)


@dataclass(slots=True)
class CandidateTrace(Plain):
    """A candidate's ranks (from 1) and scores in each stage; None if a stage did not see it.

    >>> CandidateTrace("id", "The harbour opens at 6.", "harbour.md", dense_rank=1, dense_score=0.8).sparse_rank is None
    True
    """

    id: str
    text: str
    source: str
    heading: str | None = None
    page: int | None = None
    dense_rank: int | None = None
    dense_score: float | None = None
    sparse_rank: int | None = None
    sparse_score: float | None = None
    fused_score: float | None = None
    rerank_score: float | None = None
    rerank_raw: float | None = None
    blended_score: float | None = None


@dataclass(slots=True)
class Trace:
    """What one question did.

    >>> trace = Trace("When does the harbour open?")
    >>> trace.note("no LLM is configured", "no_llm")
    >>> with trace.stage("encode"):
    ...     pass
    >>> trace.notes, trace.note_kinds, list(trace.timings_ms)
    (['no LLM is configured'], ['no_llm'], ['encode'])

    Args:
        question: the question as asked.
        searched: what was searched (a chat condenses follow-ups).
        language: the question's language, "en" or "zh".
        hypothetical: HyDE's texts.
        rewritten: further questions that were searched: a translation, other phrasings.
        candidates: in final order; made at first access.
        timings_ms: stage name -> milliseconds, in the order the stages ran: encode, search, fuse, hyde, windows,
            rerank, prompt, answer, cite.
        notes: a sentence on everything that did not go as configured, in the question's language.
        note_kinds: the fixed word of each note, in the same order.
        llm: model, prompt_tokens, completion_tokens, tokens_per_second, load_ms as far as the server reports them;
            failure: the kind of its error, if it failed.
        refusal: if signals decide: refused, decided_by, why, probability, the signals, and what the model wrote.
    """

    question: str
    searched: str = ""
    language: str = ""
    hypothetical: list[str] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)
    _candidates: list[CandidateTrace] | Callable[[], list[CandidateTrace]] = field(default_factory=list, repr=False)
    timings_ms: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    note_kinds: list[NoteKind] = field(default_factory=list)
    llm: dict[str, Any] = field(default_factory=dict)
    refusal: dict[str, Any] = field(default_factory=dict)

    @property
    def candidates(self) -> list[CandidateTrace]:
        if callable(self._candidates):
            self._candidates = self._candidates()
        return self._candidates

    def found(self, candidates: Callable[[], list[CandidateTrace]]) -> None:
        """Keep the function that makes the candidates at first access."""
        self._candidates = candidates

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; the times of a stage entered twice add up."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timings_ms[name] = round(self.timings_ms.get(name, 0.0) + (time.perf_counter() - started) * 1000, 3)

    def note(self, sentence: str, kind: NoteKind = "other") -> None:
        """Add a note in the question's language, if it is ``Bilingual``; the same note is kept once."""
        sentence = text_in(sentence, self.language)
        if sentence not in self.notes:
            self.notes.append(sentence)
            self.note_kinds.append(kind)

    def as_dict(self) -> dict[str, Any]:
        """Return all fields as plain values, in their order."""
        names = [one.name.removeprefix("_") for one in fields(self)]
        return {name: plain(getattr(self, name)) for name in names} | {"searched": self.searched or self.question}
