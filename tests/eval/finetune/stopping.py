"""Runs that are stopped in the middle of a stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stop(BaseException):
    pass


def stopping(stage: str) -> Any:
    """A run's ``stage`` that stops it when 70 % of that stage are done."""

    @contextmanager
    def begun(name: str) -> Iterator[Any]:
        def tick(done: int, total: int) -> None:
            if name == stage and done >= 0.7 * total:
                raise Stop

        yield tick

    return begun
