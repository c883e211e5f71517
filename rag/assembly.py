"""Build searches and answers from the settings, without LlamaIndex.

``rag.api`` builds LlamaIndex's retriever and engines from the same parts; the command line uses these. What only
answers need is imported at the first answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeGuard

from indexes import Index
from rag.rerankers import build_reranker
from rag.retrieval.hyde import HypothesisWriter
from rag.retrieval.searching import HybridSearch
from rag.retrieval.wider import QuestionWriter, Rewriting
from rag.settings import LLMSettings, Settings
from rag.ways import Way

if TYPE_CHECKING:
    from llama_index.core.base.llms.types import ChatMessage
    from llama_index.core.llms import LLM

    from rag.asking import AnswerEngine

QUESTION_TOKENS = 64  # maximum per question that the language model writes
LANGUAGES = LLMSettings.model_fields["languages"].default


def build_search(
    index: Index, settings: Settings, filters: Any = None, *, llm: LLM | Callable[[], LLM] | None = None
) -> HybridSearch:
    """Build the search over an open index that the settings describe.

    Args:
        llm: as for ``search_parts``.

    Raises:
        SettingsError, MissingExtraError, RerankerError: as ``rag.build_retriever``.
    """
    reranker, writer, questions = search_parts(settings, llm, None)
    return HybridSearch(
        index,
        settings=settings,
        reranker=reranker,
        write_hypothesis=writer,
        write_questions=questions,
        filters=filters,
    )


def build_answers(index: Index, settings: Settings, filters: Any = None) -> AnswerEngine:
    """Build what answers questions about an open index with the language model of the settings.

    Raises:
        SettingsError, MissingExtraError, RerankerError: as ``rag.build_query_engine``.
    """
    from rag.asking import AnswerEngine
    from rag.llms import llm_when_asked, named_model

    settings = settings.model_copy(update={"llm": named_model(settings.llm)})
    llm = llm_when_asked(settings.llm)
    search = build_search(index, settings, filters, llm=llm)
    return AnswerEngine(search, settings=settings, llm=llm)


def search_parts(
    settings: Settings, llm: LLM | Callable[[], LLM] | None, rerank: Any
) -> tuple[Any, HypothesisWriter | None, QuestionWriter | None]:
    """Build the reranker, HyDE's writer and the writer of further questions; each is None if not configured.

    >>> settings = Settings.model_validate({"rerank": {"provider": "none"}})
    >>> search_parts(settings, None, None)  # no reranker, no HyDE, no further questions
    (None, None, None)
    >>> mine = object()  # any LlamaIndex node postprocessor
    >>> search_parts(settings, None, mine)[0] is mine
    True

    Args:
        llm: a language model or a function that loads it; None: that of ``settings.llm``, if one is needed.
        rerank: a node postprocessor, False for none, None or True for ``settings.rerank``.
    """
    reranker = build_reranker(settings.rerank) if rerank is None or rerank is True else (rerank or None)
    writer, questions = None, None
    rewrites = settings.retrieval.translate != "off" or settings.retrieval.phrasings > 0
    if settings.hyde.mode != "off" or rewrites:
        from rag.llms import llm_when_asked

        llm = llm if llm is not None else llm_when_asked(settings.llm)
        writer = _hypothesis_writer(llm, settings) if llm is not None and settings.hyde.mode != "off" else None
        questions = _question_writer(llm, settings) if llm is not None and rewrites else None
    return reranker, writer, questions


def is_loader(llm: LLM | Callable[[], LLM]) -> TypeGuard[Callable[[], LLM]]:
    """Return whether this is a function that loads a language model.

    >>> from llama_index.core.llms import MockLLM
    >>> is_loader(MockLLM), is_loader(lambda: MockLLM()), is_loader(MockLLM())
    (False, True, False)
    """
    return not hasattr(llm, "metadata")


def named_after(settings: LLMSettings, llm: LLM | None) -> LLMSettings:
    """Return the section with the name of the model that answers, by which prompt and refusals are chosen.

    >>> from rag.settings import LLMSettings
    >>> named_after(LLMSettings(provider="ollama", model="qwen3:8b"), None).model
    'qwen3:8b'
    """
    from rag.llms import named_model

    own = named_model(settings)
    if llm is None or llm.metadata.model_name == own.model:
        return own
    # Not the model of the settings, so their languages do not apply.
    changed: dict[str, Any] = {"languages": LANGUAGES}
    if llm.metadata.model_name not in ("", "unknown"):
        changed["model"] = llm.metadata.model_name
    return settings.model_copy(update=changed)


def _hypothesis_writer(llm: LLM | Callable[[], LLM], settings: Settings) -> HypothesisWriter:
    from rag.answer.language import detect_language
    from rag.answer.prompt.prompts import hyde_messages

    async def write(question: str, how_many: int, way: Way) -> list[str]:
        messages = hyde_messages(question, detect_language(question))
        # More than one helps only if the model samples: at temperature 0 all are the same.
        texts = [await _written(llm, settings, messages, settings.hyde.max_tokens, way) for _ in range(how_many)]
        return list(dict.fromkeys(text.strip() for text in texts))

    return write


def _question_writer(llm: LLM | Callable[[], LLM], settings: Settings) -> QuestionWriter:
    from rag.answer.language import detect_language
    from rag.answer.prompt.prompts import questions_in, rephrase_messages, translate_messages

    async def write(what: Rewriting, question: str, how_many: int, way: Way) -> list[str]:
        language = detect_language(question)
        if what == "translate":
            messages = translate_messages(question, "en" if language == "zh" else "zh")
        else:
            messages = rephrase_messages(question, language, how_many)
        return questions_in(await _written(llm, settings, messages, QUESTION_TOKENS * how_many, way), how_many)

    return write


async def _written(
    llm: LLM | Callable[[], LLM], settings: Settings, messages: list[ChatMessage], max_tokens: int, way: Way
) -> str:
    """Return what the model writes, loaded if need be; its failures are explained."""
    from rag.llms import explain_llm_error, with_max_tokens

    try:
        loaded: Any = await way.compute(llm) if is_loader(llm) else llm
        reply = await way.chat(with_max_tokens(loaded, max_tokens), messages)
        return reply.message.content or ""
    except Exception as error:
        raise explain_llm_error(error, settings.llm) from error
