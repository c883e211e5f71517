"""The folder of a fine-tuning run: its settings and finished steps, so that an interrupted run can be resumed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from indexes.display import for_records
from indexes.errors import SettingsError, SourceError
from indexes.files import PART, write_whole
from indexes.lock import Lock

T = TypeVar("T")
FILE, LOCK = "run.json", "run.lock"
VERSION = 1


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], usual: Mapping[str, Any] = MappingProxyType({}), prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield (dotted name, old value, new value) of the values that differ.

    Args:
        usual: defaults, in the same shape: a value that ``old`` does not have counts as its default, since the option
            did not exist then.

    >>> list(differences({"train": {"lr": 1e-5, "seed": 7}}, {"train": {"lr": 2e-5, "seed": 7}}))
    [('train.lr', 1e-05, 2e-05)]
    >>> list(differences({"lr": 1e-5}, {"lr": 1e-5, "soup": 1}, {"lr": 1e-4, "soup": 1}))
    []
    """
    for key in [*new, *(key for key in old if key not in new)]:
        default = usual.get(key)
        before, after = old.get(key, {} if isinstance(default, dict) else default), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from differences(before, after, default if isinstance(default, dict) else {}, f"{prefix}{key}.")
        elif before != after:
            yield f"{prefix}{key}", before, after


class RunFolder:
    """The ``--out`` folder of a fine-tuning command, locked by one process until ``with`` or the process ends.

    Args:
        path: created if needed; may be empty or hold a run with the same settings, which is resumed. A run with other
            settings and no finished step is replaced.
        settings: plain data (JSON) that decides the result: options, base model, hashes of the datasets; nothing that
            may change between two calls of a run, such as cache paths. Addresses are kept without logins and queries.
        usual: defaults of ``settings``, in the same shape, for a run that was started before an option existed.

    Raises:
        SettingsError: the folder holds other files or a run with other settings (the first difference is named), or
            another process is working on its run.
        SourceError: run.json cannot be read.

    >>> with RunFolder(folder / "run", {"lr": 1e-5}) as run:
    ...     run.step("mine", lambda: {"queries": 3})
    {'queries': 3}
    >>> with RunFolder(folder / "run", {"lr": 1e-5}) as run:  # a second call does not repeat the step
    ...     run.step("mine", lambda: {"queries": 0})
    {'queries': 3}
    """

    def __init__(
        self, path: str | Path, settings: Mapping[str, Any], usual: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        self.path = Path(path).expanduser()
        self.settings, self._usual = _plain(settings), _plain(dict(usual))
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
        """Return whether a step is finished."""
        return name in self.steps

    def result(self, name: str) -> Any:
        """Return the result of a finished step without ``load``."""
        return self.steps[name].get("result")

    @property
    def seconds(self) -> dict[str, float]:
        """Step -> seconds it took in the call that finished it."""
        return {name: row["seconds"] for name, row in self.steps.items()}

    def step(
        self,
        name: str,
        work: Callable[[], T],
        *,
        save: Callable[[T], None] | None = None,
        load: Callable[[], T] | None = None,
    ) -> T:
        """Run a step once, and record that it is finished.

        Args:
            work: runs the step; it may resume from files of an earlier call (checkpoints, scores).
            save, load: write and read the result in the folder; without both, the result must be plain data and is
                stored in run.json. Use ``load`` alone for work that writes its files itself.

        Returns:
            The result of ``work``, now or loaded from an earlier call.
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
        own = {LOCK, f"{FILE}{PART}"}  # files of a run that has not written its settings yet, or was killed before
        if any(found.name not in own for found in self.path.iterdir()):
            raise SettingsError(f"{self.path} has files, but no fine-tuning run", remedy="name an empty or new folder")

    def _read(self, file: Path) -> None:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            there, self.steps = dict(found["settings"]), dict(found["steps"])
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(
                f"{file} cannot be read ({type(error).__name__}: {error})", remedy="name another folder for the run"
            ) from error
        changed = next(differences(_plain(there), self.settings, self._usual), None)
        if changed is not None and self.steps:
            key, old, new = changed
            raise SettingsError(
                f"{self.path} was started with {key} = {old!r}, but now it is {new!r}",
                remedy="use the same settings to resume it, or name another --out",
            )
        if changed is not None:  # no step was finished, for example after a mistyped option
            self._write()
        self.continued = bool(self.steps)

    def _write(self) -> None:
        tree = {"version": VERSION, "settings": self.settings, "steps": self.steps}
        write_whole(self.path / FILE, json.dumps(tree, ensure_ascii=False, indent=2, default=str) + "\n", durable=True)


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as a file keeps them: through JSON, so that tuples equal lists, and without secrets."""
    return dict(for_records(json.loads(json.dumps(settings, default=str))))
