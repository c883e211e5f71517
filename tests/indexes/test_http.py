"""Asking a server in JSON: tried again while it is busy, and one sentence for each way to fail."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from indexes.errors import EncoderError
from indexes.http import HttpAnswer, ask, client_options, http_client
from indexes.json_server import JsonServer
from tests.indexes.encoders.encoder_fixtures import fake_server

__all__ = ["fake_server"]


def server(url: str, **options: Any) -> JsonServer:
    given = {"section": "encoder", "error": EncoderError, "start": "start it", "key_env": "MY_KEY", "tries": 3}
    return JsonServer(http_client(url, 0.3), f"the server at {url}", **{**given, "pause": waited.append, **options})


waited: list[float] = []


@pytest.fixture(autouse=True)
def nothing_waited() -> Iterator[None]:
    waited.clear()
    yield


def answering(*answers: tuple[int, Any]) -> Callable[..., tuple[int, Any]]:
    left = list(answers)
    return lambda *request: left.pop(0) if len(left) > 1 else left[0]


def test_get_and_post(fake_server: Callable[..., Any]) -> None:
    one = fake_server(answering((200, {"ok": "字"})))
    asked = server(one.url)
    assert asked.get("/a") == asked.post("/b", {"x": 1}) == {"ok": "字"}
    assert [request[:3] for request in one.requests] == [("GET", "/a", None), ("POST", "/b", {"x": 1})]
    asked.close()


def test_a_busy_server_is_asked_again_and_then_reported(fake_server: Callable[..., Any]) -> None:
    recovers = fake_server(answering((503, "busy"), (429, "busy"), (200, [1])))
    assert server(recovers.url).get("/") == [1]
    assert waited == [0.5, 1.0]
    busy = fake_server(answering((503, {"error": {"message": "full"}})))
    with pytest.raises(EncoderError, match=r"is still busy after 2 retries \(503: full\); try again later"):
        server(busy.url).get("/")
    assert len(busy.requests) == 3
    with pytest.raises(EncoderError, match=r"answered 503 \(full\)"):
        server(busy.url, patience=0.1).get("/")
    assert len(busy.requests) == 4, "a longer pause than its patience is not waited for"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((401, {"error": "no"}), r"answered 401 \(no\); put the server's key into the environment variable MY_KEY"),
        ((404, {"detail": "Not Found"}), r"answered 404 \(Not Found\); check encoder\.base_url"),
        ((418, {"message": "tea"}), r"answered 418 \(tea\); pour it"),
        ((400, {"odd": 1}), r"answered 400 \(\{'odd': 1\}\); check encoder\.model"),
        ((500, "<html>oops</html>"), r"answered 500 \(<html>oops</html>\); see the server's log"),
        ((200, "<html>proxy</html>"), r"sent no JSON: '<html>proxy</html>'; start it"),
    ],
)
def test_refusals_are_one_sentence(fake_server: Callable[..., Any], answer: tuple[int, Any], sentence: str) -> None:
    url = fake_server(answering(answer)).url
    with pytest.raises(EncoderError, match=rf"^the server at {url} {sentence}"):
        server(url, remedies={418: "pour it"}).get("/")


def test_a_key_that_a_server_echoes_is_not_shown(fake_server: Callable[..., Any]) -> None:
    """Whatever its variable is called."""
    url = fake_server(answering((401, {"error": "Authorization: tulip-harbour is wrong (tulip-harbour)"}))).url
    client = http_client(url, 2, "tulip-harbour")
    asked = JsonServer(client, "it", section="llm", error=EncoderError, start="", key_env="MINE")
    with pytest.raises(EncoderError, match=r"\*\*\*") as refusal:
        asked.get("/")
    assert "tulip" not in str(refusal.value)


def test_a_caller_may_know_more(fake_server: Callable[..., Any]) -> None:
    url = fake_server(answering((404, {"error": "no such model"}))).url
    with pytest.raises(KeyError, match="no such model"):
        server(url, explain=lambda status, reason: KeyError(reason) if status == 404 else None).get("/")


def test_servers_that_do_not_answer() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(EncoderError, match="cannot be reached: the connection was refused.*; start it"):  # noqa: RUF043
            server(url).get("/")
        silent.listen()  # connects, and says nothing
        with pytest.raises(EncoderError, match=r"did not answer within 0\.3 s; raise encoder\.timeout"):
            server(url).get("/")
        with pytest.raises(EncoderError, match="be patient"):
            server(url, remedies={408: "be patient"}).get("/")
    assert ask(httpx.Client(), "GET", "ftp://127.0.0.1/").problem == "bad address"


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (httpx.ConnectError("[Errno -2] Name or service not known"), "unknown host"),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), "tls"),
        (httpx.ProxyError("403 Forbidden"), "proxy"),
        (httpx.ConnectTimeout(""), "other"),
        (httpx.RemoteProtocolError("gone"), "other"),
    ],
)
def test_kinds_of_faults(error: httpx.HTTPError, problem: str) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    answer = ask(httpx.Client(transport=httpx.MockTransport(fail), base_url="http://h"), "GET", "/")
    assert (answer.status, answer.problem) == (0, problem) and answer.detail


def test_answers_that_are_not_objects() -> None:
    assert (
        HttpAnswer(200, "[1]").object() == {}
        and HttpAnswer(200, "no").object() == {}
        and HttpAnswer(200, "no").json() is None
    )
    assert HttpAnswer(500, "", "Internal Server Error").reason == "Internal Server Error"
    assert len(HttpAnswer(500, "x" * 9999).reason) == 200


def test_this_machine_is_asked_directly_and_connecting_is_short() -> None:
    assert client_options("http://127.0.0.1:1", 60)["trust_env"] is False
    far = client_options("http://example.org", 60)
    assert far["trust_env"] is True and far["timeout"].connect == 10 and far["timeout"].read == 60
    assert client_options("http://example.org", 3)["timeout"].connect == 3
