"""Prometheus metrics of the server. Labels come from fixed words and the list of collections, never from a request."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
FIRST_TOKEN = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
STAGES = frozenset(
    {"queue", "hyde", "encode", "search", "fuse", "windows", "rerank", "prompt", "answer", "cite", "route", "check"}
)
OTHER = "other"
FAILURES = {
    "LLMUnreachableError": "unreachable",
    "LLMTimeoutError": "timeout",
    "LLMModelNotFoundError": "not_found",
}


class Metrics:
    """All series of one application, in their own registry.

    >>> Metrics().label("unknown collection")
    'other'
    """

    def __init__(self) -> None:
        disable_created_metrics()
        self.registry = CollectorRegistry()
        made: Any = {"registry": self.registry}
        self.build_info = Gauge(
            "ragwright_build_info", "Version and models.", ["version", "encoder", "reranker", "llm"], **made
        )
        self.model_load = Gauge("ragwright_model_load_seconds", "Seconds that a model took to load.", ["role"], **made)
        self.requests = Counter(
            "ragwright_requests", "Requests answered.", ["route", "collection", "status", "code"], **made
        )
        self.duration = Histogram(
            "ragwright_request_duration_seconds",
            "Seconds from request to last byte.",
            ["route", "collection"],
            buckets=SECONDS,
            **made,
        )
        self.first_token = Histogram(
            "ragwright_time_to_first_token_seconds",
            "Seconds from request to the first word of an answer.",
            ["collection"],
            buckets=FIRST_TOKEN,
            **made,
        )
        self.stage = Histogram(
            "ragwright_stage_duration_seconds",
            "Seconds of one stage of a question.",
            ["stage", "collection"],
            buckets=SECONDS,
            **made,
        )
        self.running = Gauge("ragwright_requests_running", "Running pieces of work.", ["pool"], **made)
        self.waiting = Gauge("ragwright_requests_waiting", "Waiting pieces of work.", ["pool"], **made)
        self.rejected = Counter("ragwright_rejected", "Refused requests.", ["reason"], **made)
        self.cancelled = Counter("ragwright_cancelled", "Requests whose client left.", ["route"], **made)
        self.batch = Histogram("ragwright_encode_batch_size", "Questions in one forward pass.", buckets=BATCHES, **made)
        self.prompt_tokens = Counter("ragwright_prompt_tokens", "Tokens read by the LLM.", ["model"], **made)
        self.generated_tokens = Counter("ragwright_generation_tokens", "Tokens written by the LLM.", ["model"], **made)
        self.llm_errors = Counter("ragwright_llm_errors", "Failures of the LLM's server.", ["kind"], **made)
        self.sentences = Counter("ragwright_sentences", "Answer sentences by the check's verdict.", ["status"], **made)
        self.removed = Counter("ragwright_citations_removed", "Invented citations removed from answers.", **made)
        self.notes = Counter("ragwright_notes", "Degradations, by kind.", ["kind"], **made)
        self.documents = Gauge("ragwright_collection_documents", "Documents of a collection.", ["collection"], **made)
        self.stored = Gauge("ragwright_collection_sentences", "Sentences of a collection.", ["collection"], **made)
        self.ingested = Counter("ragwright_ingest_documents", "Documents of ingest jobs.", ["outcome"], **made)
        self.jobs = Gauge("ragwright_ingest_jobs", "Ingest jobs, by state.", ["state"], **made)
        self._collections: frozenset[str] = frozenset()

    def know(self, collections: frozenset[str]) -> None:
        """Set the collections that may be used in labels."""
        self._collections = collections

    def label(self, collection: str | None) -> str:
        """Return a collection's label; unknown ones share one."""
        return collection if collection is not None and collection in self._collections else OTHER

    def built(self, encoder: str, reranker: str, llm: str) -> None:
        """Record the models in use."""
        self.build_info.labels(package_version(), encoder, reranker, llm).set(1)

    def stages(self, timings_ms: Mapping[str, float], collection: str | None) -> None:
        """Record a trace's stages."""
        for stage, milliseconds in timings_ms.items():
            if stage in STAGES:
                self.stage.labels(stage, self.label(collection)).observe(milliseconds / 1000)

    def answer(self, metadata: Mapping[str, object], model: str) -> None:
        """Record an answer's sentences, tokens and notes."""
        for sentence in metadata.get("sentences") or []:  # type: ignore[attr-defined]
            self.sentences.labels(str(sentence.get("status", OTHER))).inc()
        trace = metadata.get("trace")
        llm = trace.get("llm", {}) if isinstance(trace, dict) else {}
        self.prompt_tokens.labels(model).inc(float(llm.get("prompt_tokens") or 0))
        self.generated_tokens.labels(model).inc(float(llm.get("completion_tokens") or 0))
        if failure := llm.get("failure"):
            self.llm_errors.labels(FAILURES.get(str(failure), OTHER)).inc()
        kinds: Any = metadata.get("note_kinds") or []
        notes: Any = metadata.get("notes") or []
        for kind, note in zip(kinds, notes, strict=False):
            self.notes.labels(str(kind)).inc()
            if kind == "citation_removed":
                self.removed.inc(max(1, str(note).count("[")))  # the note lists each as it was written

    def page(self, accept: str | None) -> tuple[bytes, str]:
        """Return the metrics as text, and their content type."""
        encoder, content_type = choose_encoder(accept or "")
        return encoder(self.registry), content_type


def package_version() -> str:
    """Return the version of ragwright; "0" if it is not installed."""
    try:
        return version("ragwright")
    except PackageNotFoundError:
        return "0"
