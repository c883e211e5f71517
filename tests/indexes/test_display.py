"""Nothing secret and nothing that steers a terminal is shown, wherever an error, a finding or a remark comes from."""

from __future__ import annotations

import logging

import pytest

from eval.report.latex import escape as latex
from eval.report.table import escape as html
from eval.report.table import pipes, plain, table
from indexes.display import escaped, one_line, safe, without_secrets
from indexes.errors import RagWrightError
from rag.cli.output import data, data_json, shown_path, words
from rag.doctor.check import Check


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at http://me:pa55@host:6333/x", "at http://***@host:6333/x"),
        ("at redis://:p@ss@host, then http://plain/a@b", "at redis://***@host, then http://plain/a@b"),
        ("store.url is 'me:pa55@host:6333'", "store.url is '***@host:6333'"),
        (
            "write to mailto:me@example.org, or me@example.org at 10:30",
            "write to mailto:me@example.org, or me@example.org at 10:30",
        ),
        ("https://h/v1?api_key=abc&limit=3#x", "https://h/v1?api_key=***&limit=3#x"),
        ("https://h/?x=1&access_token=a.b-c", "https://h/?x=1&access_token=***"),
        ("HTTPS_PROXY=http://user@proxy:3128", "HTTPS_PROXY=http://***@proxy:3128"),
        ("{'Authorization': 'Bearer abcdef99'}", "{'Authorization': 'Bearer ***'}"),
        ("sent api-key: s3cr3tvalue", "sent api-key: ***"),
        ("Incorrect API key provided: sk-proj-abcdefgh1234.", "Incorrect API key provided: ***."),
        ("set encoder.api_key_env = RAG_API_KEY", "set encoder.api_key_env = RAG_API_KEY"),
        ("a bearer of news, basic training, 密钥 auth=1", "a bearer of news, basic training, 密钥 auth=1"),
    ],
)
def test_secrets_are_masked_and_other_words_stay(text: str, shown: str) -> None:
    assert without_secrets(text, {}) == shown


def test_what_a_server_echoes_of_a_key_is_masked() -> None:
    environ = {"QDRANT_API_KEY": "tulip-9-harbour", "HOME_KEY": "/home/x/key", "SHORT_KEY": "abc"}
    assert without_secrets("no such key tulip-9-harbour (abc, /home/x/key)", environ) == (
        "no such key *** (abc, /home/x/key)"
    )


def test_steering_characters_become_escapes() -> None:
    name = "a\u202etxt.exe\x1b[2J\x9b1m\nline\ttab\r"
    assert one_line(name) == r"a\u202etxt.exe\x1b[2J\x9b1m\nline\ttab\r"
    assert escaped("a\tb\r\nc\u2066") == "a\tb\nc\\u2066"
    assert escaped("中文，emoji 🙂 and é stay") == "中文，emoji 🙂 and é stay"


def test_errors_findings_and_remarks_are_safe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "tulip-9-harbour")
    text = "http://me:pa55@host said tulip-9-harbour\x1b[31m\u202e"
    shown = r"http://***@host said ***\x1b[31m\u202e"
    assert str(RagWrightError(text, remedy=text)) == f"{shown}; {shown}"
    assert Check("x", "fail", text, text).as_dict() == {"name": "x", "status": "fail", "found": shown, "remedy": shown}
    words(text)
    data("a name\x1b[31m\x9b")
    data_json({"name": "\x1b\x9b\u202e中"})
    out, err = capsys.readouterr()
    assert err == shown + "\n"
    assert out == r"a name\x1b[31m\x9b" + '\n{\n  "name": "\\u001b\\u009b\\u202e中"\n}\n'
    assert shown_path("/tmp/a\nb\u202e.txt") == r"/tmp/a\nb\u202e.txt"
    assert safe(text) == shown


def test_the_log_of_the_server_holds_no_secrets(caplog: pytest.LogCaptureFixture) -> None:
    from rag.serve.app import log

    with caplog.at_level(logging.ERROR, logger="ragwright.serve"):
        try:
            raise ValueError("at http://me:pa55@host")
        except ValueError:
            log.exception("request %s failed", "http://me:pa55@host")
    assert "pa55" not in caplog.text
    assert "http://***@host" in caplog.text


def test_reports_show_names_of_runs_as_they_are() -> None:
    name = "a\x1b[2J\n|`x`[y](z)<b>&_\u202e"
    assert plain(name) == r"a\\x1b\[2J\\n|\`x\`\[y\](z)&lt;b>&amp;\_\\u202e"
    assert html(name) == r"a\x1b[2J\n|`x`[y](z)&lt;b&gt;&amp;_\u202e"
    assert latex("a\n_\x1b") == r"a\textbackslash{}n\_\textbackslash{}x1b"
    for shown in (*pipes(["run"], [[name]]), table(["run"], [[name]]).splitlines()[1]):
        assert shown.isprintable()
    assert len(table(["run"], [[name]]).splitlines()) == 2
