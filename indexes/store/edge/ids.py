"""Point ids: unsigned integers and UUIDs, which are text here and objects in the embedded engine."""

from __future__ import annotations

import uuid
from numbers import Integral
from typing import Any

from indexes.errors import StoreError

PointId = int | uuid.UUID | str


def to_edge_id(point_id: Any) -> int | str:
    """Return a point id as an unsigned integer or as the canonical text of a UUID.

    >>> to_edge_id("FA1F471D66495C34B35EB0F2D2A253B4")
    'fa1f471d-6649-5c34-b35e-b0f2d2a253b4'

    Raises:
        StoreError: neither an unsigned integer nor a UUID.
    """
    found = as_object(point_id)
    return found if isinstance(found, int) else str(found)


def as_object(point_id: Any) -> int | uuid.UUID:
    """Return a point id as an unsigned integer or as a UUID object; raises as ``to_edge_id``.

    >>> as_object("FA1F471D66495C34B35EB0F2D2A253B4")
    UUID('fa1f471d-6649-5c34-b35e-b0f2d2a253b4')
    """
    if isinstance(point_id, Integral) and not isinstance(point_id, bool) and int(point_id) >= 0:
        return int(point_id)
    try:
        return point_id if isinstance(point_id, uuid.UUID) else uuid.UUID(str(point_id))
    except ValueError:
        raise StoreError(
            f"point id {point_id!r} is neither an unsigned integer nor a UUID",
            remedy="derive one, as indexes.nodes.record.point_id does",
        ) from None


def from_edge_id(point_id: Any) -> int | str:
    """Return an id of the engine as an integer or as text.

    >>> from_edge_id(uuid.UUID("fa1f471d66495c34b35eb0f2d2a253b4")), from_edge_id(7)
    ('fa1f471d-6649-5c34-b35e-b0f2d2a253b4', 7)
    """
    return point_id if isinstance(point_id, int) else str(point_id)
