"""Messages between the process that holds a collection and those that search copies of it: JSON, never pickles."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from indexes.encoders.base import SparseVector
from indexes.registry import later
from indexes.store import models
from indexes.store.engine import Hit, Lack, Leg

if TYPE_CHECKING:
    import numpy as np
else:
    np = later("numpy")

WORD, MOMENT, DAY = "word", "moment", "day"


class NotSaidError(Exception):
    """A request that cannot be sent, for example with Qdrant's own types in a filter.

    >>> leg_out(Leg("dense", np.ones(2), 50, filters=object()))
    Traceback (most recent call last):
        ...
    indexes.store.edge.searchers.messages.NotSaidError: object
    """


def leg_out(leg: Leg) -> dict[str, Any]:
    """Return a leg as JSON values.

    >>> said = leg_out(Leg("dense", np.array([1, 0], np.float32), 50))
    >>> said["vector"], said["limit"], said["filters"]
    ('AACAPwAAAAA=', 50, None)

    Raises:
        NotSaidError: its filter is not made of our types (``indexes.store.models``).
    """
    vector: Any
    if isinstance(leg.vector, SparseVector):
        vector = [_bytes_out(leg.vector.indices.astype("<u4")), _bytes_out(leg.vector.values.astype("<f4"))]
    else:
        vector = _bytes_out(np.asarray(leg.vector, "<f4"))
    return {**leg._asdict(), "vector": vector, "filters": _word_out(leg.filters)}


def leg_in(said: Mapping[str, Any]) -> Leg:
    """Return the leg that ``leg_out`` wrote.

    >>> leg = Leg("sparse", SparseVector(np.array([3, 8], np.uint32), np.array([0.5, 1.0], np.float32)), 50)
    >>> leg_in(leg_out(leg)).vector
    SparseVector(indices=array([3, 8], dtype=uint32), values=array([0.5, 1. ], dtype=float32))
    """
    vector = said["vector"]
    read: Any
    if isinstance(vector, list):
        indices, values = map(base64.b64decode, vector)
        read = SparseVector(np.frombuffer(indices, "<u4").copy(), np.frombuffer(values, "<f4").copy())
    else:
        read = np.frombuffer(base64.b64decode(vector), "<f4").copy()
    return Leg(**{**said, "vector": read, "filters": _word_in(said["filters"])})


def lack_out(lack: Lack) -> dict[str, Any]:
    """Return a leg and the ids that it lacks, as JSON values; raises as ``leg_out``.

    >>> lack = Lack(Leg("dense", np.array([1, 0], np.float32), 50), ["a", "b"])
    >>> lack_out(lack)["ids"], lack_in(lack_out(lack)).leg.name
    (['a', 'b'], 'dense')
    """
    return {"leg": leg_out(lack.leg), "ids": list(lack.ids)}


def lack_in(said: Mapping[str, Any]) -> Lack:
    """Return the leg and ids that ``lack_out`` wrote.

    >>> lack = Lack(Leg("dense", np.array([1, 0], np.float32), 50), ["a", "b"])
    >>> lack_in(lack_out(lack)).ids
    ['a', 'b']
    """
    return Lack(leg_in(said["leg"]), said["ids"])


def hits_out(rows: Sequence[Sequence[Hit]]) -> list[list[tuple[str, float]]]:
    """Return the id and score of each hit, by leg.

    >>> hits_out([[Hit("a", 0.9), Hit("b", 0.4)], []])
    [[('a', 0.9), ('b', 0.4)], []]
    """
    return [[(hit.id, hit.score) for hit in hits] for hits in rows]


def hits_in(said: Sequence[Sequence[tuple[str, float]]]) -> list[list[Hit]]:
    """Return the hits that ``hits_out`` wrote.

    >>> hits_in([[("a", 0.9)], []])
    [[Hit(id='a', score=0.9, payload=None)], []]
    """
    return [[Hit(identity, score) for identity, score in hits] for hits in said]


def as_said(said: Any) -> Any:
    """Return an answer that is plain JSON."""
    return said


def _bytes_out(row: Any) -> str:
    return base64.b64encode(row.tobytes()).decode("ascii")


def _word_out(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_word_out(item) for item in value]
    if isinstance(value, models.Word):
        return {WORD: type(value).__name__, **{name: _word_out(item) for name, item in vars(value).items()}}
    if isinstance(value, datetime):
        return {MOMENT: value.isoformat()}
    if isinstance(value, date):
        return {DAY: value.isoformat()}
    raise NotSaidError(type(value).__name__)


def _word_in(said: Any) -> Any:
    if isinstance(said, list):
        return [_word_in(item) for item in said]
    if not isinstance(said, dict):
        return said
    if MOMENT in said:
        return datetime.fromisoformat(said[MOMENT])
    if DAY in said:
        return date.fromisoformat(said[DAY])
    kind = getattr(models, said[WORD])
    return kind(**{name: _word_in(item) for name, item in said.items() if name != WORD})
