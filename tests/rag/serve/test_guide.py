"""The curl lines of the guide, as they are written, against the server."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

GUIDE = Path(__file__).parents[3] / "docs" / "en" / "serve.md"
LINES = re.findall(r"^curl .*$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
WANTED = {"/retrieval": "records", "/v1/chat/completions": "choices", "/mcp": "result"}


def parts(line: str) -> tuple[str, dict[str, str], dict[str, object]]:
    """Path, headers and body of a curl line."""
    words = shlex.split(line)
    headers = dict(words[n + 1].split(": ", 1) for n, word in enumerate(words) if word == "-H")
    address = next(word for word in words if word.startswith("http"))
    return urlsplit(address).path, headers, json.loads(words[words.index("-d") + 1])


def test_the_guide_shows_a_line_for_each_kind_of_client() -> None:
    assert {parts(line)[0] for line in LINES} == set(WANTED)


@pytest.mark.parametrize("line", LINES, ids=[parts(line)[0] for line in LINES])
def test_a_curl_line_of_the_guide_answers(serve: Callable[..., TestClient], line: str) -> None:
    path, headers, body = parts(line)
    answer = serve().post(path, headers=headers, json=body)
    assert answer.status_code == 200 and "three months" in answer.text and WANTED[path] in answer.json()
