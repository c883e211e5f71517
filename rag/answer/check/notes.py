"""Notes on what the check found, one sentence per kind."""

from __future__ import annotations

from rag.answer.check.citations import AnswerSentence, CitedAnswer


def notes_of(cited: CitedAnswer) -> list[str]:
    """Return the notes of an answer: moved citations, and sentences that no passage supports.

    >>> from rag.answer.check.citations import AnswerSentence, CitedAnswer
    >>> sentence = AnswerSentence("Boats are blue.", (), "unsupported", 0.0, 0, 15)
    >>> notes_of(CitedAnswer("Boats are blue.", sentences=[sentence]))
    ["1 of 1 sentences of the answer are not supported by any passage: 'Boats are blue.'"]
    """
    total = len(cited.sentences)
    found = []
    for sentence in cited.sentences:
        if sentence.status == "moved":
            found.append(
                f"the passage that the model cited, {_marks(sentence.named)}, does not support "
                f"'{short(sentence.text)}'; the citation was moved to {_marks(sentence.numbers)}"
            )
        elif sentence.status == "contradicted":
            found.append(f"a passage contradicts '{short(sentence.text)}' ({_why(sentence)})")
    unsupported = [sentence for sentence in cited.sentences if sentence.status == "unsupported"]
    if unsupported:
        found.append(
            f"{len(unsupported)} of {total} sentences of the answer are not supported by any passage: "
            f"'{short(unsupported[0].text)}'"
        )
    unverified = [sentence for sentence in cited.sentences if sentence.status == "unverified"]
    if unverified:
        found.append(
            f"{len(unverified)} of {total} sentences of the answer could not be verified: '{short(unverified[0].text)}'"
        )
    return found


def _why(sentence: AnswerSentence) -> str:
    return {
        "numbers": "another number",
        "names": "another name",
        "negation": "the contrary",
        "words": "a word that excludes it",
    }.get(sentence.decided_by, sentence.decided_by)


def _marks(numbers: tuple[int, ...]) -> str:
    return "".join(f"[{number}]" for number in numbers)


def short(text: str) -> str:
    """Return the text, shortened if it is long.

    >>> short("word " * 40)
    'word word word word word word word word word word word word word word word word…'
    """
    return text if len(text) <= 80 else text[:79] + "…"
