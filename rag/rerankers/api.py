"""Remote rerankers that speak the rerank API of vLLM, Jina, Cohere and TEI-compatible gateways.

``POST /rerank`` {model, query, documents, top_n} -> {results: [{index, relevance_score, document?}]}
(https://docs.vllm.ai, "Re-rank API"; https://jina.ai/reranker). Results arrive best first and are put back in the
documents' order by ``index``; ``document`` may be missing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from llama_index.core.bridge.pydantic import PrivateAttr

from indexes.display import counted
from indexes.errors import RerankerError
from indexes.http import http_client
from indexes.json_server import JsonServer
from rag.rerankers.base import Reranker, RerankScores, empty_scores, fingerprint_of, sigmoid
from rag.rerankers.yes_no import PREFIX, SUFFIX, document_text, question_text
from rag.settings import RerankSettings

ATTEMPTS = 3
LONGEST_PAUSE = 10.0  # seconds; a server that asks for a longer pause is reported as busy


class ApiReranker(Reranker):
    """A reranker behind HTTP; build one with ``connect_reranker``.

    >>> class Server:  # in the place of a JsonServer
    ...     def post(self, url, body):
    ...         return {"results": [{"index": 0, "relevance_score": 0.25}, {"index": 1, "relevance_score": 0.75}]}
    >>> reranker = ApiReranker(Server(), url="http://127.0.0.1:8000/v1/rerank", model="bge-reranker")
    >>> reranker.score("When does the harbour open?", ["Fees are due in May.", "It opens at 6."]).probability.tolist()
    [0.25, 0.75]

    Args:
        url: full address of the endpoint.
        templated: whether to wrap questions and documents in Qwen3-Reranker's template, for servers that do not.
        instruction: the template's instruction.
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
        """Close the connections; the reranker cannot be used afterwards."""
        self._server.close()

    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        """Return the server's relevance scores as ``raw``. They are the probabilities too if all lie in [0, 1] (vLLM,
        Jina, Cohere); if the server sends logits, the probability is their sigmoid."""
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
    """Return a client for ``settings.base_url``; nothing is sent before the first question.

    >>> connect_reranker(RerankSettings(provider="api", model="bge", base_url="http://127.0.0.1:8000")).url
    'http://127.0.0.1:8000/rerank'

    Raises:
        RerankerError: base_url is not set.
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
            429: "wait, or send fewer questions per minute",
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
    """Return the address to post to: the base address, with /rerank appended if it does not end in it.

    >>> rerank_url("http://127.0.0.1:8000/v1/")
    'http://127.0.0.1:8000/v1/rerank'
    """
    base = base_url.strip().rstrip("/")
    return base if base.endswith("/rerank") else f"{base}/rerank"


def _scores(answer: Any, expected: int, url: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the relevance scores in the order of the documents."""
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
            remedy="check that the server speaks the rerank API of vLLM, Jina or Cohere",
        ) from exc
    missing = int((~np.isfinite(raw)).sum())
    if missing:
        raise RerankerError(
            f"{url} returned no score for {missing} of {counted(expected, 'document')}",
            remedy="check the server's limit on documents per request, and lower rerank.depth",
        )
    return raw
