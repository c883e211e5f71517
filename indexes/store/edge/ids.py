"""Point ids: unsigned integers and UUIDs, as text here and as objects in the embedded engine."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np

from indexes.errors import StoreError

PointId = int | uuid.UUID | str


def to_edge_id(point_id: Any) -> int | str:
    """An unsigned integer, or the canonical text of a UUID: what the engine accepts, and what we hand back."""
    if isinstance(point_id, (int, np.integer)) and not isinstance(point_id, bool) and point_id >= 0:
        return int(point_id)
    try:
        return str(uuid.UUID(str(point_id)))
    except ValueError:
        raise StoreError(
            f"point id {point_id!r} is neither an unsigned integer nor a UUID",
            remedy="derive one, as indexes.nodes.record.point_id does",
        ) from None


def from_edge_id(point_id: Any) -> int | str:
    return point_id if isinstance(point_id, int) else str(point_id)
