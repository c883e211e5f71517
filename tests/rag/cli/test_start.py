"""Start: what a command imports of the libraries that take longest, counted against a list."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.rag.cli.cli_runner import Rag

SLOW = (
    *("llama_index.core", "qdrant_client", "openai", "sklearn", "pandas", "pyarrow", "torch", "transformers"),
    *("indexes.readers", "indexes.text.sentences", "indexes.text.words"),  # rules of words and sentences: 0.1 s
)
WORDS = {"indexes.text.words"}  # a question is cut into its words
CUT = WORDS | {"indexes.text.sentences"}  # and an answer into sentences
ALLOWED: dict[str, set[str]] = {"status": set(), "status --documents --keys": set(), "search": WORDS, "ask": CUT}
ARGUMENTS = {"search": ["Apples", "--filter", "source=prices.txt"], "ask": ["Apples?", "--no-llm"]}
SCRIPT = (
    "import sys\nfrom rag.cli.main import main\n"
    "try:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
    f"print([name for name in {SLOW!r} if name in sys.modules])\n"
)


@pytest.mark.parametrize("command", ALLOWED)
def test_a_command_imports_what_it_uses(rag: Rag, environ: dict[str, str | None], command: str) -> None:
    variables = {**os.environ, **{name: value for name, value in environ.items() if value}}
    arguments = [*command.split(), *ARGUMENTS.get(command, [])]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, env=variables)
    assert done.returncode == 0, done.stderr
    shown, _, imported = done.stdout.rstrip().rpartition("\n")
    assert set(eval(imported)) == ALLOWED[command]
    assert "2 documents" in shown or "Apples" in shown
