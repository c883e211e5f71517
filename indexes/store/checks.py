"""Checks before every write: names, dimensions, finite numbers, sorted sparse indices, free disk space.

The embedded engine accepts NaN and repeated sparse indices, writes an empty point for an unknown vector name, and dies
of SIGBUS when the disk fills up under its memory maps.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexes.errors import DiskSpaceError, StoreError
from indexes.registry import later
from indexes.text.characters import HAN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = later("numpy")

_NAME = re.compile(rf"[A-Za-z0-9_\-{HAN}][A-Za-z0-9_.\-{HAN}]{{0,79}}")
MEGABYTE = 1 << 20


def check_name(name: object) -> str:
    """Return a collection's name if it is valid (it is also a folder name).

    >>> check_name("handbook-2026")
    'handbook-2026'

    Raises:
        StoreError: not 1 to 80 letters, digits, Chinese characters, '_', '-' and '.', or '.' at the beginning.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise StoreError(
            f"{name!r} cannot be a collection's name",
            remedy="use 1 to 80 letters, digits, Chinese characters, '_', '-' or '.', not beginning with '.'",
        )
    return name


def check_new_name(name: str) -> None:
    """Raise StoreError for a name reserved for generations (``guide.2``, which a reindex of ``guide`` creates).

    >>> check_new_name("guide-2")
    >>> check_new_name("guide.2")
    Traceback (most recent call last):
        ...
    indexes.errors.StoreError: 'guide.2' cannot be the name of a new collection: a reindex of 'guide' uses such
    names; call it guide-2, or another name that does not end in a dot and a number
    """
    base, dot, number = check_name(name).rpartition(".")
    if dot and number.isdecimal():
        raise StoreError(
            f"{name!r} cannot be the name of a new collection: a reindex of {base!r} uses such names",
            remedy=f"call it {base}-{number}, or another name that does not end in a dot and a number",
        )


def check_disk(folder: Path, *, min_free_mb: int, needed_bytes: int = 0) -> None:
    """Raise DiskSpaceError if less than ``min_free_mb`` MB would be free after writing ``needed_bytes``.

    >>> check_disk(folder, min_free_mb=0)
    >>> try:
    ...     check_disk(folder, min_free_mb=1 << 40)
    ... except DiskSpaceError as error:
    ...     print(error.remedy)
    free disk space, move store.path to a larger disk, or lower store.min_free_mb
    """
    free = shutil.disk_usage(folder).free
    if free < min_free_mb * MEGABYTE + needed_bytes:
        raise DiskSpaceError(
            f"only {free // MEGABYTE} MB are free at {folder}, and {min_free_mb} MB must stay free "
            f"after a write of about {-(-needed_bytes // MEGABYTE)} MB",
            remedy="free disk space, move store.path to a larger disk, or lower store.min_free_mb",
        )


def check_room_to_open(folder: Path) -> None:
    """Check that a collection on tmpfs can be opened.

    There, opening touches every page of the engine's memory maps, holes included, and each takes memory; other file
    systems fill a hole only when it is written.

    Raises:
        DiskSpaceError: there is not enough room; the engine would die of SIGBUS.
    """
    free, needed = shutil.disk_usage(folder).free, _holes_of(folder) if _is_tmpfs(folder) else 0
    if free < needed:
        raise DiskSpaceError(
            f"only {free // MEGABYTE} MB are free at {folder}, and opening the collection takes "
            f"{-(-needed // MEGABYTE)} MB",
            remedy="free disk space, or move store.path to a disk",
        )


def disk_bytes(*folders: Path) -> int:
    """Return the bytes that folders occupy on the disk: blocks, not lengths, as memory maps are sparse files.

    >>> with (folder / "sparse").open("wb") as stream:
    ...     _ = stream.truncate(1 << 30)
    >>> disk_bytes(folder) < 1 << 20
    True
    """
    return sum(f.stat().st_blocks * 512 for folder in folders for f in folder.rglob("*") if f.is_file())


def _holes_of(folder: Path) -> int:
    """Return the bytes of the holes in the files below ``folder``: in their length, but not on the disk."""
    found = (file.stat() for file in folder.rglob("*") if file.is_file())
    return sum(max(status.st_size - 512 * status.st_blocks, 0) for status in found)


def _is_tmpfs(folder: Path) -> bool:
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError), Path("/proc/self/mountinfo").open(encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            place, _, kind = line.partition(" - ")
            if place.split()[2] == wanted:
                return kind.startswith("tmpfs ")
    return False


def check_dense(vectors: NDArray[Any], *, dim: int, name: str = "dense") -> None:
    """Raise StoreError unless ``vectors`` has the shape (n, dim) and is finite.

    >>> check_dense(np.zeros((2, 384)), dim=384)
    >>> check_dense(np.zeros((2, 512)), dim=384)
    Traceback (most recent call last):
        ...
    indexes.errors.StoreError: the collection's vector 'dense' has 384 dimensions, and a vector of 512 was given;
    encode with the model the collection was built with
    >>> check_dense(np.array([[0.1, 0.2], [np.nan, 0.2]]), dim=2)
    Traceback (most recent call last):
        ...
    indexes.errors.StoreError: vector 'dense' number 1 of the batch holds NaN or infinity; the model overflowed: set
    encoder.dtype to float32, or leave that text out
    """
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        found = vectors.shape[-1] if vectors.ndim else 0
        raise StoreError(
            f"the collection's vector {name!r} has {dim} dimensions, and a vector of {found} was given",
            remedy="encode with the model the collection was built with",
        )
    if not np.isfinite(vectors).all():
        bad = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise StoreError(
            f"vector {name!r} number {bad} of the batch holds NaN or infinity",
            remedy="the model overflowed: set encoder.dtype to float32, or leave that text out",
        )


def check_sparse(vectors: Sequence[Any], *, name: str = "sparse", sorted_: bool = True) -> None:
    """Raise StoreError unless every vector has one finite value per index and no index twice.

    >>> from indexes.store import models
    >>> check_sparse([models.SparseVector(indices=[3, 8], values=[0.5, 1.0])])
    >>> check_sparse([models.SparseVector(indices=[8, 3], values=[1.0, 0.5])])
    Traceback (most recent call last):
        ...
    indexes.errors.StoreError: sparse vector 'sparse' number 0 of the batch holds indices that repeat or are not
    ascending; give sorted, unique uint32 indices with one finite weight each

    Args:
        sorted_: require ascending indices as well.
    """
    if not vectors:
        return
    lengths = [len(vector.indices) for vector in vectors]
    if lengths != [len(vector.values) for vector in vectors]:
        raise _sparse_error(name, next(i for i, v in enumerate(vectors) if len(v.indices) != len(v.values)), "lengths")
    if not sum(lengths):
        return
    indices = np.concatenate([np.asarray(vector.indices, dtype=np.int64) for vector in vectors])
    values = np.concatenate([np.asarray(vector.values, dtype=np.float64) for vector in vectors])
    owner = np.repeat(np.arange(len(vectors)), lengths)
    if not np.isfinite(values).all():
        raise _sparse_error(name, int(owner[~np.isfinite(values)][0]), "NaN or infinity")
    if indices.min() < 0 or indices.max() > 0xFFFFFFFF:
        raise _sparse_error(name, int(owner[(indices < 0) | (indices > 0xFFFFFFFF)][0]), "an index outside uint32")
    if not sorted_:
        order = np.lexsort((indices, owner))
        indices, owner = indices[order], owner[order]
    wrong = (np.diff(indices) <= 0) & (np.diff(owner) == 0)
    if wrong.any():
        what = "indices that repeat or are not ascending" if sorted_ else "an index twice"
        raise _sparse_error(name, int(owner[1:][wrong][0]), what)


def _sparse_error(name: str, position: int, what: str) -> StoreError:
    if what == "lengths":
        what = "a different number of indices and values"
    return StoreError(
        f"sparse vector {name!r} number {position} of the batch holds {what}",
        remedy="give sorted, unique uint32 indices with one finite weight each",
    )
