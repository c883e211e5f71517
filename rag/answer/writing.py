"""The model's part of an answer: how it is asked, and when it is stopped."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from indexes.display import Bilingual
from rag.answer.check.repetition import RESTART, RepetitionGuard, cut_repetition
from rag.answer.language import (
    CHINESE_NAMES,
    NOT_FOUND,
    Language,
    answers_in_another,
    foreign_language,
    is_english,
)
from rag.answer.prompt.modes import in_language
from rag.answer.prompt.prompts import passage_block
from rag.answer.prompt.repack import repack
from rag.answer.prompt.templates import AnswerPrompts
from rag.answer.refusal.refusing import Written, decide, signals_of
from rag.answer.refusal.signals import RefusalModel
from rag.llms import usage_of
from rag.llms.logprobs import logprob_options
from rag.retrieval.candidate import Passage
from rag.settings import Settings
from rag.trace import Trace
from rag.ways import Way

if TYPE_CHECKING:
    from llama_index.core.base.llms.types import ChatMessage, ChatResponse
    from llama_index.core.llms import LLM

REPEATED = Bilingual("the model began to repeat itself, so its answer ends there", "语言模型开始重复，回答到此为止")
JUDGED_AT = 80  # characters after which an answer's language is detected
OTHER_LANGUAGE: dict[Language, str] = {
    "en": "the answer is not in English, the language of the question, though the model was asked twice",
    "zh": "问题是中文，回答却不是，尽管已经让语言模型重答过一次",
}


def in_english(asked: str) -> Bilingual:
    """Return the note of an English answer to a question in another language.

    >>> in_english("German")
    'the question is in German, but the answer is in English'
    """
    return Bilingual(
        f"the question is in {asked}, but the answer is in English", f"问题是{CHINESE_NAMES[asked]}，回答却是英文"
    )


@dataclass(slots=True)
class PreparedAnswer:
    """A question ready for the model; without ``messages`` the answer needs no model."""

    question: str
    language: Language
    trace: Trace
    passages: list[Passage] = field(default_factory=list)
    sentence_scores: dict[str, float] = field(default_factory=dict)
    cosines: dict[str, float] = field(default_factory=dict)  # sentence id -> cosine with the vector searched
    dense: NDArray[np.float32] | None = None  # the vector searched, float32 (dim,)
    messages: list[ChatMessage] | None = None
    decision: Literal["extractive", "not_found"] | None = None
    routed: bool = False  # small talk: the model answers without documents
    shown: str | None = None  # the text of a response mode without a model


class AnswerWriter:
    r"""Ask a language model for answers, whole or in pieces.

    ``weighs`` may be set without fitted signals, to measure them.

    >>> from llama_index.core.llms import ChatMessage, MockLLM
    >>> from rag.ways import BLOCKING, run_now
    >>> settings, trace = Settings(), Trace("When does it open?")
    >>> writer = AnswerWriter(MockLLM, settings, AnswerPrompts(settings), refusals=None)  # MockLLM repeats the prompt
    >>> prepared = PreparedAnswer("When does it open?", "en", trace, messages=[ChatMessage("It opens at six.")])
    >>> run_now(writer.complete(prepared, BLOCKING)), trace.llm
    ('user: It opens at six.\nassistant: ', {'model': 'unknown'})

    Args:
        llm: returns the model, which is loaded at first use.
        refusals: signals that decide whether an answer stands; None: the model's own words decide.
        near: returns how near the passages are to the question, one of these signals.
    """

    def __init__(
        self,
        llm: Callable[[], LLM],
        settings: Settings,
        prompts: AnswerPrompts,
        refusals: RefusalModel | None,
        near: Callable[[PreparedAnswer], float | None] = lambda prepared: None,
    ) -> None:
        self._llm = llm
        self.settings = settings
        self.prompts = prompts
        self.refusals = refusals
        self.weighs = refusals is not None
        self._near = near

    def streams(self, prepared: PreparedAnswer) -> bool:
        """Return whether the answer comes in pieces; LlamaIndex's other response modes return it whole."""
        return self.settings.answer.response_mode == "compact" or prepared.routed

    async def complete(self, prepared: PreparedAnswer, way: Way) -> str:
        """Return the whole answer."""
        if self.streams(prepared):
            guard = RepetitionGuard()
            async for _ in guard.pieces(self.deltas(prepared, way)):
                pass
            self.note_cut(prepared, guard)
            return guard.text
        text, repeated = cut_repetition(await self._synthesize(prepared, way))
        if repeated:
            prepared.trace.note(REPEATED, "repeated")
        return text

    async def whole(self, prepared: PreparedAnswer, way: Way) -> AsyncGenerator[str, None]:
        """Yield the whole answer as one piece."""
        yield await self.complete(prepared, way)

    async def deltas(self, prepared: PreparedAnswer, way: Way) -> AsyncGenerator[str, None]:
        """Yield the model's words as they arrive; the model is always streamed, so that a loop can be stopped.

        If signals decide about a refusal, nothing is yielded before: sent words cannot be taken back.
        """
        if not self.weighs or prepared.routed:
            async with aclosing(self._spoken(prepared, Written(), way)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        written, guard = Written(), RepetitionGuard()
        async for _ in guard.pieces(self._spoken(prepared, written, way)):
            pass
        written.text = guard.text
        if guard.cut:
            prepared.trace.note(REPEATED, "repeated")
        with prepared.trace.stage("refusal"):
            signals = await signals_of(
                way,
                self._llm(),
                prepared.messages or [],
                written,
                prepared.question,
                prepared.passages,
                prepared.language,
                await way.compute(self._near, prepared),
            )
            prepared.trace.refusal = decide(self.refusals, written, signals, prepared.language)
        refused = prepared.trace.refusal["refused"]
        yield NOT_FOUND[prepared.language] if refused else written.text

    async def _spoken(self, prepared: PreparedAnswer, written: Written, way: Way) -> AsyncGenerator[str, None]:
        llm = await way.compute(self._llm)
        prepared.trace.llm = {"model": llm.metadata.model_name}  # all that is known if the stream is cut
        options = logprob_options(llm) if self.weighs else {}
        messages = prepared.messages or []

        def keep(response: ChatResponse) -> None:
            prepared.trace.llm = usage_of(response) or prepared.trace.llm

        def reply(messages: list[ChatMessage]) -> AsyncGenerator[str, None]:
            return written.read(way.stream(llm, messages, **options), keep)

        begun, wrong = "", False
        judged = not prepared.routed and self.settings.answer.language == "auto"
        held: list[str] | None = [] if judged else None
        async with aclosing(reply(messages)) as pieces:
            async for piece in pieces:
                if held is None:
                    yield piece
                    continue
                begun, held = ("", [piece]) if piece is RESTART else (begun + piece, [*held, piece])
                if len(begun) >= JUDGED_AT:
                    if answers_in_another(prepared.language, begun):
                        wrong = True
                        break
                    for kept in held:
                        yield kept
                    held = None
        if held is not None and (wrong or answers_in_another(prepared.language, begun)):
            written.text, written.tokens = "", []
            async with aclosing(reply([*messages[:-1], in_language(messages[-1], prepared.language)])) as pieces:
                async for piece in pieces:
                    yield piece
            if answers_in_another(prepared.language, written.text):
                prepared.trace.note(OTHER_LANGUAGE[prepared.language], "other_language")
        else:
            for kept in held or []:
                yield kept
            asked = foreign_language(prepared.question) if judged and is_english(begun) else None
            if asked:
                prepared.trace.note(in_english(asked), "other_language")

    def note_cut(self, prepared: PreparedAnswer, guard: RepetitionGuard) -> None:
        if guard.cut:
            prepared.trace.note(REPEATED, "repeated")
            return
        usage, limit = prepared.trace.llm, self.settings.llm.max_tokens
        if usage.get("finish_reason") == "length" or usage.get("completion_tokens", 0) >= limit:
            prepared.trace.note(
                Bilingual(
                    f"the answer was cut at llm.max_tokens = {limit}", f"回答在 llm.max_tokens = {limit} 处被截断"
                ),
                "answer_cut",
            )

    async def _synthesize(self, prepared: PreparedAnswer, way: Way) -> str:
        """Answer in any other LlamaIndex response mode, with our prompts and numbered passages."""
        from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
        from llama_index.core.schema import NodeWithScore, TextNode

        llm = await way.compute(self._llm)
        synthesizer = get_response_synthesizer(
            llm=llm,
            response_mode=ResponseMode(self.settings.answer.response_mode),
            text_qa_template=self.prompts.qa(prepared.language),
            summary_template=self.prompts.qa(prepared.language),
            refine_template=self.prompts.refine(prepared.language),
        )
        ordered = repack(prepared.passages, self.settings.answer.repack)
        nodes = [
            NodeWithScore(node=TextNode(text=passage_block(passage, self.settings.answer.tables)), score=passage.score)
            for passage in ordered
        ]
        return await way.synthesize(llm, synthesizer, prepared.question, nodes)
