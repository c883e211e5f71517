"""Traces of requests in OpenTelemetry, in OpenInference's names; nothing happens until an SDK is installed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import propagate, trace

from rag.retrieval.candidate import Passage
from rag.serve.requests import Question
from rag.serve.wire import document_id, public_metadata
from rag.settings import Settings


class RequestSpan:
    """What is written into the span of one request."""

    def __init__(self, span: trace.Span, content: bool) -> None:
        self._span, self._content = span, content

    def found(self, passages: Sequence[Passage]) -> None:
        """The passages, as retrieval documents."""
        if not self._span.is_recording():
            return
        for place, passage in enumerate(passages):
            name = f"retrieval.documents.{place}.document"
            record = passage.sentences[0]
            self._span.set_attribute(f"{name}.id", document_id(record.doc_id))
            self._span.set_attribute(f"{name}.score", float(passage.score))
            if self._content:
                metadata = public_metadata(record.metadata, record.doc_id)
                self._span.set_attribute(f"{name}.content", passage.text)
                self._span.set_attribute(f"{name}.metadata", json.dumps(metadata, ensure_ascii=False, default=str))

    def answered(self, metadata: dict[str, Any], text: str) -> None:
        """The answer: its status, notes and tokens."""
        if not self._span.is_recording():
            return
        llm = (metadata.get("trace") or {}).get("llm", {})
        self._span.set_attribute("ragwright.status", str(metadata.get("status")))
        self._span.set_attribute("ragwright.notes", [str(note) for note in metadata.get("notes") or []])
        for name, key in (("prompt", "prompt_tokens"), ("completion", "completion_tokens")):
            if llm.get(key) is not None:
                self._span.set_attribute(f"llm.token_count.{name}", int(llm[key]))
        if self._content:
            self._span.set_attribute("output.value", text)


@contextmanager
def request_span(route: str, question: Question, settings: Settings) -> Iterator[RequestSpan]:
    """A span for one question at one door."""
    content = settings.serve.trace_content
    with trace.get_tracer("ragwright").start_as_current_span(f"ragwright.{route}") as span:
        if span.is_recording():
            kind = "RETRIEVER" if route in ("dify", "search") else "CHAIN"
            span.set_attribute("openinference.span.kind", kind)
            span.set_attribute("embedding.model_name", settings.encoder.model)
            if content:
                span.set_attribute("input.value", question.text)
        yield RequestSpan(span, content)


def continued(headers: dict[str, str]) -> Any:
    """The context of an incoming ``traceparent``."""
    return propagate.extract(headers)
