"""Ask a small model plainly, collect signals that tell right answers from invented ones, and decide."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rag.answer.check.repetition import RESTART
from rag.answer.language import Language
from rag.answer.prompt.layouts import REFUSAL_START, with_refusal_line
from rag.answer.refusal.abstain import says_not_found
from rag.answer.refusal.signals import RefusalModel, log_odds, share_in_passages
from rag.llms import with_max_tokens
from rag.llms.logprobs import TOP, TokenLogprob, logprob_options, mean_logprob, read_logprobs
from rag.retrieval.candidate import Passage
from rag.ways import Way

if TYPE_CHECKING:
    from llama_index.core.base.llms.types import ChatMessage, ChatResponse
    from llama_index.core.llms import LLM

FEW = 8  # tokens of the second reply if the server gives no log-probabilities: enough to see a refusal
NAMES = {
    "itself": "the model said so itself",
    "allowed": "the model refuses when it may",
    "logprob": "the model was unsure of its words",
    "support": "no passage holds what it wrote",
    "asked": "no passage is about what is asked",
    "near": "no passage is near to what is asked",
}


@dataclass(slots=True)
class Written:
    """What a model wrote when asked plainly, and the log-probabilities of its tokens.

    >>> import asyncio
    >>> from llama_index.core.llms import ChatMessage, ChatResponse
    >>> async def stream():
    ...     yield ChatResponse(message=ChatMessage(content="It opens at 6."), delta="It opens at 6.")
    >>> written = Written()
    >>> async def read():
    ...     return [piece async for piece in written.read(stream(), each=lambda response: None)]
    >>> asyncio.run(read()), written.text
    (['It opens at 6.'], 'It opens at 6.')
    """

    text: str = ""
    tokens: list[TokenLogprob] = field(default_factory=list)

    async def read(
        self, stream: AsyncGenerator[ChatResponse, None], each: Callable[[ChatResponse], None]
    ) -> AsyncGenerator[str, None]:
        """Pass the stream's text on, and keep it and its log-probabilities; closing this closes the stream."""
        last = None
        async with aclosing(stream):
            async for response in stream:
                each(response)
                if response.raw is not last:  # a filter that held text back sends the last response again
                    self.tokens += read_logprobs(response.raw)
                last = response.raw
                if response.delta:
                    if not (response.message.content or "").startswith(self.text):
                        self.text = ""
                        yield RESTART  # a closing tag came: the text so far was thinking
                    self.text += response.delta
                    yield response.delta


async def signals_of(
    way: Way,
    llm: LLM,
    messages: Sequence[ChatMessage],
    written: Written,
    question: str,
    passages: Sequence[Passage],
    language: Language,
    near: float | None = None,
) -> dict[str, float | None]:
    """Return the signals of ``rag.answer.refusal.signals``; ask the model once more, with the same prefix.

    >>> from indexes.nodes.record import SentenceRecord
    >>> from llama_index.core.llms import ChatMessage, MockLLM
    >>> from rag.ways import BLOCKING, run_now
    >>> passages = [Passage(1, [SentenceRecord("x.md", 0, "The harbour opens at 6.")], [], 0.9)]
    >>> asked, written = [ChatMessage("When does the harbour open?")], Written("It opens at 6.")
    >>> run_now(signals_of(BLOCKING, MockLLM(), asked, written, "When does the harbour open?", passages, "en"))
    {'allowed': -2.9444389791664403, 'logprob': None, 'support': 1.0, 'asked': 1.0, 'near': None}
    """
    return {
        "allowed": await _allowed(way, llm, messages, language),
        "logprob": mean_logprob(written.tokens),
        "support": share_in_passages(written.text, passages, question),
        "asked": share_in_passages(question, passages, question),
        "near": near,
    }


def decide(
    model: RefusalModel | None, written: Written, signals: dict[str, float | None], language: Language
) -> dict[str, Any]:
    """Return the trace of the decision: refused, decided_by, why (in words), probability, signals, text.

    >>> decide(None, Written("The answer is not in these documents."), {}, "en")["why"]
    'the model said so itself'
    """
    found: dict[str, Any] = {"text": written.text, "signals": signals, "probability": None}
    if says_not_found(written.text, language):
        return found | {"refused": True, "decided_by": "itself", "why": NAMES["itself"]}
    if model is None:
        return found | {"refused": False, "decided_by": None, "why": None}
    verdict = model.weigh(signals)
    found["probability"] = round(verdict.probability, 4)
    why = NAMES[verdict.decided_by] if verdict.refused else None
    return found | {"refused": verdict.refused, "decided_by": verdict.decided_by, "why": why}


async def _allowed(way: Way, llm: LLM, messages: Sequence[ChatMessage], language: Language) -> float:
    """Return the log-odds that the model begins a refusal if it is offered one."""
    last = messages[-1]
    from llama_index.core.base.llms.types import ChatMessage

    offered = ChatMessage(role=last.role, content=with_refusal_line(str(last.content), language))
    options = logprob_options(llm, TOP)
    response = await way.chat(with_max_tokens(llm, 1 if options else FEW), [*messages[:-1], offered], **options)
    tokens = read_logprobs(response.raw)
    if tokens and tokens[0].top:
        start = REFUSAL_START[language].lower()
        begun = sum(math.exp(value) for token, value in tokens[0].top if _begins(token, start))
        return log_odds(begun)
    text = str(response.message.content or "")
    refused = text.strip().lower().startswith(REFUSAL_START[language].lower()) or says_not_found(text, language)
    return log_odds(0.95 if refused else 0.05)


def _begins(token: str, start: str) -> bool:
    """Return whether a first token begins a refusal: "Not", " Not", "没有"."""
    word = token.strip().lower()
    return bool(word) and (start.startswith(word) or word.startswith(start))
