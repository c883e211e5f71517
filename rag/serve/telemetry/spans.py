"""OpenTelemetry traces of requests, with OpenInference's names; nothing happens until an SDK is installed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import context, propagate, trace

from rag.retrieval.candidate import Passage
from rag.retrieval.several import parted
from rag.serve.requests import Question
from rag.serve.wire import document_id, public_metadata
from rag.settings import Settings

KINDS = {"encode": "EMBEDDING", "search": "RETRIEVER", "rerank": "RERANKER", "hyde": "LLM", "answer": "LLM"}
CONTEXT_HEADERS = ("traceparent", "tracestate", "baggage")


class RequestSpan:
    """The span of one request, with a child for each stage."""

    def __init__(self, span: trace.Span, question: Question, settings: Settings) -> None:
        self._span, self._question, self._settings = span, question, settings
        self._content = settings.serve.trace_content
        self._started = time.time_ns()

    @property
    def recording(self) -> bool:
        """Whether anyone records the span."""
        return self._span.is_recording()

    def found(self, passages: Sequence[Passage]) -> None:
        """Record the passages as retrieval documents."""
        if self._span.is_recording():
            self._documents(self._span, "retrieval.documents", passages)

    def answered(self, metadata: Mapping[str, Any], text: str) -> None:
        """Record the answer's status, notes and tokens."""
        if not self._span.is_recording():
            return
        self._span.set_attribute("ragwright.status", str(metadata.get("status")))
        self._span.set_attribute("ragwright.notes", [str(note) for note in metadata.get("notes") or []])
        self._tokens(self._span, (metadata.get("trace") or {}).get("llm", {}))
        if self._content:
            self._span.set_attribute("output.value", text)

    def stages(
        self,
        timings_ms: Mapping[str, float],
        passages: Sequence[Passage] = (),
        llm: Mapping[str, Any] | None = None,
        candidates: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Record a child span for each stage of a trace with its milliseconds, in the order in which they ran.

        Args:
            candidates: the trace's candidates, which the reranker read.
        """
        if not self._span.is_recording():
            return
        parent, at = trace.set_span_in_context(self._span), self._started
        for stage, milliseconds in timings_ms.items():
            ends = at + int(milliseconds * 1e6)
            child = trace.get_tracer("ragwright").start_span(f"ragwright.{stage}", context=parent, start_time=at)
            kind = KINDS.get(stage, "CHAIN")
            child.set_attribute("openinference.span.kind", kind)
            if kind == "EMBEDDING":
                child.set_attribute("embedding.model_name", self._settings.encoder.model)
            elif kind == "RERANKER":
                child.set_attribute("reranker.model_name", self._settings.rerank.model)
                child.set_attribute("reranker.top_k", self._question.top_k or self._settings.retrieval.top_n)
                if self._content:
                    child.set_attribute("reranker.query", self._question.text)
                self._read(child, candidates)
                self._documents(child, "reranker.output_documents", passages)
            elif kind == "LLM":
                child.set_attribute("llm.model_name", self._settings.llm.model)
                if stage == "answer":
                    self._tokens(child, llm or {})
            child.end(end_time=ends)
            at = ends

    def _read(self, span: trace.Span, candidates: Sequence[Mapping[str, Any]]) -> None:
        """Record what the reranker read, in the order of the fused score."""
        rows = [row for row in candidates if row.get("rerank_score") is not None]
        for place, row in enumerate(sorted(rows, key=lambda row: -float(row.get("fused_score") or 0.0))):
            name = f"reranker.input_documents.{place}.document"
            span.set_attribute(f"{name}.id", parted(str(row.get("id")))[1])
            span.set_attribute(f"{name}.score", float(row.get("fused_score") or 0.0))
            if self._content:
                span.set_attribute(f"{name}.content", str(row.get("text") or ""))

    def _documents(self, span: trace.Span, prefix: str, passages: Sequence[Passage]) -> None:
        for place, passage in enumerate(passages):
            name = f"{prefix}.{place}.document"
            record = passage.sentences[0]
            span.set_attribute(f"{name}.id", document_id(parted(record.doc_id)[1]))
            span.set_attribute(f"{name}.score", float(passage.score))
            if self._content:
                metadata = public_metadata(record.metadata, parted(record.doc_id)[1])
                span.set_attribute(f"{name}.content", passage.text)
                span.set_attribute(f"{name}.metadata", json.dumps(metadata, ensure_ascii=False, default=str))

    @staticmethod
    def _tokens(span: trace.Span, llm: Mapping[str, Any]) -> None:
        counts = {name: llm.get(f"{name}_tokens") for name in ("prompt", "completion")}
        for name, count in counts.items():
            if count is not None:
                span.set_attribute(f"llm.token_count.{name}", int(count))
        if all(count is not None for count in counts.values()):
            span.set_attribute("llm.token_count.total", sum(int(count or 0) for count in counts.values()))


@contextmanager
def request_span(route: str, question: Question, settings: Settings) -> Iterator[RequestSpan]:
    """Open the span of a question at a door, a child of the client's ``traceparent``.

    It is not a "current" span: an answer is an asynchronous generator, whose steps may run in different contexts.

    >>> with request_span("search", Question("guide", "When?"), Settings()) as span:
    ...     span.recording  # no exporter is configured
    False
    """
    span = trace.get_tracer("ragwright").start_span(f"ragwright.{route}")
    if span.is_recording():
        span.set_attribute("openinference.span.kind", "RETRIEVER" if route in ("dify", "search") else "CHAIN")
        span.set_attribute("embedding.model_name", settings.encoder.model)
        for name, value in (("user.id", question.user), ("session.id", question.session)):
            if value:
                span.set_attribute(name, value)
        if settings.serve.trace_content:
            span.set_attribute("input.value", question.text)
    try:
        yield RequestSpan(span, question, settings)
    except Exception as error:
        span.set_status(trace.Status(trace.StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        span.end()


@contextmanager
def continued(headers: dict[str, str]) -> Iterator[None]:
    """Continue the trace of a request's ``traceparent``.

    >>> with continued({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}):
    ...     f"{trace.get_current_span().get_span_context().trace_id:x}"
    'af7651916cd43dd8448eb211c80319c'
    """
    given = {name: headers[name] for name in CONTEXT_HEADERS if name in headers}
    if not given:
        yield
        return
    token = context.attach(propagate.extract(given))
    try:
        yield
    finally:
        context.detach(token)
