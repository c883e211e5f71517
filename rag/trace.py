"""Trace: what each stage of one question did, carried by every response as ``response.metadata["trace"]``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from indexes.plain import Plain, plain

# One fixed word a kind of note: programs compare these, people read the note.
NoteKind = Literal[
    "one_leg",  # one of the two legs was not searched
    "question_cut",  # the question is longer than the encoder reads
    "hyde",  # HyDE was used
    "hyde_failed",  # HyDE was wanted and could not be used
    "rewriting_failed",  # the question was to be translated or worded otherwise, and was not
    "rerank_failed",  # the reranker failed, and the fused order stands
    "passage_cut",  # the reranker could not read passages to their end
    "rerank_blended",  # the order is not the reranker's alone
    "context",  # passages were left out of the prompt
    "routed",  # answered without the documents, or the routing failed
    "follow_up",  # a follow-up question was not condensed
    "no_llm",  # no language model is configured
    "language",  # the language model does not read the question's language
    "llm_failed",  # the language model failed or wrote nothing
    "repeated",  # the language model repeated itself and was stopped
    "answer_cut",  # the answer reached its longest length
    "citation_removed",  # the language model cited what there is not
    "orders",  # a document holds what reads as an order to a language model
    "unsupported",  # sentences that no passage supports, or another one than was cited
    "other_language",  # the language model answered in another language than asked
    "not_found",  # why the documents hold no answer
    "settings",  # which model of the user's own is asked
    "left_out",  # one of several collections could not be searched
    "other",
]
NOTE_KINDS: tuple[NoteKind, ...] = get_args(NoteKind)


@dataclass(slots=True)
class CandidateTrace(Plain):
    """One candidate's way through the stages. Ranks are 1-based; None where a stage did not see it."""

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
    """Everything one question did.

    Args:
        question: as asked; ``searched`` is what was searched (a chat condenses a follow-up into it).
        hypothetical: HyDE's texts, if any.
        rewritten: further questions that were searched: a translation, other wordings.
        candidates: in final order; made when they are first read.
        timings_ms: stage name -> milliseconds, in the order the stages ran: encode, search, fuse, hyde, windows,
            rerank, prompt, answer, cite.
        notes: every degradation and its reason, one sentence each. Nothing falls back without a note.
        note_kinds: the fixed word of each note, in the same order.
        refusal: where signals decide: refused, decided_by, why, probability, the signals, and what the model wrote.
        llm: model, prompt_tokens, completion_tokens, tokens_per_second, load_ms where the server says; failure: the
            kind of its error, where it failed.
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
        """Keep what makes the candidates, for whoever reads them."""
        self._candidates = candidates

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; a stage entered twice adds up."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timings_ms[name] = round(self.timings_ms.get(name, 0.0) + (time.perf_counter() - started) * 1000, 3)

    def note(self, sentence: str, kind: NoteKind = "other") -> None:
        """Add a note, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)
            self.note_kinds.append(kind)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, in the order of the fields."""
        names = [one.name.removeprefix("_") for one in fields(self)]
        return {name: plain(getattr(self, name)) for name in names} | {"searched": self.searched or self.question}
