"""Recognise "not in these documents": retrieval is too weak, or the model says so itself."""

from __future__ import annotations

import re

from indexes.text.sentences import split_sentences
from rag.answer.language import NOT_FOUND, Language, detect_language
from rag.settings import AnswerSettings


def too_weak(best_score: float | None, settings: AnswerSettings) -> bool:
    """Return whether nothing was found, or the best score is below ``settings.abstain_below`` (if set).

    >>> too_weak(0.2, AnswerSettings(abstain_below=0.5)), too_weak(0.2, AnswerSettings())
    (True, False)
    """
    if best_score is None:
        return True
    return settings.abstain_below is not None and best_score < settings.abstain_below


_EN_SOURCE = (
    r"(?:passages?|documents?|context|texts?|sources?|excerpts?|materials?|sections?|information|articles?|snippets?|"
    r"files?|guide)"
)
_EN_OBJECT = (
    r"(?:information|answers?|mentions?|details?|evidence|data|references?|anything|any(?:thing)? relevant|enough|"
    r"sufficient|specifics?|relevant|necessary)"
)
_EN_TELL = (
    r"(?:contain|mention|provide|include|specif(?:y|ied|ies)|state|say|answer|address|discuss|have|has|hold|give|cover|"
    r"offer|explain|describe|clarify|indicate)s?"
)
_EN_DENIAL = (
    r"(?:(?:do|does|did)(?: not|n't)(?: \w+ly)?|cannot|can not|can't|fails? to|(?:is|are) (?:silent|not)|"
    r"(?:has|have|contains?|provides?|gives?|offers?|includes?) no)"
)
_EN_UNABLE = (
    r"(?:could not|couldn't|cannot|can't|can not|am unable to|was unable to|do not|don't|did not|didn't|am not able to)"
)
_ZH_SOURCE = "(?:文档|文件|资料|段落|文中|上下文|材料|文章|文本|原文|内容|片段|文献|信息|指南)"
_PATTERNS: dict[Language, tuple[re.Pattern[str], ...]] = {
    "en": tuple(
        re.compile(pattern, re.IGNORECASE)
        for pattern in (
            rf"\b{_EN_SOURCE}\b(?: \w+){{0,4}} {_EN_DENIAL}\b(?: {_EN_TELL}|\b)",
            rf"\b(?:none|neither) of (?:the|these|those) (?:\w+ )?{_EN_SOURCE}\b (?:\w+ )?{_EN_TELL}\b",
            rf"\bthere (?:is|are|was|were) (?:no|not (?:any|enough)|n't any|insufficient) (?:\w+ )?{_EN_OBJECT}\b",
            r"\b(?:answer|information|question|this|it|that|topic) (?:is|was|are|can|could)(?: not|not|n't)(?: be)? "
            r"(?:\w+ )?(?:in|found|mentioned|given|provided|stated|specified|available|covered|present|contained|"
            r"answered|included|determined|clear)\b",
            r"\b(?:not|n't) (?:\w+ )?(?:mentioned|found|specified|provided|stated|given|available|covered|discussed|"
            rf"answered|present|contained|included|addressed) (?:\w+ )?(?:in|by) (?:\w+ ){{0,4}}{_EN_SOURCE}\b",
            rf"^(?:(?:based on|from|according to) [^,]*, )?i {_EN_UNABLE}(?: \w+)? "
            r"(?:find|answer|locate|determine|know)\b",
            rf"^(?:it is )?not in (?:(?:these|the|those|this|any of the|your) )?(?:\w+ )?{_EN_SOURCE}\W*$",
            r"^i (?:do not|don't) have (?:\w+ )?(?:information|details|data|knowledge|context)\b",
            r"^(?:unable to (?:find|answer|locate|determine)|not found|no (?:relevant |such )?(?:information|answers?|"
            r"mention|details?|data)\b|insufficient (?:information|context)|unknown\W*$|n/?a\W*$)",
        )
    ),
    "zh": tuple(
        re.compile(pattern)
        for pattern in (
            rf"{_ZH_SOURCE}[^。！？]{{0,12}}?(?:没有|没|并未|未能|未|并没有|不|均未|都没有|无)"
            r"(?:明确|直接|具体|详细|任何)?(?:地)?(?:找到|提到|提及|包含|包括|说明|给出|提供|涉及|记载|记录|描述|介绍|"
            r"回答|指出|讨论|解释|相关|关于|有关|足够|答案)",
            r"(?:没有|没能|未|未能|无法|并没有)(?:从[^。，]{0,12})?(?:找到|查到|发现|检索到|获取)[^。！？，]{0,16}?"
            r"(?:答案|相关(?:的)?(?:信息|内容|资料|说明|记载|描述)|足够(?:的)?信息)",
            r"(?:没有|找不到|查不到|缺少|缺乏)[^。！？，的]{0,8}?(?:相关(?:的)?(?:信息|内容|资料|说明|记载|描述)|足够(?:的)?信息)",
            rf"(?:根据|从|基于|凭|依据)[^。！？]{{0,12}}?{_ZH_SOURCE}[^。！？]{{0,8}}?(?:无法|不能|没法|没办法)",
            r"^(?:我)?(?:无法|不能|没法|没办法)(?:根据|从|回答|解答|作答|得知|确定)",
            r"^(?:我)?不(?:知道|清楚|确定)",
            r"^(?:未找到|没有找到|找不到|未提及|没有提到|未提供|暂无)",
        )
    ),
}
# Sentences that accompany a refusal and state nothing.
_FILLER: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^(?:i'?m |i am |we are )?(?:so |very )?sorry\b|^(?:unfortunately|apologies|i apologi[sz]e)\W*$|"
        r"^(?:please|if you|could you|can you|let me know|feel free|you (?:may|might|could|can|should)|to answer|"
        r"for (?:more|further)|more (?:information|context)|additional)\b|"
        r"\b(?:they|it|these|the passages?|the documents?) (?:only )?(?:is|are|talks?|discuss(?:es)?|covers?) "
        r"(?:only )?(?:about )?(?:other|different|unrelated)",
        re.IGNORECASE,
    ),
    "zh": re.compile(
        r"^(?:很|非常)?(?:抱歉|对不起|不好意思|遗憾)|^(?:请|如果您|如果你|如需|若需|若您|建议|您可以|你可以|欢迎|需要更多)|"
        r"(?:其他|无关|不同)(?:的)?(?:内容|主题|话题)"
    ),
}
_CONDITION: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^(?:if|when|whenever|unless|once|where|in case|because|since)\b|, (?:if|when|unless) |"
        r"\b(?:but|however|although|though|instead|except|so that)\b",
        re.IGNORECASE,
    ),
    "zh": re.compile(
        r"^(?:如果|若|当|一旦|只要|除非|因为|由于)|(?:的话|时[，,]|则|就会|时会|但是|但|不过|然而|而是|所以会)"
    ),
}
_NEEDED: dict[Language, re.Pattern[str]] = {
    "en": re.compile(rf"\b{_EN_OBJECT}\b|\b(?:question|specify|specified|state|say)\b", re.IGNORECASE),
    "zh": re.compile(r"答案|信息|问题|相关|回答|提到|提及|说明"),
}
_APOLOGY = re.compile(
    r"^(?:i'?m |i am )?(?:very |so )?sorry,? (?:but )?|^unfortunately,? |^很?(?:抱歉|对不起|遗憾)[，,]\s*(?:但是?)?",
    re.IGNORECASE,
)
_MARKERS = re.compile(r"\s*(?:[\[［【][\d\s,，、^–-]+[\]］】])+")
_LONGEST = 600  # characters: a longer text is not only a refusal


def says_not_found(answer: str, language: Language) -> bool:
    """Return whether an answer says only that the passages do not hold the answer.

    Small models paraphrase the prescribed sentence ("The passages do not contain..."), apologise, or ask for more. An
    answer that goes on ("..., but the guide says") or states a condition ("if the file is not found ...") is not a
    refusal; neither is a cited sentence, unless it is about what the passages say.

    >>> says_not_found("Sorry, the passages do not mention it.", "en"), says_not_found("It opens at 6 [1].", "en")
    (True, False)

    Args:
        answer: the model's text, with or without marks.
        language: the prompt's language; the patterns of the answer's language are tried too.
    """
    text = answer.strip()
    if not text or any(_plain(text) == _plain(sentence) for sentence in NOT_FOUND.values()):
        return True
    if len(text) > _LONGEST:
        return False
    languages = dict.fromkeys((language, detect_language(text)))
    refused = False
    for sentence, cited in _sentences(text):
        if any(_refuses(sentence, cited, one) for one in languages):
            refused = True
        elif not any(_FILLER[one].search(sentence) for one in languages):
            return False
    return refused


def _refuses(sentence: str, cited: bool, language: Language) -> bool:
    if _plain(sentence) == _plain(NOT_FOUND[language]):
        return True
    if _CONDITION[language].search(sentence) or (cited and not _NEEDED[language].search(sentence)):
        return False
    return any(pattern.search(sentence) for pattern in _PATTERNS[language])


def _sentences(text: str) -> list[tuple[str, bool]]:
    """Return (sentence without marks, whether it had one); a mark after the full stop belongs to the one before."""
    found: list[tuple[str, bool]] = []
    for span in split_sentences(text):
        raw = text[span.start : span.end]
        bare = _MARKERS.sub("", raw).strip()
        if any(char.isalnum() for char in bare):
            found.append((_APOLOGY.sub("", bare.replace("’", "'")), bool(_MARKERS.search(raw))))
        elif found and _MARKERS.search(raw):
            found[-1] = (found[-1][0], True)
    return found


def _plain(text: str) -> str:
    """Return the letters only, to compare with the prescribed sentence: small models change full stops and quotes."""
    return "".join(char for char in _MARKERS.sub("", text).lower() if char.isalnum())
