"""Fit passages into the model's context, counted in its tokens. Nothing overflows silently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from indexes.errors import SettingsError
from indexes.nodes.record import SentenceRecord
from rag.answer.prompt.prompts import passage_block
from rag.retrieval.candidate import Passage


@dataclass(slots=True)
class FitResult:
    """What fits.

    Args:
        kept: passages for the prompt, best first; a trimmed one holds fewer sentences under the same number.
        trimmed: numbers of passages that lost sentences.
        dropped: numbers of passages left out.
        prompt_tokens: fixed tokens plus those of the kept passages.
    """

    kept: list[Passage] = field(default_factory=list)
    trimmed: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    prompt_tokens: int = 0

    @property
    def note(self) -> str | None:
        """One sentence for the trace, None when everything fitted."""
        if not (self.trimmed or self.dropped):
            return None
        parts = []
        if self.trimmed:
            parts.append(f"shortened passage {', '.join(map(str, self.trimmed))}")
        if self.dropped:
            parts.append(f"left out passage {', '.join(map(str, self.dropped))}")
        return f"the context window {' and '.join(parts)}; raise llm.context_window or lower retrieval.top_n or window"


SEPARATOR_TOKENS = 2  # blank line between passages


def fit_passages(
    passages: Sequence[Passage],
    *,
    count_tokens: Callable[[str], int],
    context_window: int,
    reserved: int,
    fixed_tokens: int,
) -> FitResult:
    """Keep the best passages whole while they fit, trim the next around its hits, drop and report the rest.

    Args:
        passages: best first, as ``merge_windows`` numbers them.
        count_tokens: the model's token count of a text.
        context_window: tokens of prompt and answer together.
        reserved: tokens kept free for the answer.
        fixed_tokens: tokens of the prompt without passages (rules, question, message overhead).

    Raises:
        SettingsError: not even the best hit sentence fits; names ``context_window`` and what is needed.
    """
    result = FitResult(prompt_tokens=fixed_tokens)
    limit = context_window - reserved
    full = False
    for passage in passages:
        free = limit - result.prompt_tokens - (SEPARATOR_TOKENS if result.kept else 0)
        part = None if full else _shrunk(passage, count_tokens, free)
        if part is None:
            full = True
            result.dropped.append(passage.number)
            continue
        if len(part.sentences) < len(passage.sentences):
            full = True
            result.trimmed.append(passage.number)
        cost = count_tokens(passage_block(part))
        result.prompt_tokens += cost + (SEPARATOR_TOKENS if result.kept else 0)
        result.kept.append(part)
    if passages and not result.kept:
        smallest = count_tokens(passage_block(_only(passages[0], _anchor(passages[0]))))
        needed = fixed_tokens + smallest + reserved
        raise SettingsError(
            f"llm.context_window is {context_window}, but the question, its best sentence and the answer "
            f"(llm.max_tokens {reserved}) need {needed} tokens",
            remedy=f"set llm.context_window to {needed} or more, or lower llm.max_tokens",
        )
    return result


def _shrunk(passage: Passage, count_tokens: Callable[[str], int], free: int) -> Passage | None:
    """The passage whole if it fits, else grown around its hit sentence as far as it fits, else None."""
    if count_tokens(passage_block(passage)) <= free:
        return passage
    low = high = _anchor(passage)
    best = _only(passage, low)
    if count_tokens(passage_block(best)) > free:
        return None
    while True:
        grown = False
        for new_low, new_high in ((low, high + 1), (low - 1, high)):
            if new_low < 0 or new_high >= len(passage.sentences):
                continue
            wider = replace(passage, sentences=passage.sentences[new_low : new_high + 1])
            if count_tokens(passage_block(wider)) <= free:
                low, high, best, grown = new_low, new_high, wider, True
        if not grown:
            return best


def _anchor(passage: Passage) -> int:
    """Index of the best hit sentence (hits come best first), the first sentence where no hit is inside."""
    place: dict[str, int] = {sentence.id: index for index, sentence in enumerate(passage.sentences)}
    return next((place[hit] for hit in passage.hits if hit in place), 0)


def _only(passage: Passage, index: int) -> Passage:
    sentences: list[SentenceRecord] = [passage.sentences[index]]
    return replace(passage, sentences=sentences)
