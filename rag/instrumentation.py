"""LlamaIndex's instrumentation: events and spans for its dispatcher, and the older events of its callback manager.

An observer (Phoenix, Langfuse, a handler of your own) sees one query, retrieval, embedding, rerank and synthesis a
question, in all forms of engine, chat and retriever. What LlamaIndex's own base classes report already is not reported
again. Where nobody listens nothing is built.
"""

from __future__ import annotations

import inspect
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from typing import Any, TypeVar

from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import NullEventHandler
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index.core.instrumentation.events.query import QueryEndEvent, QueryStartEvent
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.instrumentation.events.retrieval import RetrievalEndEvent, RetrievalStartEvent
from llama_index.core.instrumentation.events.span import SpanDropEvent
from llama_index.core.instrumentation.events.synthesis import SynthesizeEndEvent, SynthesizeStartEvent
from llama_index.core.instrumentation.span import active_span_id
from llama_index.core.schema import NodeWithScore, QueryBundle

from indexes.encoders.base import Encoded, Encoder
from indexes.encoders.from_embedding import EmbeddingModel
from indexes.errors import must_be

T = TypeVar("T")
Response = TypeVar("Response", bound=RESPONSE_TYPE)
dispatcher = get_dispatcher(__name__)


def is_heard(manager: CallbackManager | None = None) -> bool:
    """True where a handler would get what is reported."""
    at: Any = dispatcher
    while at is not None:
        if not all(isinstance(handler, NullEventHandler) for handler in at.event_handlers):
            return True  # the root's own handler hears nothing
        at = at.parent if at.propagate else None
    return bool(manager and manager.handlers)


@contextmanager
def _event(
    manager: CallbackManager, kind: CBEventType, payload: Mapping[Any, Any]
) -> Iterator[Callable[[dict[Any, Any]], None]]:
    """Report one event to the callback manager; the function that it gives takes the payload of the end.

    The manager keeps a stack in a context variable, and a stream may end in another context than it began in: the
    stack is empty there then, which is not a failure of the answer.
    """
    if not manager.handlers:
        yield lambda payload: None
        return
    event = manager.on_event_start(kind, payload=dict(payload))
    done: list[dict[Any, Any]] = []
    try:
        yield done.append
    except BaseException as error:
        done[:] = [{EventPayload.EXCEPTION: error}]
        raise
    finally:
        with suppress(IndexError):
            manager.on_event_end(kind, payload=done[-1] if done else None, event_id=event)


@contextmanager
def query_step(manager: CallbackManager, question: str) -> Iterator[Callable[[Response], Response]]:
    """Report a query to the callback manager; the function that it gives takes the response."""
    with _event(manager, CBEventType.QUERY, {EventPayload.QUERY_STR: question}) as end:

        def ended(response: Response) -> Response:
            end({EventPayload.RESPONSE: response})
            return response

        yield ended


@contextmanager
def query(manager: CallbackManager, question: str) -> Iterator[Callable[[Response], Response]]:
    """Report a query in full, where LlamaIndex's ``query`` is not what was called."""
    must_be(str, "the question", question, "give a text")
    dispatcher.event(QueryStartEvent(query=question))
    with manager.as_trace("query"), query_step(manager, question) as step_ended:

        def ended(response: Response) -> Response:
            dispatcher.event(QueryEndEvent(query=question, response=step_ended(response)))
            return response

        yield ended


@contextmanager
def synthesis(manager: CallbackManager, question: str, *, silent: bool) -> Iterator[Callable[[Response], Response]]:
    """Report that an answer is written and checked. ``silent``: one of LlamaIndex's synthesizers reports it."""
    if silent:
        yield lambda response: response
        return
    dispatcher.event(SynthesizeStartEvent(query=question))
    with _event(manager, CBEventType.SYNTHESIZE, {EventPayload.QUERY_STR: question}) as end:

        def ended(response: Response) -> Response:
            end({EventPayload.RESPONSE: response})
            dispatcher.event(SynthesizeEndEvent(query=question, response=response))
            return response

        yield ended


@contextmanager
def retrieval(
    manager: CallbackManager, bundle: QueryBundle, *, silent: bool
) -> Iterator[Callable[[Callable[[], list[NodeWithScore]]], None]]:
    """Report a retrieval. ``silent``: LlamaIndex's ``retrieve`` was called, which does so itself."""
    if silent or not is_heard(manager):
        yield lambda make: None
        return
    dispatcher.event(RetrievalStartEvent(str_or_query_bundle=bundle))
    payload = {EventPayload.QUERY_STR: bundle.query_str}
    with manager.as_trace("query"), _event(manager, CBEventType.RETRIEVE, payload) as end:

        def ended(make: Callable[[], list[NodeWithScore]]) -> None:
            nodes = make()
            end({EventPayload.NODES: nodes})
            dispatcher.event(RetrievalEndEvent(str_or_query_bundle=bundle, nodes=nodes))

        yield ended


def embedded(manager: CallbackManager, encoder: Encoder, texts: Sequence[str], *, query: bool) -> Encoded:
    """Encode texts, and report it; a LlamaIndex embedding model does so itself."""
    encode = encoder.encode_queries if query else encoder.encode_documents
    if isinstance(getattr(encoder, "dense", None), EmbeddingModel) or not is_heard(manager):
        return encode(texts)
    model = {"model_name": encoder.fingerprint.model, "class_name": type(encoder).__name__, "dim": encoder.dim}
    dispatcher.event(EmbeddingStartEvent(model_dict=model))
    with _event(manager, CBEventType.EMBEDDING, {EventPayload.SERIALIZED: model}) as end:
        encoded = encode(texts)
        vectors = encoded.dense.tolist()
        end({EventPayload.CHUNKS: list(texts), EventPayload.EMBEDDINGS: vectors})
    dispatcher.event(EmbeddingEndEvent(chunks=list(texts), embeddings=vectors))
    return encoded


@contextmanager
def reranking(
    manager: CallbackManager, question: str, model: str, top_n: int, make: Callable[[], list[NodeWithScore]]
) -> Iterator[Callable[[Callable[[], list[NodeWithScore]]], None]]:
    """Report that nodes are reranked; ``make`` gives them, and what the function that it gives takes, those after."""
    if not is_heard(manager):
        yield lambda make: None
        return
    nodes = make()
    dispatcher.event(ReRankStartEvent(query=question, nodes=nodes, top_n=top_n, model_name=model))
    payload = {
        EventPayload.NODES: nodes,
        EventPayload.MODEL_NAME: model,
        EventPayload.QUERY_STR: question,
        EventPayload.TOP_K: top_n,
    }
    with _event(manager, CBEventType.RERANKING, payload) as end:

        def ended(make: Callable[[], list[NodeWithScore]]) -> None:
            kept = make()
            end({EventPayload.NODES: kept})
            dispatcher.event(ReRankEndEvent(nodes=kept))

        yield ended


def current_span() -> str | None:
    """The span that is open here; None where nothing is."""
    return active_span_id.get()


async def spanned(
    pieces: AsyncGenerator[T, None],
    instance: Any,
    name: str,
    question: str,
    result: Callable[[], Any],
    *,
    parent: str | None,
) -> AsyncGenerator[T, None]:
    """Pass a stream on inside a span of its own, which lasts until the stream ends or is closed.

    The span is the active one only while the stream works, never while its reader does.
    """
    span = f"{type(instance).__name__}.{name}-{uuid.uuid4()}"
    bound = inspect.signature(lambda question: None).bind(question)
    dispatcher.span_enter(id_=span, bound_args=bound, instance=instance, parent_id=parent)
    try:
        async with aclosing(pieces):
            while True:
                token = active_span_id.set(span)
                try:
                    piece = await pieces.__anext__()
                except StopAsyncIteration:
                    break
                finally:
                    active_span_id.reset(token)
                yield piece
    except Exception as error:
        dispatcher.event(SpanDropEvent(span_id=span, err_str=str(error)))
        dispatcher.span_drop(id_=span, bound_args=bound, instance=instance, err=error)
        raise
    except BaseException:
        dispatcher.span_exit(id_=span, bound_args=bound, instance=instance, result=None)
        raise
    dispatcher.span_exit(id_=span, bound_args=bound, instance=instance, result=result())
