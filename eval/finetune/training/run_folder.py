"""A fine-tuning run's folder: its settings and the steps that are done, so that an interrupted run goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from indexes.errors import SettingsError, SourceError
from indexes.files import PART, write_whole
from indexes.lock import Lock

T = TypeVar("T")
FILE, LOCK = "run.json", "run.lock"
VERSION = 1


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted name, old value, new value) of what is not alike."""
    for key in [*new, *(key for key in old if key not in new)]:
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from differences(before, after, f"{prefix}{key}.")
        elif before != after:
            yield f"{prefix}{key}", before, after


class RunFolder:
    """OUT of a fine-tuning command, held by one process until it is left (``with``) or the process ends, however.

    Args:
        path: made where it is not there; may be empty or hold a run of the same settings, which is continued. A run of
            other settings that ended no step is begun anew.
        settings: plain data (JSON) that decides the result: options, base model, hashes of the datasets. Nothing that
            may change between two calls of one run (paths of caches, verbosity) belongs here.

    Raises:
        SettingsError: the folder holds a run with other settings (the first that differs is named), or other files, or
            a run that is at work in a process, which is named.
        SourceError: its run.json cannot be read.
    """

    def __init__(self, path: str | Path, settings: Mapping[str, Any]) -> None:
        self.path = Path(path).expanduser()
        # Through JSON, so that tuples and lists compare equal to what was read.
        self.settings: dict[str, Any] = json.loads(json.dumps(settings, default=str))
        self.steps: dict[str, dict[str, Any]] = {}
        self.continued = False
        if self.path.exists() and not self.path.is_dir():
            raise SettingsError(f"{self.path} is a file", remedy="name a folder for the run")
        self._refuse_other_files()
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(self.path / LOCK, f"the run in {self.path}", error=SettingsError).take()
        try:
            if (self.path / FILE).is_file():
                self._read(self.path / FILE)
            else:
                self._write()
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def done(self, name: str) -> bool:
        """Whether a step ended."""
        return name in self.steps

    def result(self, name: str) -> Any:
        """What a step without ``load`` gave."""
        return self.steps[name].get("result")

    @property
    def seconds(self) -> dict[str, float]:
        """Step -> seconds it took in the call that ended it."""
        return {name: row["seconds"] for name, row in self.steps.items()}

    def step(
        self,
        name: str,
        work: Callable[[], T],
        *,
        save: Callable[[T], None] | None = None,
        load: Callable[[], T] | None = None,
    ) -> T:
        """Do a step once, and remember that it is done.

        Args:
            work: does it; may itself continue from what an earlier call left (checkpoints, scores).
            save, load: how its result is kept in the folder; without both, the result is plain data and stands in
                run.json. ``load`` alone is for work that writes its files itself.

        Returns:
            What ``work`` gave now, or what is loaded of an earlier call.
        """
        if self.done(name):
            return load() if load is not None else self.result(name)
        started = time.monotonic()
        result = work()
        if save is not None:
            save(result)
        row: dict[str, Any] = {"seconds": round(time.monotonic() - started, 1)}
        if save is None and load is None:
            row["result"] = result
        self.steps[name] = row
        self._write()
        return result

    def _refuse_other_files(self) -> None:
        if not self.path.is_dir() or (self.path / FILE).is_file():
            return
        own = {LOCK, f"{FILE}{PART}"}  # of a run that was killed, or is at work, before it wrote its settings
        if any(found.name not in own for found in self.path.iterdir()):
            raise SettingsError(
                f"{self.path} holds files, but no fine-tuning run", remedy="name an empty folder, or one that is new"
            )

    def _read(self, file: Path) -> None:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            there, self.steps = dict(found["settings"]), dict(found["steps"])
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(
                f"{file} cannot be read ({type(error).__name__}: {error})", remedy="name another folder for the run"
            ) from error
        changed = next(differences(there, self.settings), None)
        if changed is not None and self.steps:
            key, old, new = changed
            raise SettingsError(
                f"{self.path} was begun with {key} = {old!r}, and now it is {new!r}",
                remedy="use the same settings to continue it, or name another --out",
            )
        if changed is not None:  # nothing came of it, such as after a mistyped option
            self._write()
        self.continued = bool(self.steps)

    def _write(self) -> None:
        tree = {"version": VERSION, "settings": self.settings, "steps": self.steps}
        write_whole(self.path / FILE, json.dumps(tree, ensure_ascii=False, indent=2, default=str) + "\n", durable=True)
