"""Use an LLM as judge of faithfulness and relevance, and report how well it agrees with the string measures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from eval.answers.scores import Answered, AnswerScores, agreement, means
from eval.ticks import Tick, side_by_side
from rag.answer.language import detect_language

_PROMPTS = {
    "en": {
        "faithful": "Passages:\n{passages}\n\nAnswer: {answer}\n\nIs everything that the answer states supported by "
        "the passages? Reply with yes or no only.",
        "relevant": "Question: {question}\n\nAnswer: {answer}\n\nDoes the answer answer the question? Reply with yes "
        "or no only.",
    },
    "zh": {
        "faithful": "段落：\n{passages}\n\n答案：{answer}\n\n答案中的每一点都有段落支持吗？只回答“是”或“否”。",
        "relevant": "问题：{question}\n\n答案：{answer}\n\n这个答案回答了问题吗？只回答“是”或“否”。",
    },
}
_YES = re.compile(r"^\W*(?:yes|true|是|对|有|支持|回答了)", re.IGNORECASE)
_NO = re.compile(r"^\W*(?:no|false|not|否|不|没|无)", re.IGNORECASE)
PASSAGES_CHARS = 6000  # maximum characters of passages in a prompt


def judge(
    scores: AnswerScores,
    questions: Mapping[str, str],
    passages: Mapping[str, Sequence[str]],
    llm: Any,
    *,
    name: str = "",
    parallel: int = 1,
    progress: Tick | None = None,
) -> AnswerScores:
    """Return the scores with ``faithful`` and ``relevant`` filled in, and the judge's agreement with ``contains``.

    >>> from llama_index.core.llms import MockLLM
    >>> row = Answered("q1", "Three months.", abstained=False, answerable=True, contains=1.0)
    >>> echo = MockLLM()  # repeats the prompt, which is neither yes nor no
    >>> judge(AnswerScores([row], {}), {"q1": "How long is the notice?"}, {}, echo).notes
    ['2 replies of the judge are neither yes nor no and are left out', 'the judge agrees poorly with the string measures
     (kappa 0.00)']

    Args:
        questions: query id -> question.
        passages: query id -> texts that the answer is based on.
        llm: any LlamaIndex LLM; thinking in its replies is ignored.
        name: name of the judge, for notes.
        parallel: number of answers to judge concurrently (see ``rag.llms.parallel_answers``).
    """
    from rag.llms import patient

    guarded, rows, unread = patient(llm), [], 0

    def ask(row: Answered) -> dict[str, bool | None] | None:
        if row.abstained or not row.answer.strip():
            return None
        return _verdicts(row, questions[row.query], passages.get(row.query, ()), guarded)

    for row, verdicts in side_by_side(ask, scores.answers, parallel, progress):
        if verdicts is not None:
            unread += sum(verdict is None for verdict in verdicts.values())
            row = replace(row, faithful=verdicts["faithful"], relevant=verdicts["relevant"])
        rows.append(row)
    found = {}
    for measure in ("faithful", "relevant"):
        judged = [
            (getattr(r, measure), r.contains)
            for r in rows
            if getattr(r, measure) is not None and r.contains is not None
        ]
        found[measure] = agreement([bool(a) for a, _ in judged], [bool(b) for _, b in judged])
    notes = [*scores.notes]
    if unread:
        notes.append(f"{unread} replies of the judge are neither yes nor no and are left out")
    weakest = min((row["kappa"] for row in found.values() if row["pairs"]), default=0.0)
    if weakest < 0.4:
        notes.append(
            f"the judge{' ' + name if name else ''} agrees poorly with the string measures (kappa {weakest:.2f})"
        )
    return AnswerScores(rows, means(rows), found, notes)


def read_verdict(reply: str) -> bool | None:
    """Read a judge's reply: True for yes, False for no, None if it is neither.

    >>> read_verdict("Yes, it does."), read_verdict("否。"), read_verdict("The passages")
    (True, False, None)
    """
    from rag.llms.thinking import without_thinking

    text = without_thinking(reply).strip()
    return True if _YES.match(text) else False if _NO.match(text) else None


def _verdicts(row: Answered, question: str, passages: Sequence[str], llm: Any) -> dict[str, bool | None]:
    from llama_index.core.base.llms.types import ChatMessage

    prompts = _PROMPTS[detect_language(question)]
    block = "\n\n".join(passages)[:PASSAGES_CHARS]
    found: dict[str, bool | None] = {}
    for measure, prompt in prompts.items():
        if measure == "faithful" and not block:
            found[measure] = None
            continue
        text = prompt.format(passages=block, answer=row.answer, question=question)
        reply = llm.chat([ChatMessage(role="user", content=text)])
        found[measure] = read_verdict(str(reply.message.content or ""))
    return found
