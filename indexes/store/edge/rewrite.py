"""Rewrite a collection's points into new files: to erase deleted texts, or to salvage damaged files.

The engine leaves deleted and replaced texts in its pages and in its log until they are overwritten by chance. So all
points are written into a new shard, which then takes the place of the old one. A kill between the two renames is
repaired on the next opening (``settle``).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexes.errors import StoreError
from indexes.files import copy_folder, remove
from indexes.registry import later
from indexes.store.edge.aside.aside import PREFIX
from indexes.store.edge.convert import described_config, field_schema
from indexes.store.edge.faults import is_panic
from indexes.store.edge.packing import PACK_POINTS, SEGMENTS
from indexes.store.edge.query import pages

if TYPE_CHECKING:
    import numpy as np
else:
    np = later("numpy")

LENGTHS = 0.9, 1.1  # norm of an intact vector: 1 apart from rounding

Pack = Callable[[Path], object]


def new_place(shard: Path) -> Path:
    """Return the folder of the new shard while it is written.

    >>> new_place(Path("guide/shard")).as_posix()
    'guide/shard.new'
    """
    return shard.with_name("shard.new")


def _old_place(shard: Path) -> Path:
    return shard.with_name("shard.old")


def swap(shard: Path, *, keep: bool = False) -> Path:
    """Replace the old shard by the new one and return the path of the old; it is deleted unless ``keep`` is true.

    >>> for name in ("shard", "shard.new"):
    ...     (folder / name).mkdir()
    ...     _ = (folder / name / "points").write_text(name)
    >>> _ = swap(folder / "shard")
    >>> sorted(path.name for path in folder.iterdir()), (folder / "shard" / "points").read_text()
    (['shard'], 'shard.new')
    """
    if shard.exists():
        shard.replace(_old_place(shard))
    new_place(shard).replace(shard)
    if not keep:
        remove(_old_place(shard))
    return _old_place(shard)


def settle(shard: Path, aside: Path | None = None) -> None:
    """Finish or undo a killed rewrite or build.

    >>> (folder / "shard").mkdir()
    >>> new_place(folder / "shard").mkdir()
    >>> settle(folder / "shard")
    >>> [path.name for path in folder.iterdir()]
    ['shard']

    Args:
        aside: a copy that is in use and must stay.
    """
    if not shard.exists() and _old_place(shard).exists() and new_place(shard).exists():
        new_place(shard).replace(shard)
    for left in (_old_place(shard), new_place(shard)):
        if shard.exists() and left.exists():
            remove(left)
    for left in shard.parent.glob(f"{PREFIX}*"):
        if left != aside:
            remove(left)


class NewShard:
    """The new shard while it is written, at ``new_place``.

    Args:
        shard: folder of the old shard.
        description: content of ``collection.json``.
        pack: moves the points of a closed shard into memory maps; None: they stay in memory until it is closed.
        go_on: add to an existing new shard.
    """

    def __init__(self, shard: Path, description: dict[str, Any], pack: Pack | None = None, *, go_on: bool = False):
        import qdrant_edge as qe

        self.path, self._pack = new_place(shard), pack
        self._fresh = 0
        if go_on and self.path.exists():
            self._shard = qe.EdgeShard.load(str(self.path))
            return
        remove(self.path)
        config = described_config(description, graph=None, segments=SEGMENTS)
        self._shard = qe.EdgeShard.create(str(self.path), config)
        for field, kind in (description.get("indexes") or {"doc_id": "keyword"}).items():
            self._shard.update(qe.UpdateOperation.create_field_index(field, field_schema(kind)))

    def add(self, records: list[Any]) -> None:
        """Write records of the engine."""
        import qdrant_edge as qe

        if not records:
            return
        points = [qe.Point(record.id, record.vector, record.payload or {}) for record in records]
        self._shard.update(qe.UpdateOperation.upsert_points(points))
        self._fresh += len(points)
        if self._fresh >= PACK_POINTS and self._pack is not None:
            self.close()
            self._pack(self.path)
            self._shard = qe.EdgeShard.load(str(self.path))
            self._fresh = 0

    def count(self) -> int:
        return int(self._shard.info().points_count)

    def close(self) -> None:
        self._shard.flush()
        self._shard.close()


# ---- salvage, in child processes ----


def salvage(shard: Path, description: dict[str, Any], timeout: float = 3600.0) -> int:
    """Write the intact points of a closed, damaged shard into ``new_place`` and return their number.

    Child processes read the files, since these may crash the engine: first the whole shard; if it cannot be opened,
    each segment by itself, without the log.
    """
    import json

    remove(new_place(shard))
    wanted = json.dumps(description)
    found = _child(shard, new_place(shard), wanted, timeout)
    if found <= 0:
        piece = shard.with_name("shard.piece")
        for segment in sorted(shard.glob("segments/*")):
            remove(piece)
            copy_folder(segment, piece / "segments" / segment.name)
            found = max(found, _child(piece, new_place(shard), wanted, timeout))
        remove(piece)
    if found < 0:  # nothing could be read: write an empty shard
        _child(None, new_place(shard), wanted, timeout)
    return max(found, 0)


def _child(source: Path | None, target: Path, description: str, timeout: float) -> int:
    """Add the points of ``source`` to ``target`` and return the number there; -1 if it could not be read."""
    arguments = ("" if source is None else str(source), str(target.with_name("shard")), description)
    code = f"import sys; sys.path[:] = {sys.path!r}; from indexes.store.edge.rewrite import main; main(*{arguments!r})"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        return -1
    except OSError as error:
        raise StoreError(
            f"the process that reads damaged files cannot be started ({error})", remedy="check memory and limits"
        ) from error
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip().isdecimal() else -1


def main(source: str, shard: str, description_json: str) -> None:
    """In the child: add the intact points of ``source`` to the new shard of ``shard``; print their number."""
    import json

    import qdrant_edge as qe

    description = json.loads(description_json)
    old = qe.EdgeShard.load(source) if source else None  # if it raises or crashes, nothing has been written
    new = NewShard(Path(shard), description, go_on=True)
    if old is not None:
        for page in pages(old, whole=False):
            found = _readable(old, [record.id for record in page])
            new.add([record for record in found if _is_whole(record, description)])
    count = new.count()
    new.close()
    sys.stdout.write(f"{count}\n")
    sys.stdout.flush()


def _readable(shard: Any, ids: list[Any]) -> list[Any]:
    """Return the readable points of a page, read together or, if that fails, one by one."""
    try:
        return list(shard.retrieve(ids, True, True))
    except BaseException as error:
        if len(ids) <= 1:
            if isinstance(error, Exception) or is_panic(error):
                return []
            raise
    return [record for identity in ids for record in _readable(shard, [identity])]


def _is_whole(record: Any, description: dict[str, Any]) -> bool:
    """Return whether a record has its text, its own id, and plausible vectors."""
    from indexes.nodes.record import point_id

    payload = record.payload or {}
    if isinstance(payload.get("doc_id"), str) and isinstance(payload.get("position"), int):
        if not isinstance(payload.get("text"), str) or str(record.id) != point_id(
            payload["doc_id"], payload["position"]
        ):
            return False
    elif not payload:
        return False
    vectors = record.vector if isinstance(record.vector, dict) else {"": record.vector}
    for name, params in description["vectors"].items():
        row = np.asarray(vectors.get(name) if vectors.get(name) is not None else [], dtype=np.float64)
        if row.shape != (params["size"],) or not np.isfinite(row).all():
            return False
        cosine = str(params.get("distance")).lower() == "cosine"
        if cosine and not LENGTHS[0] < float(np.linalg.norm(row)) < LENGTHS[1]:
            return False
    return True


def discard(shard: Path) -> None:
    """Delete an unused new shard.

    >>> new_place(folder / "shard").mkdir()
    >>> discard(folder / "shard")
    >>> list(folder.iterdir())
    []
    """
    shutil.rmtree(new_place(shard), ignore_errors=True)
