"""Ask for questions about one passage, and decide which are dropped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from eval.answers.judge import read_verdict
from eval.synthesis.output import Check
from eval.synthesis.passages import PassageWindows, Window
from eval.synthesis.progress_file import PastQuestions
from eval.synthesis.prompts import ask_messages, check_messages, names_passage, read_questions
from rag.answer.check.support import PassageSupport
from rag.answer.language import detect_language
from rag.answer.words.terms import terms_of
from rag.llms import patient

NO_QUESTION = "not a question"
SURPLUS = "more than were asked for"
NAMES_PASSAGE = "names the passage"
OTHER_LANGUAGE = "in another language than its passage"
EMPTY = "asks about nothing in particular"
REPEATED = "asked before"
NOT_FOUND = "does not retrieve its passage"
NOT_ANSWERED = "not answered by its passage"
UNREADABLE = "the check was answered with neither yes nor no"
AFTER_REPEATED = (NOT_FOUND, NOT_ANSWERED, UNREADABLE)  # reasons that are checked after REPEATED


class LLMFailed(Exception):
    """The model failed; see ``__cause__``."""


class Maker:
    """Ask about one passage and judge the questions, given those kept so far.

    ``make`` may run in several threads, ahead of ``take``, which takes the passages in order: so the same questions are
    kept however many passages are in work at once.
    """

    def __init__(
        self,
        llm: Any,
        retriever: Any,
        windows: PassageWindows,
        settings: Any,
        per_passage: int,
        within: int,
        check: Check,
    ) -> None:
        self._llm = patient(llm)
        self._retriever = retriever
        self._windows = windows
        self._threshold = settings.answer.support_threshold
        self._per_passage = per_passage
        self._within = within
        self._check = check
        self._asked = PastQuestions()
        self._model = str(getattr(llm.metadata, "model_name", "") or "unknown")

    def make(self, window: Window) -> dict[str, Any]:
        """Return the work file's row of a passage."""
        language = detect_language(window.text)
        reply = self._say(ask_messages(window.text, window.title, self._per_passage, language))
        questions, others = read_questions(reply)
        dropped = [{"text": text, "reason": NO_QUESTION} for text in others]
        kept: list[dict[str, Any]] = []
        here = PastQuestions()
        found: list[str] = []
        for place, question in enumerate(questions):
            if place >= self._per_passage:
                reason = SURPLUS
            elif here.repeats(question):
                reason = REPEATED
            else:
                here.add(question)
                reason, found = self._judge(question, window)
            if reason:
                dropped.append({"text": question, "reason": reason})
            else:
                kept.append({"id": _query_id(window.id, question), "text": question, "found": found})
        return {
            "id": window.id,
            "digest": window.digest,
            "language": language,
            "model": self._model,
            "kept": kept,
            "dropped": dropped,
        }

    def take(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the row without questions of earlier passages, and remember those it keeps."""
        kept, dropped = [], []
        for question in row["kept"]:
            if self._asked.repeats(question["text"]):
                dropped.append({"text": question["text"], "reason": REPEATED})
            else:
                kept.append(question)
        for question in row["dropped"]:
            repeated = question["reason"] in AFTER_REPEATED and self._asked.repeats(question["text"])
            dropped.append({**question, "reason": REPEATED} if repeated else question)
        found = {**row, "kept": kept, "dropped": dropped}
        self.remember(found)
        return found

    def remember(self, row: Mapping[str, Any]) -> None:
        """Remember the questions of a finished passage, so that they are not kept for another one."""
        for question in row["kept"]:
            self._asked.add(question["text"])

    def _judge(self, question: str, window: Window) -> tuple[str, list[str]]:
        """Return why a question is dropped ("" if kept) and the passages found for it; cheap checks come first."""
        if names_passage(question):
            return NAMES_PASSAGE, []
        if detect_language(question) != detect_language(window.text):
            return OTHER_LANGUAGE, []
        if not terms_of(question):
            return EMPTY, []
        if self._asked.repeats(question):
            return REPEATED, []
        candidates = self._retriever.search(question).candidates
        found = list(dict.fromkeys(self._windows.of_record(candidate.record) for candidate in candidates))
        found = found[: self._within]
        if window.id not in found:
            return NOT_FOUND, found
        return self._unanswered(question, window), found

    def _unanswered(self, question: str, window: Window) -> str:
        if self._check == "words":
            support = PassageSupport(window.as_passage()).support(terms_of(question))
            return "" if support >= self._threshold else NOT_ANSWERED
        if self._check == "none":
            return ""
        language = detect_language(question)
        verdict = read_verdict(self._say(check_messages(window.text, window.title, question, language)))
        return "" if verdict else UNREADABLE if verdict is None else NOT_ANSWERED

    def _say(self, messages: Any) -> str:
        try:
            return str(self._llm.chat(messages).message.content or "")
        except Exception as error:
            raise LLMFailed from error


def _query_id(passage: str, question: str) -> str:
    return "q" + hashlib.sha256(f"{passage}\n{question}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
