"""The backend of the MCP tools over a running server: every call goes to its JSON API."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from indexes.display import counted
from rag.serve.errors import Problem

JOB_LOOKS = 600  # twice a second: five minutes


class RemoteBackend:
    """A ``Backend`` over ``/api/v1``.

    Args:
        base: the server's address.
        token: the key to send; "" sends none.
    """

    def __init__(self, base: str, *, token: str) -> None:
        self.base, self.token = base.rstrip("/"), token

    async def search(self, body: dict[str, Any]) -> dict[str, Any]:
        return await self._call("POST", "/search", json=body)

    async def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        return await self._call("POST", "/ask", json=body)

    async def collections(self) -> list[dict[str, Any]]:
        return list((await self._call("GET", "/collections"))["collections"])

    async def documents(self, collection: str, name: str, offset: int, limit: int) -> dict[str, Any]:
        parameters = {"name": name, "offset": offset, "limit": limit}
        return await self._call("GET", f"/collections/{_part(collection)}/documents", params=parameters)

    async def window(self, collection: str, sentence: str, before: int, after: int) -> list[dict[str, Any]]:
        path = f"/collections/{_part(collection)}/sentences/{_part(sentence)}/window"
        rows = (await self._call("GET", path, params={"window": max(before, after)}))["sentences"]
        place = next((i for i, row in enumerate(rows) if row["id"] == sentence), 0)
        return list(rows[max(0, place - before) : place + after + 1])

    async def add_text(self, collection: str, title: str, text: str) -> str:
        files = {"files": (f"{title}.md", text.encode("utf-8"), "text/markdown")}
        job = await self._call("POST", f"/collections/{_part(collection)}/documents", files=files)
        done = await self._wait(str(job["job"]))
        rows = ", ".join(f"{row['name']}: {row['status']}" for row in done["files"])
        return f"{done['state']}: {rows or done['message']}"

    async def delete_document(self, collection: str, document: str) -> str:
        job = await self._call("DELETE", f"/collections/{_part(collection)}/documents/{_part(document)}")
        done = await self._wait(str(job["job"]))
        return f"{done['state']}: {counted(sum(row.get('sentences', 0) for row in done['files']), 'sentence')} deleted"

    async def _wait(self, job: str) -> dict[str, Any]:
        for _ in range(JOB_LOOKS):
            found = await self._call("GET", f"/jobs/{_part(job)}")
            if found["state"] in ("done", "failed", "cancelled"):
                return found
            await asyncio.sleep(0.5)
        raise Problem("deadline", f"job {job} is not done yet", "check it later")

    def _client(self) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.AsyncClient(base_url=self.base, headers=headers, timeout=310, trust_env=False)

    async def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            async with self._client() as client:
                response = await client.request(method, f"/api/v1{path}", **options)
        except httpx.HTTPError as error:
            raise Problem(
                "internal", f"the server at {self.base} did not answer: {error}", "start 'rag serve'"
            ) from None
        body: Any = response.json() if response.content else {}
        if response.status_code >= 400:
            fault = body.get("error", {}) if isinstance(body, dict) else {}
            message = str(fault.get("message", response.status_code))
            raise Problem(fault.get("code", "internal"), message, str(fault.get("remedy", "")))
        return body  # type: ignore[no-any-return]


def _part(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
