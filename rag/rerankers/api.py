"""Remote rerankers in the shape that vLLM, Jina, Cohere, TEI-compatible gateways and others share.

``POST /rerank`` {model, query, documents, top_n} -> {results: [{index, relevance_score, document?}]}
(https://docs.vllm.ai, "Re-rank API"; https://jina.ai/reranker). Results come best first and are put back in order by
``index``; ``document`` may be missing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from llama_index.core.bridge.pydantic import PrivateAttr

from indexes.errors import RerankerError
from indexes.http import http_client
from indexes.json_server import JsonServer
from rag.rerankers.base import Reranker, RerankScores, empty_scores, fingerprint_of, sigmoid
from rag.rerankers.yes_no import PREFIX, SUFFIX, document_text, question_text
from rag.settings import RerankSettings

ATTEMPTS = 3
LONGEST_PAUSE = 10.0  # seconds; a server that asks for more is reported instead of waited for


class ApiReranker(Reranker):
    """A reranker behind HTTP.

    Args:
        url: the whole address that is posted to.
        templated: write Qwen3-Reranker's template around questions and documents, for a server that writes none.
        instruction: of the template.
    """

    url: str
    instruction: str = ""
    templated: bool = False

    _server: JsonServer = PrivateAttr()

    def __init__(self, server: JsonServer, **fields: Any) -> None:
        super().__init__(**fields)
        self._server = server

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.url, self.model, *((self.instruction, "template") if self.templated else ()))

    def close(self) -> None:
        """Close the connections. A later call opens none: build a new reranker."""
        self._server.close()

    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        """``raw`` is the server's relevance_score. It is the probability too where all of them are in [0, 1] (vLLM,
        Jina, Cohere); where the server sends logits, the probability is their sigmoid."""
        if not texts:
            return empty_scores()
        documents = list(texts)
        if self.templated:
            query = PREFIX + question_text(query, self.instruction)
            documents = [document_text(text) + SUFFIX for text in texts]
        body = {"model": self.model, "query": query, "documents": documents, "top_n": len(texts)}
        raw = _scores(self._server.post(self.url, body), len(texts), self.url)
        in_range = bool(((raw >= 0) & (raw <= 1)).all())
        return RerankScores(raw, raw.copy() if in_range else sigmoid(raw))


def connect_reranker(settings: RerankSettings, environ: Mapping[str, str] = os.environ) -> ApiReranker:
    """A client for ``settings.base_url``; nothing is sent until the first question.

    Raises:
        RerankerError: no base_url.
    """
    if not settings.base_url:
        raise RerankerError(
            "rerank.provider is 'api' but rerank.base_url is not set",
            remedy="set it, for example to http://127.0.0.1:8000/v1",
        )
    url = rerank_url(settings.base_url)
    server = JsonServer(
        http_client(url, settings.timeout, environ.get(settings.api_key_env)),
        f"the reranker '{settings.model}' at {url}",
        section="rerank",
        error=RerankerError,
        start="start the server, correct rerank.base_url, or set rerank.provider = 'none'",
        key_env=settings.api_key_env,
        remedies={
            408: "raise rerank.timeout or lower rerank.depth",
            413: "lower rerank.depth",
            422: "check rerank.model and that the passages fit the model",
            429: "wait, or lower the number of questions a minute",
        },
        tries=ATTEMPTS,
        patience=LONGEST_PAUSE,
        parallel=settings.parallel,
    )
    return ApiReranker(
        server,
        model=settings.model,
        url=url,
        read=settings.read,
        parallel=settings.parallel,
        instruction=settings.instruction,
        templated=settings.template == "qwen3",
    )


def rerank_url(base_url: str) -> str:
    """The address to post to: as given where it ends in /rerank, else with /rerank behind it (host, /v1 and /v2)."""
    base = base_url.strip().rstrip("/")
    return base if base.endswith("/rerank") else f"{base}/rerank"


def _scores(answer: Any, expected: int, url: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The relevance scores in the order of the documents."""
    results = answer.get("results") if isinstance(answer, dict) else None
    raw = np.full(expected, np.nan, np.float32)
    try:
        for result in results or []:
            index = int(result["index"])
            if not 0 <= index < expected:
                raise IndexError(index)
            raw[index] = float(result["relevance_score"])
    except (KeyError, TypeError, ValueError, IndexError) as exc:
        raise RerankerError(
            f"{url} answered with a result that has no usable index and relevance_score",
            remedy="check that the server has the vLLM / Jina / Cohere rerank shape",
        ) from exc
    missing = int((~np.isfinite(raw)).sum())
    if missing:
        raise RerankerError(
            f"{url} gave no score for {missing} of {expected} documents",
            remedy="check the server's own limit on documents, and lower rerank.depth",
        )
    return raw
