"""Find a name that replaces another in an otherwise copied Chinese sentence, where no capital letter marks it."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from rag.answer.words.terms import ZH_NAMES, normal

COPIED = 0.6  # share of the claim's characters that must be in the sentence in the same order
SHORTEST = 2  # characters of a name
_FUNCTION = "ruypcmqefo"  # first letters of the tags of pronouns, particles, prepositions, counts and the like


def renamed(claim: str, sentence: str) -> str | None:
    """Return what ``claim`` has where ``sentence`` has the name of a person, place or organisation; None if the same.

    >>> renamed("船票由农业协会出售。", "船票由远洋公司出售。")
    '农业协会'
    """
    import rjieba

    mine, theirs = normal(claim), normal(sentence)
    matcher = SequenceMatcher(None, mine, theirs, autojunk=False)
    if sum(block.size for block in matcher.get_matching_blocks()) < COPIED * len(mine):
        return None
    names, place = [], 0
    for word, tag in rjieba.tag(theirs):
        if tag in ZH_NAMES and len(word) >= SHORTEST and word not in mine:
            names.append((place, place + len(word)))
        place += len(word)
    if not names:
        return None
    for kind, a, b, c, d in _merged(matcher.get_opcodes()):
        said = mine[a:b]
        if kind != "replace" or len(said) < SHORTEST or said in theirs or any(char.isdigit() for char in said):
            continue
        if any(start < d and c < end for start, end in names) and _is_new(mine, a, b, theirs):
            return said
    return None


def _is_new(mine: str, start: int, end: int, theirs: str) -> bool:
    """Return whether a part has a word of its own: 在东京 names nothing new beside 东京, and 这部 nothing at all."""
    import rjieba

    place = 0
    for word, tag in rjieba.tag(mine):
        inside = place < end and start < place + len(word)
        place += len(word)
        if inside and len(word) >= SHORTEST and tag[0] not in _FUNCTION and word not in theirs:
            return True
    return False


def _merged(codes: Sequence[tuple[str, int, int, int, int]]) -> list[tuple[str, int, int, int, int]]:
    """Join differences with a single common character between them: 农业协会 and 远洋公司 may share one."""
    found: list[tuple[str, int, int, int, int]] = []
    for kind, a, b, c, d in codes:
        if kind == "equal" and b - a > 1:
            found.append((kind, a, b, c, d))
        elif found and found[-1][0] != "equal":
            _, first, _, third, _ = found[-1]
            found[-1] = ("replace", first, b, third, d)
        elif kind == "equal":
            found.append((kind, a, b, c, d))
        else:
            found.append(("replace" if a < b and c < d else kind, a, b, c, d))
    return found
