"""The steps of one answer: before the model, the model, and after it.

``rag.asking`` joins them in its sync, async and streaming forms.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from indexes.display import Bilingual, agreed, text_in
from indexes.errors import LLMError, must_be
from indexes.nodes.record import WINDOW_KEYS, link
from indexes.store.filters import check_filters
from indexes.text.characters import valid
from rag import instrumentation
from rag.answer.check.citations import MARK, CitationStream, CitedAnswer, short_source
from rag.answer.check.meaning import Meaning
from rag.answer.check.notes import notes_of, short
from rag.answer.check.orders import orders_in
from rag.answer.extractive import extract_answer
from rag.answer.language import NOT_FOUND, Language, detect_language
from rag.answer.list_items import with_whole_items
from rag.answer.prompt.budget import fit_passages
from rag.answer.prompt.modes import WITHOUT_MODEL, generation_messages
from rag.answer.prompt.prompts import direct_messages
from rag.answer.prompt.repack import repack
from rag.answer.prompt.routing import is_small_talk, needs_retrieval
from rag.answer.prompt.templates import AnswerPrompts
from rag.answer.refusal.abstain import says_not_found, too_weak
from rag.answer.refusal.calibration import RELATIVE
from rag.answer.refusal.confidence import OVERRULE, nearest
from rag.answer.refusal.floor import Floor
from rag.answer.refusal.signals import refusal_model
from rag.answer.writing import AnswerWriter, PreparedAnswer
from rag.llms import explain_llm_error, guarded, why_no_llm
from rag.llms.tokens import token_counter
from rag.retrieval.candidate import Passage
from rag.retrieval.question import QueryLike
from rag.retrieval.repeats import distinct_passages
from rag.retrieval.searching import HybridSearch, SearchResult
from rag.retrieval.windows import spread
from rag.settings import Settings
from rag.trace import Trace
from rag.ways import Way

if TYPE_CHECKING:
    from llama_index.core.callbacks import CallbackManager
    from llama_index.core.llms import LLM
    from llama_index.core.schema import NodeWithScore
    from llama_index.core.vector_stores import MetadataFilters

Reply = TypeVar("Reply")  # an answer with its metadata, ours or LlamaIndex's

Status = Literal["answered", "extractive", "not_found", "direct"]
MOSTLY_UNFOUNDED = Bilingual(
    "most of what the model wrote failed the check, so the answer is the documents' own sentences instead",
    "模型所写的大部分内容没有通过核查，因此改用文档原句作答",
)
UNFOUNDED = Bilingual(
    "no passage supports any sentence that the model wrote, so the answer is the documents' own sentences instead",
    "模型所写的句子都没有段落支持，因此改用文档原句作答",
)
OVERRULED = Bilingual(
    "the model said that the message needs no documents, but they hold its words, so they are searched",
    "模型认为这条消息不需要文档，但文档里有其中的词，因此检索了文档",
)
BY_MODE = Bilingual(
    "answered without the documents because answer.response_mode = generation",
    "没有查阅文档直接回答，因为 answer.response_mode = generation",
)
ONLY_MARK = Bilingual(
    "the LLM wrote only a mark, so the answer is the documents' own sentences",
    "语言模型只写了引用标记，因此以下是文档原句",
)
WROTE_NOTHING = Bilingual(
    "the LLM wrote nothing, so the answer is the documents' own sentences", "语言模型什么也没写，因此以下是文档原句"
)
OTHER_WORDS = Bilingual(
    "the sentence holds hardly a word of the question; it is the nearest in meaning, and whether it answers the "
    "question could not be checked",
    "这句话几乎不含问题里的词，只是意思最接近；它是否回答了问题，无法核查",
)
NOT_ABOUT = Bilingual("the passages found are not about what is asked", "找到的段落与所问的内容无关")
MESSAGE_TOKENS = 8  # upper estimate of what a chat template adds to a message


class AnswerSteps(Generic[Reply]):
    """``prepare``, the writer, ``finish``: each works on a ``PreparedAnswer``.

    Args:
        retriever: finds the candidates.
        settings: ``retrieval``, ``answer`` and ``llm`` are used.
        llm: a language model, or a function that loads it at first use; None: answers are extractive.
        reply: makes an answer of text, passages and metadata.
    """

    def __init__(
        self,
        retriever: HybridSearch,
        settings: Settings,
        llm: LLM | Callable[[], LLM] | None,
        reply: Callable[[str, list[Passage], dict[str, Any]], Reply],
    ) -> None:
        self._reply = reply
        self.retriever = retriever
        self.settings = settings
        self.has_llm = llm is not None
        self._llm = llm
        self.prompts = AnswerPrompts(settings)
        self.meaning = Meaning(retriever.index.encoder, retriever.reranker)
        self.floor = Floor(retriever.index)
        self._loading = Lock()
        self.writer = AnswerWriter(self._loaded, settings, self.prompts, refusal_model(settings)) if llm else None

    @property
    def llm(self) -> LLM | None:
        """The language model, loaded at first use."""
        return self._loaded() if self.has_llm else None

    # -- before the model ----------------------------------------------------------------------------------------

    async def prepare(
        self, question: str, filters: MetadataFilters | None, searched: str | QueryLike | None, way: Way
    ) -> PreparedAnswer:
        """Search, and decide whether and what to ask the model."""
        must_be(str, "the question", question, "pass a text")
        check_filters(filters)
        bundle = None if searched is None or isinstance(searched, str) else searched
        words = searched if searched is None or isinstance(searched, str) else searched.query_str
        question, searched = valid(question), valid(words) if words else None
        answer = self.settings.answer
        language = detect_language(question) if answer.language == "auto" else answer.language
        trace = Trace(question, searched=searched or question, language=language)
        prepared = PreparedAnswer(question, language, trace)
        routing = None
        if answer.routing != "off" and self.has_llm:
            with trace.stage("route"):
                llm = await way.compute(self._loaded) if answer.routing == "general" else None
                routing = await needs_retrieval(question, language, way, llm)
            if routing.failed:
                trace.note(routing.reason, "routed")
        asked = bundle or searched or question
        result = None
        if routing is not None and not routing.retrieve:
            if not routing.by_rule:
                result = await self.retriever.search_by(way, asked, filters, trace=trace)
                passages = await way.compute(self._passages, result)
                if await way.compute(self.floor.confidence, question, passages) >= OVERRULE:
                    trace.note(OVERRULED, "routed")
                    routing = replace(routing, retrieve=True)
            if not routing.retrieve:
                why = text_in(routing.reason, "zh")
                trace.note(
                    Bilingual(
                        f"answered without the documents because {routing.reason}", f"没有查阅文档直接回答，因为{why}"
                    ),
                    "routed",
                )
                prepared.messages, prepared.routed = direct_messages(question, language), True
                return prepared
        result = result or await self.retriever.search_by(way, asked, filters, trace=trace)
        return await way.compute(self._settle, prepared, result)

    def _settle(self, prepared: PreparedAnswer, result: SearchResult) -> PreparedAnswer:
        """Decide by what was found whether to ask the model, and write its prompt."""
        question, trace, answer = prepared.question, prepared.trace, self.settings.answer
        prepared.sentence_scores = {candidate.id: candidate.score for candidate in result.candidates}
        prepared.cosines = {one.id: one.dense_score for one in result.candidates if one.dense_score is not None}
        prepared.passages, prepared.dense = self._passages(result), result.dense
        for passage, order in orders_in(prepared.passages):
            source, order = short_source(passage.source), short(order)
            trace.note(
                Bilingual(
                    f"{source} holds an order to a language model, '{order}'; it is not used as evidence",
                    f"{source} 中有写给语言模型的指令“{order}”，不作为依据",
                ),
                "orders",
            )
        best = max((candidate.confidence for candidate in result.candidates), default=None)
        relative = self.retriever.reranker is None and self.settings.retrieval.fusion in RELATIVE
        if best is not None and relative and answer.abstain_below is not None:
            best = self.floor.confidence(trace.searched, prepared.passages)
        if too_weak(best, answer):
            prepared.decision = "not_found"
        elif answer.response_mode in WITHOUT_MODEL:
            prepared.decision = "extractive"
            prepared.shown = WITHOUT_MODEL[answer.response_mode](prepared.passages)
        elif answer.response_mode == "generation" and self.has_llm:
            trace.note(BY_MODE, "routed")
            prepared.messages, prepared.routed = generation_messages(question), True
        elif (reason := self._why_extractive(prepared.language)) is not None:
            trace.note(reason, "language" if self.has_llm else "no_llm")
            prepared.decision = "extractive"
        else:
            try:
                with trace.stage("prompt"):
                    self._build_prompt(prepared)
            except LLMError as error:  # it could not be loaded
                trace.note(_since(error), "llm_failed")
                prepared.decision = "extractive"
        return prepared

    def _passages(self, result: SearchResult) -> list[Passage]:
        with result.trace.stage("windows"):
            candidates = spread(result.candidates, self.settings.retrieval.per_document)
            return distinct_passages(candidates, result.windows, limit=self.settings.retrieval.top_n)

    def _why_extractive(self, language: Language) -> str | None:
        llm = self.settings.llm
        if not self.has_llm:
            why = why_no_llm(llm)
            return Bilingual(
                f"{why}, so the answer is the documents' own sentences", f"{text_in(why, 'zh')}，因此以下是文档原句"
            )
        if language not in llm.languages:
            names, chinese = {"en": "English", "zh": "Chinese"}, {"en": "英文", "zh": "中文"}
            reads = " and ".join(names.get(code, code) for code in llm.languages)
            reads_zh = "和".join(chinese.get(code, code) for code in llm.languages)
            return Bilingual(
                f"the model {llm.model} reads only {reads}, so this {names[language]} question is answered with the "
                "documents' own sentences",
                f"模型 {llm.model} 只能读{reads_zh}，因此这个{chinese[language]}问题用文档原句作答",
            )
        return None

    def _loaded(self) -> LLM:
        from llama_index.core.llms import LLM

        with self._loading:
            if not isinstance(self._llm, LLM):
                self._llm = guarded(cast(Callable[[], LLM], self._llm)())
            return self._llm

    def _build_prompt(self, prepared: PreparedAnswer) -> None:
        llm = self.settings.llm
        model = self._loaded()
        count = token_counter(model, llm)
        # An in-process model may have been trained with less context than is configured.
        window = min(llm.context_window, model.metadata.context_window or llm.context_window)
        answer = self.settings.answer
        frame = self.prompts.messages(prepared.question, [], prepared.language)
        fixed = sum(count(str(message.content)) + MESSAGE_TOKENS for message in frame)
        fit = fit_passages(
            prepared.passages,
            count_tokens=count,
            context_window=window,
            reserved=llm.max_tokens,
            fixed_tokens=fixed,
            most=answer.context_tokens,
            tables=answer.tables,
        )
        if fit.note:
            prepared.trace.note(fit.note, "context")
        prepared.passages = fit.kept
        ordered = repack(fit.kept, answer.repack)
        prepared.messages = self.prompts.messages(prepared.question, ordered, prepared.language, answer.tables)

    def explain(self, error: Exception) -> LLMError:
        return error if isinstance(error, LLMError) else explain_llm_error(error, self.settings.llm)

    def reported(self, prepared: PreparedAnswer, manager: CallbackManager | None) -> AbstractContextManager[Any]:
        """Report the synthesis to LlamaIndex's instrumentation, unless one of its own synthesizers does."""
        own = prepared.messages is not None and self.writer is not None and not self.writer.streams(prepared)
        return instrumentation.synthesis(manager, prepared.question, silent=own)

    # -- after the model -----------------------------------------------------------------------------------------

    def checker(self, prepared: PreparedAnswer) -> CitationStream:
        """Return what checks the answer, whole or in pieces."""
        return CitationStream(
            prepared.passages,
            support_threshold=self.settings.answer.support_threshold,
            question=prepared.trace.searched or prepared.question,
            meaning=self.meaning,
        )

    def release(self, checker: CitationStream, prepared: PreparedAnswer, shown: str) -> str:
        """Return what may be added to a stream: checked whole sentences, and none before one has passed.

        A beginning that fails may be thinking, or an answer that the documents' own sentences will replace.
        """
        cited = checker.checked()
        if not shown and not any(not sentence.failed for sentence in cited.sentences):
            return ""
        failed: Literal["mark", "drop"] = "mark" if self.settings.answer.unsupported == "mark" else "drop"
        text = cited.shown(failed, prepared.language).rstrip()
        return text[len(shown) :] if text.startswith(shown) else ""

    def finish(self, prepared: PreparedAnswer, text: str, failure: LLMError | None) -> Reply:
        """Check the answer, or write it without the model, and build the response."""
        trace = prepared.trace
        if prepared.shown is not None:
            return self._response(prepared, "extractive", CitedAnswer(text=prepared.shown))
        if prepared.routed:
            if failure is not None:
                raise failure  # no documents were searched that could answer instead
            return self._response(prepared, "direct", CitedAnswer(text=text))
        empty = not any(char.isalnum() for char in MARK.sub("", text))
        if failure is not None:
            trace.llm = {**trace.llm, "failure": type(failure).__name__}
            trace.note(_since(failure), "llm_failed")
        elif prepared.messages is not None and empty:
            trace.note(ONLY_MARK if text.strip() else WROTE_NOTHING, "llm_failed")
        if prepared.decision == "not_found" or (not empty and says_not_found(text, prepared.language)):
            return self._not_found(prepared)
        if prepared.decision == "extractive" or failure is not None or empty:
            return self._extracted(prepared)
        with trace.stage("cite"):
            checker = self.checker(prepared)
            checker.feed(text)
            checker.finish()
            cited = checker.result()
        if cited.removed:
            removed = ", ".join(cited.removed)
            trace.note(
                Bilingual(
                    f"the model cited {removed}, but there is no such passage; removed from the answer",
                    f"模型引用了 {removed}，但没有这样的段落；已从回答中去掉",
                ),
                "citation_removed",
            )
        for note in notes_of(cited):
            trace.note(note, "unsupported")
        failed = [sentence for sentence in cited.sentences if sentence.failed]
        mode = self.settings.answer.unsupported
        if failed and (2 * len(failed) > len(cited.sentences) or mode == "extract"):
            trace.note(UNFOUNDED if len(failed) == len(cited.sentences) else MOSTLY_UNFOUNDED, "unsupported")
            return self._extracted(prepared, rejected=cited)
        if failed and mode == "drop":
            left = len(failed)
            trace.note(
                Bilingual(
                    f"{left} of them {agreed(left, 'were')} left out of the answer", f"其中 {left} 句没有写进回答"
                ),
                "unsupported",
            )
        return self._response(prepared, "answered", cited)

    def _not_found(self, prepared: PreparedAnswer) -> Reply:
        return self._response(prepared, "not_found", CitedAnswer(text=NOT_FOUND[prepared.language]))

    def _extracted(self, prepared: PreparedAnswer, rejected: CitedAnswer | None = None) -> Reply:
        """Answer with the documents' own sentences, unless they are not about what is asked."""
        with prepared.trace.stage("cite"):
            asked, passages = prepared.trace.searched, prepared.passages
            speaks: Literal["words", "meaning"] | None = None
            if rejected is not None:
                speaks = "words"
            elif not is_small_talk(asked):
                speaks = self.floor.speaks(
                    asked,
                    passages,
                    prepared.language,
                    dense=prepared.dense,
                    cosine=_cosine(prepared),
                    nearest_text=_nearest_text(prepared),
                    meaning=self.meaning,
                )
            cited = self._extract(prepared, by_meaning=speaks == "meaning") if speaks else CitedAnswer(text="")
        if not speaks:
            prepared.trace.note(NOT_ABOUT, "not_found")
            return self._not_found(prepared)
        if speaks == "meaning":
            prepared.trace.note(OTHER_WORDS, "other_words")
        more = {} if rejected is None else {"rejected": [sentence.as_dict() for sentence in rejected.sentences]}
        return self._response(prepared, "extractive", cited, **more)

    def _extract(self, prepared: PreparedAnswer, *, by_meaning: bool) -> CitedAnswer:
        """Write the documents' own sentences; ``by_meaning``: the nearest alone, as not verified."""
        passages, scores = prepared.passages, prepared.sentence_scores
        if by_meaning:
            scores = prepared.cosines
            passages = [max(passages, key=lambda one: max((scores.get(hit, -1.0) for hit in one.hits), default=-1.0))]
        cited = extract_answer(
            prepared.trace.searched,
            with_whole_items(passages, self.retriever.index.store.windows),
            language=prepared.language,
            sentences=1 if by_meaning else self.settings.answer.extractive_sentences,
            score=scores,
        )
        if by_meaning:
            cited.sentences = [
                replace(one, status="unverified", support=0.0, decided_by="none") for one in cited.sentences
            ]
        return cited

    def _response(self, prepared: PreparedAnswer, status: Status, cited: CitedAnswer, **metadata: Any) -> Reply:
        if status == "not_found":
            metadata["nearest"] = nearest(prepared.passages)
        failed: Literal["mark", "drop"] = "drop" if self.settings.answer.unsupported == "drop" else "mark"
        return self._reply(
            cited.shown(failed if status == "answered" else "keep", prepared.language),
            list(prepared.passages),
            {
                "status": status,
                "citations": [citation.as_dict() for citation in cited.citations],
                "sentences": [sentence.as_dict() for sentence in cited.sentences],
                "notes": list(prepared.trace.notes),
                "note_kinds": list(prepared.trace.note_kinds),
                "trace": prepared.trace.as_dict(),
                **metadata,
            },
        )


def _since(error: LLMError) -> Bilingual:
    """Return the note of an answer without the model, which failed."""
    return Bilingual(
        f"the answer is the documents' own sentences, since {error}", f"语言模型未能作答，以下是文档原句（{error}）"
    )


def _cosine(prepared: PreparedAnswer) -> float | None:
    """Return the question's cosine with the nearest sentence of its passages; None without a dense leg."""
    hits = {hit for passage in prepared.passages for hit in passage.hits}
    return max((cosine for identity, cosine in prepared.cosines.items() if identity in hits), default=None)


def passage_node(passage: Passage) -> NodeWithScore:
    """Return a passage as a LlamaIndex source node: the whole window, with its place.

    >>> from indexes.nodes.record import SentenceRecord
    >>> node = passage_node(Passage(1, [SentenceRecord("harbour.md", 0, "The harbour opens at 6.")], [], 0.9))
    >>> node.text, node.score, node.metadata["citation"]
    ('The harbour opens at 6.', 0.9, 1)
    """
    from llama_index.core.schema import NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode

    hits = [sentence for sentence in passage.sentences if sentence.id in passage.hits] or passage.sentences
    best, text = hits[0], passage.text
    node = TextNode(
        id_=best.id,
        text=text,
        metadata={
            **passage.sentences[0].metadata,
            "citation": passage.number,
            "window": text,
            "original_text": best.text,
            **({"more_places": passage.more_places} if passage.repeats else {}),
        },
        excluded_embed_metadata_keys=[*WINDOW_KEYS, "more_places"],
        excluded_llm_metadata_keys=[*WINDOW_KEYS, "more_places"],
        start_char_idx=passage.sentences[0].start,
        end_char_idx=passage.sentences[-1].end,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=best.doc_id)},
    )
    link(node, best, passage.sentences)
    return NodeWithScore(node=node, score=passage.score)


def _nearest_text(prepared: PreparedAnswer) -> str | None:
    """Return the sentence of the passages with the highest cosine; None without a dense leg."""
    hits = {hit for passage in prepared.passages for hit in passage.hits if hit in prepared.cosines}
    there = [one for passage in prepared.passages for one in passage.sentences if one.id in hits]
    return max(there, key=lambda one: prepared.cosines[one.id]).text if there else None
