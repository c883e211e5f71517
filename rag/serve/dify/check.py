"""``rag serve --check dify``: send Dify's requests to the running server, a line per case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from indexes.display import counted
from indexes.errors import StoreError
from indexes.http import http_client
from rag.serve.address import read_address
from rag.settings import Settings

SECONDS = 5.0  # how long Dify's client waits
PROBE = {"knowledge_id": "", "query": "", "retrieval_setting": {"top_k": 1, "score_threshold": 0.0}}


@dataclass(frozen=True, slots=True)
class Case:
    """A request of Dify's, and the expected answer.

    >>> Case("an empty question", {"query": ""}, 200, records=True).path
    '/retrieval'

    Args:
        body: JSON body; None sends none.
        status: expected HTTP status.
        records: whether records are expected.
        key: whether the right key is sent.
    """

    name: str
    body: Any
    status: int
    records: bool = False
    key: bool = True
    path: str = "/retrieval"


def cases(collection: str, question: str) -> list[Case]:
    """Return Dify's requests: at registration, in a workflow, in its hit test.

    >>> [case.status for case in cases("handbook", "What is this about?")]
    [200, 400, 200, 200, 200, 200, 200, 200, 404, 403]
    """
    probe = {"knowledge_id": collection, "query": question, "retrieval_setting": {"top_k": 3, "score_threshold": None}}
    rows = [{"name": "title", "comparison_operator": "\u2260", "value": "none has this title"}]
    return [
        Case("registration, new versions", PROBE, 200, records=True),
        Case("registration, old versions (no body)", None, 400),
        Case("registration, double slash", PROBE, 200, records=True, path="//retrieval"),
        Case("a question", probe, 200, records=True),
        Case("a question, metadata_condition null", probe | {"metadata_condition": None}, 200, records=True),
        Case("a condition (≠)", probe | {"metadata_condition": {"conditions": rows}}, 200, records=True),
        Case("an empty question", probe | {"query": ""}, 200, records=True),
        Case(
            "a threshold of 1", probe | {"retrieval_setting": {"top_k": 3, "score_threshold": 1.0}}, 200, records=True
        ),
        Case("an unknown knowledge base", probe | {"knowledge_id": "no-such-collection"}, 404),
        Case("a wrong key", PROBE, 403, key=False),
    ]


def check_dify(settings: Settings, *, question: str = "what is this about") -> dict[str, Any]:
    """Check the running server of this store: {"url", "cases", "ok"}, each case {"case", "ok", "answer"}.

    Raises:
        StoreError: no server of this store is running.
    """
    address = read_address(settings.store)
    if address is None:
        raise StoreError("no server of this store is running", remedy="start 'rag serve' in another terminal")
    results = [run_case(address.url, address.token, case) for case in cases(settings.collection, question)]
    return {"url": address.url, "cases": results, "ok": all(row["ok"] for row in results)}


def run_case(url: str, token: str, case: Case) -> dict[str, Any]:
    """Run one case: {"case", "ok", "answer"}."""
    headers = {"content-type": "application/json"}
    try:
        with http_client(url, SECONDS, token if case.key else "wrong") as client:
            # The full address: joined with the client's base, "//retrieval" would lose a slash.
            response = client.post(f"{url}{case.path}", headers=headers, json=case.body)
        found = response.json()
    except (httpx.HTTPError, ValueError) as error:
        return {"case": case.name, "ok": False, "answer": f"{type(error).__name__}: {error}"}
    ok = response.status_code == case.status
    if not case.key and response.status_code == 200:
        return {"case": case.name, "ok": True, "answer": "200 (the server needs no key)"}
    if case.records:
        rows = found.get("records")
        ok = ok and isinstance(rows, list) and all(isinstance(row.get("metadata"), dict) for row in rows)
        said = counted(len(rows), "record") if isinstance(rows, list) else found.get("error_msg", "no records")
        answer = f"{response.status_code}, {said}"
    else:
        ok = ok and set(found) == {"error_code", "error_msg"}
        answer = f"{response.status_code}, {found.get('error_msg', found)}"
    return {"case": case.name, "ok": ok, "answer": answer}
