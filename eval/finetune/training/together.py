"""Training on several cards of one machine: ``torchrun --nproc-per-node N -m eval finetune ...``.

torchrun starts the whole command once per card. The first process runs all of it; the others wait for its trainings
and take part in them. Trainings are handed over as files in the run's folder, so that no process waits in a collective
operation while the first one mines or measures, however long that takes.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from indexes.display import counted
from indexes.errors import SettingsError
from indexes.files import write_whole

FOLDER = "together-{}"  # of torchrun's process id, to tell the files of an earlier call apart
PAUSE = 0.2  # seconds between two checks for a file
_given = 0  # number of trainings that this process handed over


def processes() -> int:
    """Return the number of processes that train together; 1 without torchrun.

    >>> processes()  # without torchrun
    1

    Raises:
        SettingsError: the processes are on several machines.
    """
    found = int(os.environ.get("WORLD_SIZE", "1"))
    if found > 1 and os.environ.get("LOCAL_WORLD_SIZE", str(found)) != str(found):
        raise SettingsError(
            f"torchrun started {counted(found, 'process')} on several machines",
            remedy="start it on one machine, without --nnodes",
        )
    return found


def follows() -> bool:
    """Return whether this process only takes part in trainings.

    >>> follows()  # without torchrun
    False
    """
    return processes() > 1 and os.environ.get("RANK", "0") != "0"


def local_rank() -> int:
    """Return the number of this process on its machine, from 0.

    >>> local_rank()  # without torchrun
    0
    """
    return int(os.environ.get("LOCAL_RANK", "0"))


def hand_over(out: Path, kind: str, arguments: Mapping[str, Any]) -> None:
    """Start a training in the other processes, if there are any.

    Args:
        kind: key of the function that trains, as for ``take_part``.
        arguments: its arguments: dataclasses, paths and plain data.
    """
    if processes() == 1 or follows():
        return
    global _given
    _write(out, {"kind": kind, "arguments": arguments})
    _given += 1


def end(out: str | Path) -> None:
    """Release the other processes: there are no further trainings. A run that never started is ended by torchrun."""
    if processes() > 1 and not follows() and (Path(out).expanduser() / "run.json").is_file():
        _write(Path(out), {"kind": ""})


def take_part(out: str | Path, trainings: Mapping[str, Callable[..., Any]]) -> None:
    """Take part in the trainings of the first process until there are no more.

    >>> _folder(folder).mkdir()
    >>> jobs = [{"kind": "embedder", "arguments": {"base": "minilm", "epochs": 2}}, {"kind": ""}]
    >>> for number, job in enumerate(jobs):
    ...     write_whole(_folder(folder) / f"{number}.json", json.dumps(job))
    >>> def train(base: str, epochs: int) -> None:
    ...     print(f"{base}, {epochs} epochs")
    >>> take_part(folder, {"embedder": train})
    minilm, 2 epochs

    Args:
        trainings: kind -> function that trains, whose annotations say what its arguments are.
    """
    number = 0
    while True:
        file = _folder(Path(out)) / f"{number}.json"
        while not file.is_file():
            time.sleep(PAUSE)
        job = json.loads(file.read_text(encoding="utf-8"))
        if not job["kind"]:
            return
        train = trainings[job["kind"]]
        hints = get_type_hints(train)
        train(**{name: restored(hints[name], value) for name, value in job["arguments"].items()})
        number += 1


def restored(hint: Any, value: Any) -> Any:
    """Return a value read from JSON as what an annotation says; the first type of a union counts.

    >>> restored(tuple[int, ...], [256, 128])
    (256, 128)
    """
    if value is None:
        return None
    kind, parts = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return restored(parts[0], value)
    if kind is Sequence:
        return [restored(parts[0], part) for part in value]
    if is_dataclass(hint) and isinstance(hint, type):
        hints = get_type_hints(hint)
        return hint(**{name: restored(hints[name], part) for name, part in value.items()})
    return tuple(value) if kind is tuple else Path(value) if hint is Path else value


def wait_for_all() -> None:
    """Wait until all processes get here."""
    if processes() > 1:
        import torch.distributed

        if torch.distributed.is_initialized():
            torch.distributed.barrier()


def clear(out: Path) -> None:
    """Remove the files of earlier calls that were killed.

    >>> (folder / "together-0").mkdir()
    >>> clear(folder)
    >>> list(folder.iterdir())
    []
    """
    for folder in out.glob(FOLDER.format("*")):
        if folder != _folder(out):
            shutil.rmtree(folder, ignore_errors=True)


def _folder(out: Path) -> Path:
    return out.expanduser() / FOLDER.format(os.getppid())


def _write(out: Path, job: Mapping[str, Any]) -> None:
    clear(out)
    folder = _folder(out)
    folder.mkdir(exist_ok=True)
    write_whole(folder / f"{_given}.json", json.dumps(job, default=_plain))
    (folder / f"{_given - 1}.json").unlink(missing_ok=True)  # all processes took part in it


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)
