"""Runs that are stopped in the middle of a stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stop(BaseException):
    pass


def stopping(stage: str, share: float = 0.7) -> Any:
    """A run's ``stage`` that stops it when this share of that stage is done; 0: where it begins."""

    @contextmanager
    def begun(name: str) -> Iterator[Any]:
        if name == stage and not share:
            raise Stop

        def tick(done: int, total: int) -> None:
            if name == stage and done >= share * total:
                raise Stop

        yield tick

    return begun
