"""Training on several cards of one machine: ``torchrun --nproc-per-node N -m eval finetune ...``.

torchrun starts the whole command once a card. The first process does all of it; the others wait for its trainings and
take part in them. A training is handed over as a file in the run's folder, so that nobody waits at a collective while
the first one mines or measures, however long that takes.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from indexes.errors import SettingsError
from indexes.files import write_whole

FOLDER = "together-{}"  # of torchrun's process: files of an earlier call are not taken for this one's
PAUSE = 0.2  # seconds between two looks
_given = 0  # trainings that this process handed over


def processes() -> int:
    """How many processes train together; 1 without torchrun.

    Raises:
        SettingsError: they are on several machines.
    """
    found = int(os.environ.get("WORLD_SIZE", "1"))
    if found > 1 and os.environ.get("LOCAL_WORLD_SIZE", str(found)) != str(found):
        raise SettingsError(
            f"torchrun started {found} processes on several machines",
            remedy="start it on one machine, without --nnodes",
        )
    return found


def follows() -> bool:
    """Whether this process is one that only takes part in trainings."""
    return processes() > 1 and os.environ.get("RANK", "0") != "0"


def local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))


def hand_over(out: Path, kind: str, arguments: Mapping[str, Any]) -> None:
    """Let the other processes begin the training that this one begins now; nothing without them."""
    if processes() == 1 or follows():
        return
    global _given
    _write(out, {"kind": kind, "arguments": arguments})
    _given += 1


def end(out: str | Path) -> None:
    """Let the other processes go: there is no further training. A run that never began is torchrun's to end."""
    if processes() > 1 and not follows() and (Path(out).expanduser() / "run.json").is_file():
        _write(Path(out), {"kind": ""})


def take_part(out: str | Path, trainings: Mapping[str, Callable[..., Any]]) -> None:
    """Take part in each training of the first process, until it has no further one.

    Args:
        trainings: kind -> what trains, called with the arguments as they were handed over.
    """
    number = 0
    while True:
        file = _folder(Path(out)) / f"{number}.json"
        while not file.is_file():
            time.sleep(PAUSE)
        job = json.loads(file.read_text(encoding="utf-8"))
        if not job["kind"]:
            return
        trainings[job["kind"]](**job["arguments"])
        number += 1


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a dataclass as they were before JSON made lists of its tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def wait_for_all() -> None:
    """Go on when all processes are here."""
    if processes() > 1:
        import torch.distributed

        if torch.distributed.is_initialized():
            torch.distributed.barrier()


def clear(out: Path) -> None:
    """Remove what earlier calls left, that were killed."""
    for folder in out.glob(FOLDER.format("*")):
        if folder != _folder(out):
            shutil.rmtree(folder, ignore_errors=True)


def _folder(out: Path) -> Path:
    return out.expanduser() / FOLDER.format(os.getppid())


def _write(out: Path, job: Mapping[str, Any]) -> None:
    clear(out)
    folder = _folder(out)
    folder.mkdir(exist_ok=True)
    write_whole(folder / f"{_given}.json", json.dumps(job, default=str))
    (folder / f"{_given - 1}.json").unlink(missing_ok=True)  # all took part in it
