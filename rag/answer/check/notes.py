"""Notes on what the check found, one sentence per kind."""

from __future__ import annotations

from indexes.display import Bilingual, agreed, counted
from rag.answer.check.citations import AnswerSentence, CitedAnswer

WHY = {  # what decided -> in English, in Chinese
    "numbers": ("another number", "数字不同"),
    "names": ("another name", "名称不同"),
    "negation": ("the contrary", "意思相反"),
    "words": ("a word that excludes it", "有排除它的词"),
}


def notes_of(cited: CitedAnswer) -> list[Bilingual]:
    """Return the notes of an answer: moved citations, and sentences that no passage supports.

    >>> from rag.answer.check.citations import AnswerSentence, CitedAnswer
    >>> sentence = AnswerSentence("Boats are blue.", (), "unsupported", 0.0, 0, 15)
    >>> notes_of(CitedAnswer("Boats are blue.", sentences=[sentence]))
    ["1 of 1 sentence of the answer is not supported by any passage: 'Boats are blue.'"]
    """
    total = len(cited.sentences)
    found: list[Bilingual] = []
    for sentence in cited.sentences:
        if sentence.status == "moved":
            named, moved, text = _marks(sentence.named), _marks(sentence.numbers), short(sentence.text)
            found.append(
                Bilingual(
                    f"the passage that the model cited, {named}, does not support '{text}'; the citation was moved to "
                    f"{moved}",
                    f"模型引用的段落 {named} 不支持“{text}”；引用已改为 {moved}",
                )
            )
        elif sentence.status == "contradicted":
            english, chinese = WHY.get(sentence.decided_by, (sentence.decided_by, sentence.decided_by))
            text = short(sentence.text)
            found.append(Bilingual(f"a passage contradicts '{text}' ({english})", f"有段落与“{text}”矛盾（{chinese}）"))
    unsupported = [sentence for sentence in cited.sentences if sentence.status == "unsupported"]
    if unsupported:
        found.append(_noted(unsupported, total, ("are", "not supported by any passage"), "没有任何段落支持"))
    unverified = [sentence for sentence in cited.sentences if sentence.status == "unverified"]
    if unverified:
        found.append(_noted(unverified, total, ("could", "not be verified"), "无法核实"))
    return found


def _noted(sentences: list[AnswerSentence], total: int, english: tuple[str, str], chinese: str) -> Bilingual:
    """Return the note of several sentences with the same verdict; the first is quoted."""
    count, text, (verb, verdict) = len(sentences), short(sentences[0].text), english
    some = counted(count, "sentence of the answer", of=total)
    verb = verb if verb == "could" else agreed(count, verb)
    return Bilingual(f"{some} {verb} {verdict}: '{text}'", f"回答的 {total} 句中有 {count} 句{chinese}：“{text}”")


def _marks(numbers: tuple[int, ...]) -> str:
    return "".join(f"[{number}]" for number in numbers)


def short(text: str) -> str:
    """Return the text, shortened if it is long.

    >>> short("word " * 40)
    'word word word word word word word word word word word word word word word word…'
    """
    return text if len(text) <= 80 else text[:79] + "…"
