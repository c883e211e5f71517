"""Run FlagEmbedding's trainer as a separate process, save its log, and report a failure in one sentence."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eval.finetune.bge_m3.flag_embedding import arguments, finished, resumable, step_of
from eval.finetune.bge_m3.options import M3Options
from eval.ticks import Tick
from indexes.errors import EncoderError
from indexes.lock import Lock

TAIL = 400  # last lines of the log, searched for the reason of a failure
_LOGGED = re.compile(r"'epoch': '?([\d.]+)")
_ERROR = re.compile(r"^(?:[\w.]*(?:Error|Exception|Interrupt)|OSError|usage)\b.*")
_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")


def train(
    base: Path,
    rows: Path,
    folder: Path,
    options: M3Options,
    *,
    count: int,
    distil: bool,
    progress: Tick | None = None,
) -> list[Path]:
    """Run FlagEmbedding's trainer to its end, from its last checkpoint if any, and return its checkpoints.

    Args:
        rows: FlagEmbedding's jsonl with ``count`` rows; ``distil``: whether they have a teacher's scores.
        folder: OUT, for ``train.log`` and ``checkpoints``.

    Raises:
        EncoderError: the training failed; the error gives the reason, ``train.log`` the whole log.
    """
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    each, steps = options.steps(count)
    log = folder / "train.log"
    # The trainer inherits the lock, so that no second one starts beside one that outlived a killed call.
    with Lock(
        folder / "train.lock",
        f"the training in {folder}",
        states=("at work in", "still running, started by an earlier call:"),
        error=EncoderError,
    ) as lock:
        there = finished(checkpoints)
        if there and step_of(there[-1]) >= steps:
            return there
        resume = resumable(there[-1]) if there else None
        command = arguments(base, rows, checkpoints, options, count=count, distil=distil, resume=resume)
        with log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(command, ensure_ascii=False) + "\n")
            code = _run(command, stream, lock, lambda epoch: progress and progress(int(epoch * each), steps))
    if code:
        raise failure(log, code, options, base)
    found = finished(checkpoints)
    if not found:
        raise EncoderError(f"FlagEmbedding's training left no checkpoint in {checkpoints}", remedy=f"read {log}")
    return found


def _run(command: list[str], log: Any, lock: Lock, epoch: Callable[[float], object]) -> int:
    """Run the command, copy its output to the log, and call ``epoch`` with each epoch in it."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment(command),
        pass_fds=lock.descriptors,
    )
    lock.say(process.pid, brief=False)
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    try:
        for line in process.stdout:
            log.write(line)
            log.flush()
            if found := _LOGGED.search(line):
                epoch(float(found[1]))
        return process.wait()
    finally:
        if process.poll() is None:  # interrupted: end the trainer too
            process.terminate()
            process.wait()
        process.stdout.close()


def environment(command: list[str]) -> dict[str, str]:
    """Return the environment: offline (the model is a folder), and one GPU, over which batches are not split.

    >>> environment(["--use_cpu", "True"])["HF_HUB_OFFLINE"]
    '1'
    """
    own = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    if command[command.index("--use_cpu") + 1] == "False":
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
        own["CUDA_VISIBLE_DEVICES"] = visible[0] if visible else "0"
    return {**os.environ, **own}


def failure(log: Path, code: int, options: M3Options, base: Path) -> EncoderError:
    r"""Return the reason why the trainer ended, as an error.

    >>> log = folder / "train.log"
    >>> _ = log.write_text("step 1\nValueError: the tokenizer has no padding token\n")
    >>> failure(log, 1, M3Options(), folder).what
    "FlagEmbedding's training ended with exit status 1: ValueError: the tokenizer has no padding token"
    """
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
    reasons = [line.strip() for line in lines if _ERROR.match(line.strip())]
    reason = reasons[-1] if reasons else (lines[-1].strip() if lines else "its log is empty")
    if code == -9 or any(word in reason.lower() for word in _MEMORY):
        gigabytes = _sparse_bytes(options, base) / 1e9
        return EncoderError(
            f"FlagEmbedding's training ran out of memory ({reason if code != -9 else 'it was killed'})",
            remedy=f"lower --batch, --group or --max-tokens: the sparse head alone takes "
            f"{gigabytes:.1f} GB for each copy of its batch x tokens x vocabulary weights",
        )
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
    return EncoderError(f"FlagEmbedding's training {how}: {reason[:300]}", remedy=f"see the log in {log}")


def _sparse_bytes(options: M3Options, base: Path) -> int:
    """Return the bytes of one copy of the sparse head's weights for a batch of texts."""
    vocabulary = int(json.loads((base / "config.json").read_text(encoding="utf-8")).get("vocab_size", 0))
    return options.batch * options.group * options.max_tokens * vocabulary * 4
