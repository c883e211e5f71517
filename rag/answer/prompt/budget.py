"""Fit passages into the model's context window, counted in its tokens, and report what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from indexes.display import Bilingual
from indexes.errors import SettingsError
from indexes.nodes.record import SentenceRecord
from rag.answer.prompt.prompts import Tables, passage_block
from rag.retrieval.candidate import Passage


@dataclass(slots=True)
class FitResult:
    """The passages that fit.

    >>> FitResult(trimmed=[2], dropped=[3]).note
    'the context window shortened passage 2 and left out passage 3; raise llm.context_window or lower retrieval.top_n
     or window'

    Args:
        kept: passages for the prompt, best first; a trimmed one has fewer sentences under the same number.
        trimmed: numbers of the passages that lost sentences.
        dropped: numbers of the passages left out.
        prompt_tokens: fixed tokens plus those of the kept passages.
        chosen: whether ``most`` was the bound, not the context window, so that leaving out is intended.
    """

    kept: list[Passage] = field(default_factory=list)
    trimmed: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    prompt_tokens: int = 0
    chosen: bool = False

    @property
    def note(self) -> str | None:
        """A sentence for the trace; None if everything fits."""
        if self.chosen or not (self.trimmed or self.dropped):
            return None
        trimmed, dropped = (", ".join(map(str, numbers)) for numbers in (self.trimmed, self.dropped))
        english, chinese = [], []
        if trimmed:
            english.append(f"shortened passage {trimmed}")
            chinese.append(f"段落 {trimmed} 被截短")
        if dropped:
            english.append(f"left out passage {dropped}")
            chinese.append(f"段落 {dropped} 没有放入")
        return Bilingual(
            f"the context window {' and '.join(english)}; raise llm.context_window or lower retrieval.top_n or window",
            f"上下文窗口放不下：{'，'.join(chinese)}；可调大 llm.context_window，或调小 retrieval.top_n 或 window",
        )


SEPARATOR_TOKENS = 2  # blank line between passages


def fit_passages(
    passages: Sequence[Passage],
    *,
    count_tokens: Callable[[str], int],
    context_window: int,
    reserved: int,
    fixed_tokens: int,
    most: int | None = None,
    tables: Tables = "markdown",
) -> FitResult:
    """Keep the best passages whole while they fit, trim the next around its hits, and drop the rest.

    >>> from indexes.nodes.record import SentenceRecord
    >>> passages = [Passage(n, [SentenceRecord("x.md", n, f"Sentence {n}.")], [], 0.9) for n in (1, 2, 3)]
    >>> words = lambda text: len(text.split())
    >>> fit = fit_passages(passages, count_tokens=words, context_window=32, reserved=10, fixed_tokens=10)
    >>> [passage.number for passage in fit.kept], fit.dropped, fit.prompt_tokens
    ([1, 2], [3], 20)

    Args:
        passages: best first, as ``merge_windows`` numbers them.
        count_tokens: returns the model's token count of a text.
        context_window: tokens of prompt and answer together.
        reserved: tokens kept free for the answer.
        fixed_tokens: tokens of the prompt without passages (rules, question, message overhead).
        most: maximum tokens of all passages, if less than what the window leaves; None: no bound.
        tables: how rows of tables are shown.

    Raises:
        SettingsError: not even the best hit sentence fits; the message states the tokens needed.
    """

    def count(passage: Passage) -> int:
        return count_tokens(passage_block(passage, tables))

    result = FitResult(prompt_tokens=fixed_tokens)
    limit = context_window - reserved
    result.chosen = most is not None and fixed_tokens + most < limit
    if most is not None and passages:
        # The best sentence is kept whatever the bound: a passage without its hit answers nothing.
        smallest = count(_only(passages[0], _anchor(passages[0])))
        limit = min(limit, fixed_tokens + max(most, smallest))
    full = False
    for passage in passages:
        free = limit - result.prompt_tokens - (SEPARATOR_TOKENS if result.kept else 0)
        part = None if full else _shrunk(passage, count, free)
        if part is None:
            full = True
            result.dropped.append(passage.number)
            continue
        if len(part.sentences) < len(passage.sentences):
            full = True
            result.trimmed.append(passage.number)
        cost = count(part)
        result.prompt_tokens += cost + (SEPARATOR_TOKENS if result.kept else 0)
        result.kept.append(part)
    if passages and not result.kept:
        smallest = count(_only(passages[0], _anchor(passages[0])))
        needed = fixed_tokens + smallest + reserved
        raise SettingsError(
            f"llm.context_window is {context_window}, but the question, its best sentence and the answer "
            f"(llm.max_tokens {reserved}) need {needed} tokens",
            remedy=f"set llm.context_window to {needed} or more, or lower llm.max_tokens",
        )
    return result


def _shrunk(passage: Passage, count: Callable[[Passage], int], free: int) -> Passage | None:
    """Return the passage whole if it fits, else what fits around its hit sentence, else None."""
    if count(passage) <= free:
        return passage
    low = high = _anchor(passage)
    best = _only(passage, low)
    if count(best) > free:
        return None
    while True:
        grown = False
        for new_low, new_high in ((low, high + 1), (low - 1, high)):
            if new_low < 0 or new_high >= len(passage.sentences):
                continue
            wider = replace(passage, sentences=passage.sentences[new_low : new_high + 1])
            if count(wider) <= free:
                low, high, best, grown = new_low, new_high, wider, True
        if not grown:
            return best


def _anchor(passage: Passage) -> int:
    """Return the index of the best hit sentence (hits come best first); without one, of the first sentence."""
    place: dict[str, int] = {sentence.id: index for index, sentence in enumerate(passage.sentences)}
    return next((place[hit] for hit in passage.hits if hit in place), 0)


def _only(passage: Passage, index: int) -> Passage:
    sentences: list[SentenceRecord] = [passage.sentences[index]]
    return replace(passage, sentences=sentences)
