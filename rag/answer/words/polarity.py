"""Whether a clause affirms or denies, by its negations in Chinese and English."""

from __future__ import annotations

import re

from indexes.text.characters import simplified

# Phrases with a negation that deny nothing.
_IDIOMS = re.compile(
    r"\b(?:not only|no (?:more|less|fewer|later|earlier|longer) than|not (?:more|less|fewer|later) than|no doubt|"
    r"not until|no matter|no later|if not|whether or not|no\. ?\d+|not just|cannot but|nothing but|"
    r"do not hesitate|without charge|"
    r"nicht nur|nicht (?:mehr|weniger|später|früher) als)\b|"
    r"不仅|不但|不过|不同|不少于|不超过|不晚于|不早于|不低于|不高于|不得超过|不得少于|不得低于|不得晚于|不久|不断|不论|"
    r"不管|无论|非常|除非|未来|未成年|不动产|无线|不锈|不时|不足|无偿|未婚|是否|是不是|能不能|可不可以|可否|要不要|有没有|"
    r"不一定|差不多|不必要的|了不起|莫名|没关系|不好意思|否则",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|neither|nor|none|nobody|nothing|nowhere|cannot|without|hardly|"
    r"forbid(?:s|den)?|forbade|prohibit(?:s|ed)?|ban(?:s|ned)?|refus(?:e|es|ed)|den(?:y|ies|ied)|exclud(?:e|es|ed)|"
    r"lacks?|lacked|fail(?:s|ed)?|unable|impossible|unavailable|exempt|"
    r"nicht|kein(?:e[nmrs]?)?|niemals|verboten|untersagt)\b|n't\b|\bn(?:e\b|['’]).{1,20}\b(?:pas|jamais|plus)\b|"
    r"不|没|無|无(?=需|须|法|权|效|人)|未|勿|禁止|严禁|拒绝|免于|免除|(?<![分特区个级性类差识鉴告派])别(?=[^的人处墅名])|毋|并非|绝非|(?<![南北东西中])非(?=[^法洲])",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"[,;，；。.!！?？\n]+(?!\d)|\b(?:but|however|while|whereas|although|unless|except)\b|但是?|而是|不过|然而|否则"
)
_YES = re.compile(
    r"^\W*(?:yes|yeah|yep|correct|right|true|indeed|是的?|对的?|没错|正确|可以的?|能的?|会的?|有的?|需要的?)\W*$",
    re.IGNORECASE,
)
_NO = re.compile(
    r"^\W*(?:no|nope|not?|false|incorrect|wrong|不是的?|不对|错误?|不可以|不能|不行|不会|没有|不需要|否|不)\W*$",
    re.IGNORECASE,
)


_YES_OR_NO_FIRST = re.compile(
    r"^\W*(?:yes|yeah|no|nope|是的?|对的?|不是的?|不|可以的?|不可以|能|不能|会|不会|需要|不需要|没有|有|不行|否)\s?[,，;；.。!！:：-]\s*\w",
    re.IGNORECASE,
)


def clauses_of(text: str) -> list[str]:
    """Split a sentence into clauses at punctuation and words of contrast.

    >>> clauses_of("Boats may wait, but they must not anchor.")
    ['Boats may wait', 'they must not anchor']
    """
    return [clause for clause in (part.strip() for part in _CLAUSE.split(simplified(text))) if clause]


def denies(clause: str) -> bool:
    """Return whether a clause holds an odd number of negations.

    >>> denies("Guests must not smoke"), denies("不得调休"), denies("no more than 3 days")
    (True, True, False)
    """
    plain = _IDIOMS.sub(" ", clause.replace("’", "'"))
    return len(_NEGATION.findall(plain)) % 2 == 1


def begins_with_yes_or_no(text: str) -> bool:
    """Return whether a text begins with a verdict on the question and goes on ("No, because ...", "可以，但是……").

    >>> begins_with_yes_or_no("No, short rides do not qualify."), begins_with_yes_or_no("No rides are paid.")
    (True, False)
    """
    return bool(_YES_OR_NO_FIRST.match(simplified(text)))


def yes_or_no(text: str) -> bool | None:
    """Return True for a bare "Yes.", False for a bare "No.", None for anything else.

    >>> yes_or_no("Yes."), yes_or_no("不可以。"), yes_or_no("No boats wait.")
    (True, False, None)
    """
    text = simplified(text)
    if _YES.match(text):
        return True
    return False if _NO.match(text) else None
