"""build_query_engine, build_retriever and build_chat_engine: the public functions of ``rag``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, Literal, TypedDict, Unpack

from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import LLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.settings import Settings as LlamaIndexSettings
from llama_index.core.vector_stores import MetadataFilters
from pydantic import ValidationError

from indexes import Index
from indexes.display import Bilingual
from indexes.errors import SettingsError, must_be
from indexes.settings.sections import IndexSettings
from indexes.store.filters import check_filters
from rag.assembly import named_after, search_parts
from rag.chat import RagChatEngine
from rag.engine import RagQueryEngine
from rag.llms import guarded, llm_when_asked
from rag.retrieval.hybrid import HybridRetriever
from rag.settings import Settings, load_settings

_RETRIEVAL_OPTIONS = (
    *("window", "top_k", "top_n", "fusion", "dense_weight", "sparse_weight", "rrf_k", "diversity"),
    *("feedback", "translate", "phrasings"),
)
_QUERY_MODES: dict[str, dict[str, Any]] = {
    "hybrid": {},
    "default": {"fusion": "dense"},
    "sparse": {"fusion": "sparse"},
    "mmr": {"diversity": 0.5},
}
_ANSWER_OPTIONS = ("language", "response_mode", "repack", "abstain_below", "routing", "unsupported")


class CallOptions(TypedDict, total=False):
    """Settings that a call may override; ``rag config`` prints their meanings and defaults."""

    window: int
    top_k: int
    top_n: int
    fusion: Literal["minmax", "rrf", "dense", "sparse"]
    dense_weight: float
    sparse_weight: float
    rrf_k: int
    diversity: float
    vector_store_query_mode: str
    vector_store_kwargs: Mapping[str, Any]
    alpha: float
    language: Literal["auto", "en", "zh"]
    response_mode: str
    repack: Literal["forward", "reverse", "sides"]
    abstain_below: float | None
    routing: bool | Literal["off", "smalltalk", "general"]
    unsupported: Literal["mark", "drop", "extract"]


def build_query_engine(
    index: Index,
    *,
    llm: LLM | None = None,
    settings: Settings | None = None,
    hyde: str | None = None,
    rerank: BaseNodePostprocessor | bool | None = None,
    filters: MetadataFilters | None = None,
    node_postprocessors: Sequence[BaseNodePostprocessor] = (),
    similarity_top_k: int | None = None,
    streaming: bool = False,
    text_qa_template: BasePromptTemplate | None = None,
    callback_manager: CallbackManager | None = None,
    **options: Unpack[CallOptions],
) -> RagQueryEngine:
    """Build a LlamaIndex query engine over an open index.

    Args:
        index: from ``indexes.build_index`` or ``indexes.open_index``.
        llm: any LlamaIndex LLM, used for questions in every language. Default: built from ``settings.llm`` (provider
            "none" answers extractively); if no setting names ``llm.*`` and LlamaIndex's ``Settings.llm`` is set, that
            one, with a note.
        settings: default: those the index was opened with if they are complete, else ``load_settings()``.
        hyde: "off", "on" or "auto"; default: ``settings.hyde``.
        rerank: a LlamaIndex node postprocessor, False for none, None for ``settings.rerank``.
        filters: metadata filters for every question.
        node_postprocessors: further LlamaIndex node postprocessors, applied in order after the reranker.
        similarity_top_k: LlamaIndex's name of ``top_n``, the number of passages that the answer reads.
        streaming: whether ``query`` returns a StreamingResponse.
        text_qa_template: a LlamaIndex prompt of ``context_str`` and ``query_str`` that replaces ours in both languages;
            ``engine.get_prompts()`` and ``update_prompts()`` access each.
        callback_manager: LlamaIndex's; default: that of its ``Settings``, if set.
        options: ``window``, ``top_k``, ``top_n``, ``fusion``, ``dense_weight``, ``sparse_weight``, ``rrf_k``,
            ``diversity``, ``language``, ``response_mode``, ``repack``, ``abstain_below``, ``routing``, ``unsupported``:
            see ``rag config``. LlamaIndex's names for some: ``vector_store_query_mode`` ("hybrid", "default", "sparse",
            "mmr"), ``vector_store_kwargs`` (``mmr_threshold``) and ``alpha``.

    Raises:
        SettingsError: an option is unknown or its value cannot be used.
        MissingExtraError: the configured LLM or reranker needs a package that is not installed.

        >>> from indexes import open_index  # doctest: +SKIP
        >>> from rag import build_query_engine  # doctest: +SKIP
        >>> print(build_query_engine(open_index()).query("How do I start?"))  # doctest: +SKIP
    """
    if similarity_top_k is not None:
        options = {"top_n": similarity_top_k, **options}
    _check(index, settings, llm, rerank, filters, node_postprocessors)
    settings = _base(index, settings)
    note = None
    if llm is None:
        llm, note = _users_llm(settings)
    settings = _effective(settings, hyde, options)
    settings = settings.model_copy(update={"llm": named_after(settings.llm, llm)})
    source = guarded(llm) if llm is not None else llm_when_asked(settings.llm)
    retriever = _retriever(index, settings, source, rerank, filters, node_postprocessors, None, callback_manager)
    retriever.notes = [note] if note else []
    return RagQueryEngine(
        retriever, settings=settings, llm=source, streaming=streaming, text_qa_template=text_qa_template
    )


def build_retriever(
    index: Index,
    *,
    settings: Settings | None = None,
    llm: LLM | None = None,
    hyde: str | None = None,
    rerank: BaseNodePostprocessor | bool | None = None,
    filters: MetadataFilters | None = None,
    node_postprocessors: Sequence[BaseNodePostprocessor] = (),
    similarity_top_k: int | None = None,
    callback_manager: CallbackManager | None = None,
    **options: Unpack[CallOptions],
) -> HybridRetriever:
    """Build a LlamaIndex retriever: both legs, fused, with windows, reranked; ``.search(question)`` adds the trace.

    Arguments as for ``build_query_engine``; ``llm`` is used only for HyDE and further questions, and
    ``similarity_top_k`` is the maximum number of nodes that ``retrieve`` returns.
    """
    _check(index, settings, llm, rerank, filters, node_postprocessors)
    if similarity_top_k is not None and similarity_top_k < 1:
        raise SettingsError(f"similarity_top_k is {similarity_top_k}", remedy="set it to 1 or more")
    settings = _effective(_base(index, settings), hyde, options)
    source = llm if llm is None else guarded(llm)
    return _retriever(index, settings, source, rerank, filters, node_postprocessors, similarity_top_k, callback_manager)


def _retriever(
    index: Index,
    settings: Settings,
    llm: LLM | Callable[[], LLM] | None,
    rerank: BaseNodePostprocessor | bool | None,
    filters: MetadataFilters | None,
    node_postprocessors: Sequence[BaseNodePostprocessor],
    limit: int | None,
    callback_manager: CallbackManager | None,
) -> HybridRetriever:
    reranker, writer, questions = search_parts(settings, llm, rerank)
    return HybridRetriever(
        index,
        settings=settings,
        reranker=reranker,
        write_hypothesis=writer,
        write_questions=questions,
        filters=filters,
        node_postprocessors=node_postprocessors,
        limit=limit,
        callback_manager=callback_manager,
    )


def build_chat_engine(index: Index, **options: Any) -> RagChatEngine:
    """Build a LlamaIndex chat engine that remembers the conversation; arguments as for ``build_query_engine``."""
    return RagChatEngine(build_query_engine(index, **options))


def _check(
    index: object, settings: object, llm: object, rerank: object, filters: object, node_postprocessors: object
) -> None:
    """Check the types of the arguments.

    Raises:
        SettingsError: an argument has a wrong type.
    """
    if not hasattr(index, "store"):
        raise SettingsError(f"index is {index!r:.80}", remedy="pass what build_index or open_index returns")
    loaded = "pass what load_settings() returns, for example load_settings(profile='offline')"
    must_be((Settings, NoneType), "settings", settings, loaded)
    named = "pass a LlamaIndex LLM such as Ollama(model=...); for a model's name set llm.model"
    must_be((LLM, NoneType), "llm", llm, named)
    check_filters(filters)
    reranks = hasattr(rerank, "postprocess_nodes") or hasattr(rerank, "score")
    if not isinstance(rerank, (bool, NoneType)) and not reranks:
        raise SettingsError(
            f"rerank is {rerank!r:.80}, which cannot be used",
            remedy="pass a LlamaIndex node postprocessor, or False for none; for a model's name set rerank.model",
        )
    if not isinstance(node_postprocessors, (list, tuple)) or not all(
        hasattr(one, "postprocess_nodes") for one in node_postprocessors
    ):
        raise SettingsError(
            f"node_postprocessors is {node_postprocessors!r:.80}, which cannot be used",
            remedy="pass a list of LlamaIndex node postprocessors",
        )


def _base(index: Index, settings: Settings | None) -> Settings:
    if settings is not None:
        return settings
    own: IndexSettings = index.settings
    return own if isinstance(own, Settings) else load_settings()


def _users_llm(settings: Settings) -> tuple[LLM | None, str | None]:
    """Return LlamaIndex's ``Settings.llm`` if no setting of ours names a model, and the note about it.

    The private field is read since the public one builds OpenAI's if none was set.
    """
    llm = None if "llm" in settings.model_fields_set else LlamaIndexSettings._llm
    if llm is None:
        return None, None
    name = llm.metadata.model_name
    return llm, Bilingual(
        f"the language model is LlamaIndex's Settings.llm ({name})",
        f"语言模型取自 LlamaIndex 的 Settings.llm（{name}）",
    )


def _effective(settings: Settings, hyde: str | None, options: Mapping[str, Any]) -> Settings:
    """Return the settings overridden by a call's options."""
    changes: dict[str, dict[str, Any]] = {}
    for name, value in _of_llamaindex(options).items():
        if name in _RETRIEVAL_OPTIONS:
            changes.setdefault("retrieval", {})[name] = value
        elif name in _ANSWER_OPTIONS:
            changes.setdefault("answer", {})[name] = value
        else:
            known = ", ".join((*_RETRIEVAL_OPTIONS, *_ANSWER_OPTIONS))
            raise SettingsError(f"unknown option {name!r} of the query engine", remedy=f"use one of: {known}")
    if hyde is not None:
        changes["hyde"] = {"mode": hyde}
    if not changes:
        return settings
    tree = settings.model_dump()
    for section, values in changes.items():
        tree[section].update(values)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name, message = ".".join(map(str, first["loc"])), first["msg"]
        remedy = f"{message[:1].lower()}{message[1:]}"
        raise SettingsError(f"{name} = {first['input']!r:.80} cannot be used", remedy=remedy) from error


def _of_llamaindex(options: Mapping[str, Any]) -> dict[str, Any]:
    """Replace LlamaIndex's names of options by ours."""
    found = dict(options)
    mode = found.pop("vector_store_query_mode", "hybrid")
    named = str(getattr(mode, "value", mode))
    if named not in _QUERY_MODES:
        raise SettingsError(f"vector_store_query_mode is {named!r}", remedy=f"use one of: {', '.join(_QUERY_MODES)}")
    given = dict(found.pop("vector_store_kwargs", None) or {})
    changes = dict(_QUERY_MODES[named])
    if "mmr_threshold" in given:  # in LlamaIndex 1 means relevance only
        changes["diversity"] = 1 - given.pop("mmr_threshold")
    if given:
        raise SettingsError(
            f"unknown vector_store_kwargs {', '.join(map(repr, given))}", remedy="use mmr_threshold, or our own options"
        )
    if (alpha := found.pop("alpha", None)) is not None:
        changes |= {"dense_weight": alpha, "sparse_weight": 1 - alpha}
    return changes | found
