"""Report to LlamaIndex's instrumentation: events and spans of its dispatcher, older events of its callback manager.

An observer (Phoenix, Langfuse, your own handler) sees one query, retrieval, embedding, rerank and synthesis per
question, in all forms of engine, chat and retriever. What LlamaIndex's base classes report is not reported again. If
nobody listens, no event is built and LlamaIndex is not imported. Its dispatcher is a separate package; until somebody
has imported it, nobody can listen, and it is not imported here either: that would take as long as a search.
"""

from __future__ import annotations

import functools
import inspect
import sys
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from indexes.encoders.base import Encoded, Encoder
from indexes.errors import must_be

if TYPE_CHECKING:
    from llama_index.core.callbacks import CallbackManager, CBEventType
    from llama_index.core.schema import NodeWithScore

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
LIBRARY = "llama_index_instrumentation"
DECORATED = "__dispatcher_span_decorated__"  # what its own decorator sets, so that no method is reported twice


def _is_there() -> bool:
    return LIBRARY in sys.modules


@functools.cache
def _dispatcher() -> Any:
    from llama_index_instrumentation import get_dispatcher

    return get_dispatcher(__name__)


def span(method: F) -> F:
    """Report each call of a method as a span, as the dispatcher's own decorator does, once the dispatcher is there."""

    @functools.cache
    def reporting() -> Any:
        return _dispatcher().span(method)

    def bound(instance: Any) -> Any:
        return (reporting() if _is_there() else method).__get__(instance, type(instance))

    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def call(self: Any, *values: Any, **given: Any) -> Any:
            return await bound(self)(*values, **given)

    else:

        @functools.wraps(method)
        def call(self: Any, *values: Any, **given: Any) -> Any:
            return bound(self)(*values, **given)

    setattr(call, DECORATED, True)
    return call  # type: ignore[return-value]


def current_span() -> str | None:
    """Return the id of the span of the call that is running; None if there is none."""
    if not _is_there():
        return None
    from llama_index_instrumentation.span import active_span_id

    return active_span_id.get()


class _QuestionWords(Protocol):
    """A question; LlamaIndex's QueryBundle is one."""

    query_str: str


def is_heard(manager: CallbackManager | None = None) -> bool:
    """Return whether any handler listens.

    >>> is_heard()
    False
    """
    if not _is_there():
        return bool(manager and manager.handlers)
    from llama_index_instrumentation.event_handlers import NullEventHandler

    at = _dispatcher()
    while at is not None:
        if not all(isinstance(handler, NullEventHandler) for handler in at.event_handlers):
            return True  # the root's own handler hears nothing
        at = at.parent if at.propagate else None
    return bool(manager and manager.handlers)


@contextmanager
def _event(
    manager: CallbackManager | None, kind: str, payload: Mapping[str, Any]
) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Report an event to the callback manager; call the yielded function with the payload of its end.

    The manager keeps a stack in a context variable, and a stream may end in another context than it began in, where the
    stack is empty: that is not a failure of the answer.

    Args:
        kind: name of a LlamaIndex CBEventType; the payloads' keys are names of EventPayload.
    """
    if manager is None or not manager.handlers:
        yield lambda payload: None
        return
    from llama_index.core.callbacks import CBEventType, EventPayload

    def named(values: Mapping[str, Any]) -> dict[Any, Any]:
        return {EventPayload[key]: value for key, value in values.items()}

    event_type: CBEventType = CBEventType[kind]
    event = manager.on_event_start(event_type, payload=named(payload))
    done: list[dict[str, Any]] = []
    try:
        yield done.append
    except BaseException as error:
        done[:] = [{"EXCEPTION": error}]
        raise
    finally:
        with suppress(IndexError):
            manager.on_event_end(event_type, payload=named(done[-1]) if done else None, event_id=event)


def _traced(manager: CallbackManager | None) -> AbstractContextManager[Any]:
    return nullcontext() if manager is None else manager.as_trace("query")


@contextmanager
def query_step(manager: CallbackManager | None, question: str) -> Iterator[Callable[[T], T]]:
    """Report a query to the callback manager; call the yielded function with the response.

    >>> from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
    >>> debug = LlamaDebugHandler(print_trace_on_end=False)
    >>> with query_step(CallbackManager([debug]), "When does it open?") as ended:
    ...     answer = ended("At six.")
    >>> [(event.event_type.value, event.payload) for event in debug.get_events()]
    [('query', {<EventPayload.QUERY_STR: 'query_str'>: 'When does it open?'}), ('query', {<EventPayload.RESPONSE:
     'response'>: 'At six.'})]
    """
    with _event(manager, "QUERY", {"QUERY_STR": question}) as end:

        def ended(response: T) -> T:
            end({"RESPONSE": response})
            return response

        yield ended


@contextmanager
def query(manager: CallbackManager | None, question: str) -> Iterator[Callable[[T], T]]:
    """Report a query in full, if it was not LlamaIndex's ``query`` that was called.

    >>> from llama_index.core.base.response.schema import Response
    >>> from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
    >>> debug = LlamaDebugHandler(print_trace_on_end=False)
    >>> with query(CallbackManager([debug]), "When does it open?") as ended:
    ...     answer = ended(Response("At six."))
    >>> answer.response, [event.event_type.value for event in debug.get_events()]
    ('At six.', ['query', 'query'])
    """
    must_be(str, "the question", question, "pass a text")
    if not is_heard(manager):
        yield lambda response: response
        return
    from llama_index.core.instrumentation.events.query import QueryEndEvent, QueryStartEvent

    _dispatcher().event(QueryStartEvent(query=question))
    with _traced(manager), query_step(manager, question) as step_ended:

        def ended(response: T) -> T:
            _dispatcher().event(QueryEndEvent(query=question, response=step_ended(response)))
            return response

        yield ended


@contextmanager
def synthesis(manager: CallbackManager | None, question: str, *, silent: bool) -> Iterator[Callable[[T], T]]:
    """Report that an answer is written and checked; ``silent`` if one of LlamaIndex's synthesizers reports it.

    >>> from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
    >>> debug = LlamaDebugHandler(print_trace_on_end=False)
    >>> with synthesis(CallbackManager([debug]), "When does it open?", silent=True) as ended:
    ...     answer = ended("At six.")
    >>> answer, debug.get_events()
    ('At six.', [])
    """
    if silent or not is_heard(manager):
        yield lambda response: response
        return
    from llama_index.core.instrumentation.events.synthesis import SynthesizeEndEvent, SynthesizeStartEvent

    _dispatcher().event(SynthesizeStartEvent(query=question))
    with _event(manager, "SYNTHESIZE", {"QUERY_STR": question}) as end:

        def ended(response: T) -> T:
            end({"RESPONSE": response})
            _dispatcher().event(SynthesizeEndEvent(query=question, response=response))
            return response

        yield ended


@contextmanager
def retrieval(
    manager: CallbackManager | None, question_words: _QuestionWords, *, silent: bool
) -> Iterator[Callable[[Callable[[], list[NodeWithScore]]], None]]:
    """Report a retrieval; ``silent`` if LlamaIndex's ``retrieve`` was called, which reports it.

    >>> from types import SimpleNamespace
    >>> from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
    >>> debug = LlamaDebugHandler(print_trace_on_end=False)
    >>> with retrieval(CallbackManager([debug]), SimpleNamespace(query_str="When?"), silent=False) as ended:
    ...     ended(lambda: [])
    >>> [(event.event_type.value, event.payload) for event in debug.get_events()]
    [('retrieve', {<EventPayload.QUERY_STR: 'query_str'>: 'When?'}), ('retrieve', {<EventPayload.NODES: 'nodes'>: []})]
    """
    if silent or not is_heard(manager):
        yield lambda make: None
        return
    from llama_index.core.instrumentation.events.retrieval import RetrievalEndEvent, RetrievalStartEvent
    from llama_index.core.schema import QueryBundle

    bundle = question_words if isinstance(question_words, QueryBundle) else QueryBundle(question_words.query_str)
    _dispatcher().event(RetrievalStartEvent(str_or_query_bundle=bundle))
    with _traced(manager), _event(manager, "RETRIEVE", {"QUERY_STR": bundle.query_str}) as end:

        def ended(make: Callable[[], list[NodeWithScore]]) -> None:
            nodes = make()
            end({"NODES": nodes})
            _dispatcher().event(RetrievalEndEvent(str_or_query_bundle=bundle, nodes=nodes))

        yield ended


def embedded(manager: CallbackManager | None, encoder: Encoder, texts: Sequence[str], *, query: bool) -> Encoded:
    """Encode texts and report it; a LlamaIndex embedding model reports it itself.

    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> encoder = SimpleNamespace(encode_queries=lambda texts: Encoded(np.eye(len(texts), 3, dtype=np.float32)))
    >>> embedded(None, encoder, ["When does it open?"], query=True).dense.shape  # nobody listens: nothing is reported
    (1, 3)
    """
    encode = encoder.encode_queries if query else encoder.encode_documents
    if not is_heard(manager):
        return encode(texts)
    from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent

    from indexes.encoders.from_embedding import EmbeddingModel

    if isinstance(getattr(encoder, "dense", None), EmbeddingModel):
        return encode(texts)
    model = {"model_name": encoder.fingerprint.model, "class_name": type(encoder).__name__, "dim": encoder.dim}
    _dispatcher().event(EmbeddingStartEvent(model_dict=model))
    with _event(manager, "EMBEDDING", {"SERIALIZED": model}) as end:
        encoded = encode(texts)
        vectors = encoded.dense.tolist()
        end({"CHUNKS": list(texts), "EMBEDDINGS": vectors})
    _dispatcher().event(EmbeddingEndEvent(chunks=list(texts), embeddings=vectors))
    return encoded


@contextmanager
def reranking(
    manager: CallbackManager | None, question: str, model: str, top_n: int, make: Callable[[], list[NodeWithScore]]
) -> Iterator[Callable[[Callable[[], list[NodeWithScore]]], None]]:
    """Report that nodes are reranked.

    >>> from llama_index.core.callbacks import CallbackManager, EventPayload, LlamaDebugHandler
    >>> debug = LlamaDebugHandler(print_trace_on_end=False)
    >>> with reranking(CallbackManager([debug]), "When?", "bge-reranker", 5, lambda: []) as ended:
    ...     ended(lambda: [])
    >>> debug.get_events()[0].payload[EventPayload.MODEL_NAME]
    'bge-reranker'

    Args:
        make: returns the nodes before; call the yielded function with a function that returns those after.
    """
    if not is_heard(manager):
        yield lambda make: None
        return
    from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent

    nodes = make()
    _dispatcher().event(ReRankStartEvent(query=question, nodes=nodes, top_n=top_n, model_name=model))
    payload = {"NODES": nodes, "MODEL_NAME": model, "QUERY_STR": question, "TOP_K": top_n}
    with _event(manager, "RERANKING", payload) as end:

        def ended(make: Callable[[], list[NodeWithScore]]) -> None:
            kept = make()
            end({"NODES": kept})
            _dispatcher().event(ReRankEndEvent(nodes=kept))

        yield ended


async def spanned(
    pieces: AsyncGenerator[T, None],
    instance: Any,
    name: str,
    question: str,
    result: Callable[[], Any],
    *,
    parent: str | None,
) -> AsyncGenerator[T, None]:
    """Pass a stream on inside its own span, which lasts until the stream ends or is closed.

    The span is active only while the stream works, not while its reader does.

    >>> import asyncio
    >>> async def pieces():
    ...     yield "at "
    ...     yield "six"
    >>> async def read():
    ...     return [piece async for piece in spanned(pieces(), object(), "tokens", "When?", lambda: None, parent=None)]
    >>> asyncio.run(read())
    ['at ', 'six']
    """
    if not _is_there():
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece
        return
    from llama_index_instrumentation.events.span import SpanDropEvent
    from llama_index_instrumentation.span import active_span_id

    dispatcher = _dispatcher()
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
