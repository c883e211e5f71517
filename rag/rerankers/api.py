"""Remote rerankers in the shape that vLLM, Jina, Cohere, TEI-compatible gateways and others share.

``POST /rerank`` {model, query, documents, top_n} -> {results: [{index, relevance_score, document?}]}
(https://docs.vllm.ai, "Re-rank API"; https://jina.ai/reranker). Results come best first and are put back in order by
``index``; ``document`` may be missing.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import numpy as np
from llama_index.core.bridge.pydantic import PrivateAttr

from indexes.errors import RerankerError
from indexes.http import http_client
from rag.rerankers.base import Reranker, RerankScores, empty_scores, sigmoid
from rag.settings import RerankSettings

RETRIED = (429, 502, 503, 504)
ATTEMPTS = 3
LONGEST_PAUSE = 10.0  # seconds; a server that asks for more is reported instead of waited for


class ApiReranker(Reranker):
    """A reranker behind HTTP.

    Args:
        model: the name that the server knows.
        url: the whole address that is posted to.
    """

    model: str
    url: str

    _client: httpx.Client = PrivateAttr()
    _key_env: str = PrivateAttr()

    def __init__(self, client: httpx.Client, key_env: str, **fields: Any) -> None:
        super().__init__(**fields)
        self._client = client
        self._key_env = key_env

    @property
    def name(self) -> str:
        return self.model

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.url}|{self.model}".encode()).hexdigest()[:16]

    def close(self) -> None:
        """Close the connections. A later call opens none: build a new reranker."""
        self._client.close()

    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        """``raw`` is the server's relevance_score. It is the probability too where all of them are in [0, 1] (vLLM,
        Jina, Cohere); where the server sends logits, the probability is their sigmoid."""
        if not texts:
            return empty_scores()
        body = {"model": self.model, "query": query, "documents": list(texts), "top_n": len(texts)}
        raw = _scores(self._post(body), len(texts), self.url)
        in_range = bool(((raw >= 0) & (raw <= 1)).all())
        return RerankScores(raw, raw.copy() if in_range else sigmoid(raw))

    def _post(self, body: Mapping[str, Any]) -> Any:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = self._client.post(self.url, json=body)
            except httpx.ConnectTimeout as exc:
                raise self._unreachable("no answer to the connection attempt") from exc
            except httpx.TimeoutException as exc:
                raise RerankerError(
                    f"the reranker at {self.url} was slower than {self._client.timeout.read:g} s",
                    remedy="raise rerank.timeout or lower rerank.depth",
                ) from exc
            except (httpx.HTTPError, httpx.InvalidURL) as exc:
                raise self._unreachable(str(exc) or type(exc).__name__) from exc
            pause = _pause(response, attempt)
            if response.status_code not in RETRIED or attempt == ATTEMPTS or pause > LONGEST_PAUSE:
                break
            time.sleep(pause)
        if response.status_code != 200:
            raise self._refused(response)
        try:
            return response.json()
        except ValueError as exc:
            raise RerankerError(
                f"{self.url} answered with something else than JSON", remedy="check rerank.base_url"
            ) from exc

    def _unreachable(self, why: str) -> RerankerError:
        return RerankerError(
            f"the reranker at {self.url} cannot be reached ({why})",
            remedy="start the server, correct rerank.base_url, or set rerank.provider = 'none'",
        )

    def _refused(self, response: httpx.Response) -> RerankerError:
        remedies = {
            401: f"put the server's key into the environment variable {self._key_env}",
            403: f"check the key in the environment variable {self._key_env}",
            404: "check rerank.base_url (with its /v1 or /v2, if the server has one) and rerank.model",
            413: "lower rerank.depth",
            422: "check rerank.model and that the passages fit the model",
            429: "wait, or lower the number of questions a minute",
        }
        fallback = "see the server's log" if response.status_code >= 500 else "check rerank.model and rerank.base_url"
        return RerankerError(
            f"the reranker '{self.model}' at {self.url} answered {response.status_code} ({_message(response)})",
            remedy=remedies.get(response.status_code, fallback),
        )


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
    return ApiReranker(
        http_client(url, settings.timeout, environ.get(settings.api_key_env)),
        settings.api_key_env,
        model=settings.model,
        url=url,
        read=settings.read,
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
    missing = int(np.isnan(raw).sum())
    if missing:
        raise RerankerError(
            f"{url} gave no score for {missing} of {expected} documents",
            remedy="check the server's own limit on documents, and lower rerank.depth",
        )
    return raw


def _pause(response: httpx.Response, attempt: int) -> float:
    """Seconds to wait: what Retry-After says, else 0.5, 1, ..."""
    try:
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):
        return 0.5 * 2 ** (attempt - 1)


def _message(response: httpx.Response) -> str:
    """The server's own words, whichever of the usual shapes they have."""
    try:
        content = response.json()
    except ValueError:
        return response.text.strip()[:200] or response.reason_phrase
    for key in ("error", "message", "detail"):
        value = content.get(key) if isinstance(content, dict) else None
        if isinstance(value, dict):
            value = value.get("message")
        if value:
            return str(value)[:200]
    return str(content)[:200]
