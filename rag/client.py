"""Client: a small Python client of a running ``rag serve``.

>>> from rag.client import Client  # doctest: +SKIP
>>> print(Client().ask("How long is the notice period?")["answer"])  # doctest: +SKIP
Notice is three months. [1]
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from indexes.errors import RagWrightError
from indexes.http import http_client

DEFAULT = "http://127.0.0.1:8321"


class ServerError(RagWrightError):
    """The server refused a request or failed.

    >>> print(ServerError("the server is not ready", remedy="try again in a few seconds", code="loading"))
    the server is not ready; try again in a few seconds

    Args:
        code: the fixed word of the error.
        status: the HTTP status.
    """

    def __init__(self, what: str, *, remedy: str = "", code: str = "internal", status: int = 500) -> None:
        super().__init__(what, remedy=remedy)
        self.code, self.status = code, status


class Client:
    """A client of a running server.

    >>> Client("http://127.0.0.1:8321/").url  # nothing is sent before the first call
    'http://127.0.0.1:8321'

    Args:
        url: address that ``rag serve`` printed.
        key: key made by ``rag key new``; None for a server without keys.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, url: str = DEFAULT, *, key: str | None = None, timeout: float = 310.0) -> None:
        self.url = url.rstrip("/")
        self._http = http_client(f"{self.url}/api/v1", timeout, key)

    def ready(self) -> None:
        """Check that the server can answer now.

        Raises:
            ServerError: it does not answer, or is loading.
        """
        try:
            response = self._http.get(str(self._http.base_url.copy_with(path="/readyz")), timeout=2.0)
        except httpx.HTTPError as error:
            raise ServerError(f"the server did not answer: {error}", remedy="start 'rag serve'") from error
        if response.status_code != 200:
            raise ServerError("the server is not ready", remedy="try again in a few seconds", code="loading")

    def collections(self) -> list[dict[str, Any]]:
        """Return the collections that the key may read, with their counts."""
        return list(self._call("GET", "/collections")["collections"])

    def documents(self, collection: str, *, name: str = "", offset: int = 0, limit: int = 50) -> dict[str, Any]:
        """Return documents whose name contains ``name``: {"documents", "total", "offset"}."""
        params = {"name": name, "offset": offset, "limit": limit}
        return self._call("GET", f"/collections/{quote(collection, safe='')}/documents", params=params)

    def search(self, question: str, collection: str | None = None, **options: Any) -> dict[str, Any]:
        """Search passages for a question; options: filters, top_k, window, rerank, hyde, fusion, trace."""
        return self._call("POST", "/search", json=_body(question, collection, options))

    def search_all(
        self, questions: Sequence[str], collection: str | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """Search passages for at most 64 questions in one request; return what ``search`` returns for each."""
        body = _body("", collection, options) | {"questions": list(questions)}
        del body["question"]
        return list(self._call("POST", "/search", json=body)["results"])

    def ask(self, question: str, collection: str | None = None, **options: Any) -> dict[str, Any]:
        """Return the whole answer: {"answer", "status", "citations", "notes", "passages", ...}."""
        return self._call("POST", "/ask", json=_body(question, collection, options))

    def stream(
        self, question: str, collection: str | None = None, **options: Any
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the answer as (event, data): "status", "sources", "token", "done".

        Raises:
            ServerError: the server refused the question, or failed midway.
        """
        headers = {"accept": "text/event-stream"}
        body = _body(question, collection, options)
        with self._http.stream("POST", "/ask", json=body, headers=headers) as response:
            if response.status_code >= 400:
                response.read()
                raise _error(response)
            event = ""
            for line in response.iter_lines():
                if line.startswith("event: "):
                    event = line[7:]
                elif line.startswith("data: "):
                    data = json.loads(line[6:])
                    if event == "error":
                        error = data.get("error", {})
                        raise ServerError(
                            str(error.get("message")), remedy=str(error.get("remedy")), code=str(error.get("code"))
                        )
                    yield event, data

    def upload(self, collection: str, files: dict[str, bytes]) -> str:
        """Upload files (name -> content) to be ingested; return the job's id for ``job``."""
        parts = [("files", (name, content)) for name, content in files.items()]
        return str(self._call("POST", f"/collections/{quote(collection, safe='')}/documents", files=parts)["job"])

    def ingest(self, collection: str, paths: list[str], *, prune: bool = False) -> str:
        """Ingest paths of the server's machine; return the job's id. Only for the account that started the server."""
        body = {"paths": paths, "prune": prune}
        return str(self._call("POST", f"/collections/{quote(collection, safe='')}/ingest", json=body)["job"])

    def places(self, collection: str) -> list[dict[str, Any]]:
        """Return documents with their ids and files: doc_id, source, title, sentences, path. For the same account."""
        return list(self._call("GET", f"/collections/{quote(collection, safe='')}/places")["documents"])

    def delete(self, collection: str, doc_ids: list[str]) -> str:
        """Delete documents by their ids; return the job's id. For the same account."""
        body = {"doc_ids": doc_ids}
        return str(self._call("POST", f"/collections/{quote(collection, safe='')}/delete", json=body)["job"])

    def optimize(self, collection: str, *, force: bool = False) -> str:
        """Build a collection's graph; return the job's id. For the same account."""
        body = {"force": force}
        return str(self._call("POST", f"/collections/{quote(collection, safe='')}/optimize", json=body)["job"])

    def cancel(self, identity: str) -> dict[str, Any]:
        """Stop a job after the current document."""
        return self._call("DELETE", f"/jobs/{quote(identity, safe='')}")

    def job(self, identity: str) -> dict[str, Any]:
        """Return the state, counts and files of a job."""
        return self._call("GET", f"/jobs/{quote(identity, safe='')}")

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise ServerError(
                f"the server at {self._http.base_url.host}:{self._http.base_url.port} did not answer: {error}",
                remedy="start 'rag serve'",
                code="unreachable",
            ) from error
        if response.status_code >= 400:
            raise _error(response)
        found: dict[str, Any] = response.json()
        return found


def _body(question: str, collection: str | None, options: dict[str, Any]) -> dict[str, Any]:
    return {"question": question, **({"collection": collection} if collection else {}), **options}


def _error(response: httpx.Response) -> ServerError:
    try:
        error = response.json()["error"]
        return ServerError(
            str(error["message"]),
            remedy=str(error.get("remedy") or "see the server's log"),
            code=str(error["code"]),
            status=response.status_code,
        )
    except (ValueError, KeyError, TypeError):
        return ServerError(f"the server answered {response.status_code}", remedy="see its log")
