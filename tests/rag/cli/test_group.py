"""The group: what it imports, what it makes of arguments, and how errors end."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import click
import pytest
from click.testing import CliRunner

from eval.cli.main import main as measure
from rag.cli import main as main_module
from rag.cli.commands import config as config_command
from rag.cli.main import COMMANDS, main, with_command

HEAVY = ("torch", "transformers", "llama_index", "qdrant_client", "qdrant_edge", "numpy", "pydantic", "httpx", "tqdm")


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["search", "--help"], ["doctor", "--help"]])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    script = (
        "import sys\n"
        "from rag.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert done.stdout


def test_config_imports_no_model_library() -> None:
    script = "import sys\nfrom rag.cli.main import main\ntry:\n    main(['config'])\nexcept SystemExit:\n    pass\n"
    script += "print([name for name in ('torch', 'llama_index', 'qdrant_client') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_shared_options_help_and_an_example(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    assert command.short_help == COMMANDS[name]
    if isinstance(command, click.Group):
        for part in command.commands.values():
            assert part.short_help and any("--json" in parameter.opts for parameter in part.params)
            assert f"  rag {name} {part.name}" in CliRunner().invoke(main, [name, str(part.name), "--help"]).output
        assert f"  rag {name}" in CliRunner().invoke(main, [name, "--help"]).output
        return
    flags = {flag for parameter in command.params for flag in parameter.opts}
    assert {"--json", "--collection", "--profile", "--config", "--set", "--color"} <= flags
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert "Examples:" in result.output and f"  rag {name}" in result.output
    assert "[env: RAG_COLLECTION]" in result.output
    assert all(isinstance(p, click.Argument) or p.help for p in command.params if p.name != "help")


def test_no_arguments_show_the_help() -> None:
    result = CliRunner().invoke(main, [])
    assert "Commands:" in result.output
    assert all(name in result.output for name in COMMANDS)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["What is a window?"], ["ask", "What is a window?"]),
        (["what", "is", "this"], ["ask", "what", "is", "this"]),
        (["窗口有多宽？", "--json"], ["ask", "窗口有多宽？", "--json"]),
        (["--profile", "offline", "a question"], ["ask", "--profile", "offline", "a question"]),
        (["--json", "search", "x"], ["search", "--json", "x"]),
        (["-c", "status", "search", "x"], ["search", "-c", "status", "x"]),
        (["--", "--odd question"], ["ask", "--", "--odd question"]),
        (["status", "--json"], ["status", "--json"]),
        (["--help"], ["--help"]),
        (["--version"], ["--version"]),
        ([], []),
    ],
)
def test_the_command_comes_first_and_a_bare_question_is_asked(given: list[str], expected: list[str]) -> None:
    assert with_command(given) == expected


def test_a_misspelt_command_is_no_question() -> None:
    result = CliRunner().invoke(main, ["serach", "windows"])
    assert result.exit_code == 2
    assert "Did you mean 'rag search'?" in result.stderr
    measuring = CliRunner().invoke(measure, ["synthesise", "questions"])
    assert measuring.exit_code == 2 and "Did you mean 'rag-eval synthesize'?" in measuring.stderr
    assert "No such command 'x'" in CliRunner().invoke(measure, ["x"]).stderr


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ValueError("boom"), 1, "unexpected ValueError: boom"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (BrokenPipeError(), 141, ""),
    ],
)
def test_no_error_shows_a_traceback(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, text: str
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.delenv("RAG_DEBUG", raising=False)
    monkeypatch.setattr(config_command, "effective", broken)
    monkeypatch.setattr(main_module.os, "dup2", lambda *_: None)  # the runner's stdout has no file number to replace
    monkeypatch.setattr(main_module.os, "open", lambda *_: 0)
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.fileno", lambda _: 1, raising=False)
    result = CliRunner().invoke(main, ["config"])
    assert result.exit_code == code
    assert text in result.stderr
    assert "Traceback" not in result.output


def test_arguments_warnings_and_tracebacks_show_no_controls_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell makes arguments of names of files; a traceback holds what a server echoed."""
    wrong = CliRunner().invoke(main, ["ingest", "--x\x1b[2J\u202e\x9b"])
    assert wrong.exit_code == 2 and r"--x\x1b[2J\u202e\x9b" in wrong.stderr and wrong.stderr.count("Usage:") == 1

    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("at http://me:pa55@host\x1b")

    monkeypatch.setenv("RAG_DEBUG", "1")
    monkeypatch.setattr(config_command, "effective", broken)
    shown = CliRunner().invoke(main, ["config"])
    assert (
        shown.exit_code == 1 and "Traceback" in shown.stderr and r"ValueError: at http://***@host\x1b" in shown.stderr
    )
    assert (
        "pa55" not in shown.output and main_module._short_warning("http://me:pa55@h\x1b") == "note: http://***@h\\x1b\n"
    )


def test_settings_errors_are_one_sentence_and_exit_2() -> None:
    result = CliRunner().invoke(main, ["config", "--set", "llm.modell=x"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "did you mean 'llm.model'" in result.stderr


def test_a_closed_pipe_is_no_crash() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "rag.cli.main", "config"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    words = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 141
    assert "Traceback" not in words and "Exception ignored" not in words


def test_interrupt_of_a_real_process() -> None:
    script = (
        "import os, signal\n"
        "from rag.cli import main\n"
        "main.run(lambda: os.kill(os.getpid(), signal.SIGINT) or signal.pause())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr.strip() == "interrupted"


def test_an_output_that_cannot_show_chinese_still_ends_well() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rag.cli.main", "config", "collection", "--collection", "笔记"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        check=True,
    )
    assert rb"\u7b14\u8bb0" in done.stdout
