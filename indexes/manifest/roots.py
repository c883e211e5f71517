"""Roots: the folders that were ingested, by a short label each, and every file's name within its root.

A document's id is label and relative path (``docs/guide/a.md``), its ``source`` the relative path alone. So nothing in
the collection depends on where a folder lies: the manifest alone knows, and a folder that was moved is found again by
what lies in it. Labels are unique in a collection; two roots may both hold a README.md.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

UPLOAD = "upload:"  # label of the folder of uploaded files
SAMPLE = 64  # files that are looked for when a folder may be one that was moved


@dataclass(frozen=True, slots=True)
class Root:
    """Args: path: absolute, links resolved; deep: all below it belongs to it (else only files directly in it)."""

    label: str
    path: str
    deep: bool = True

    def covers(self, source: str) -> bool:
        folder = os.path.dirname(source)  # noqa: PTH120 - names may be no UTF-8
        return folder == self.path or (self.deep and _is_below(folder, self.path))


@dataclass(frozen=True, slots=True)
class RootedPath:
    """Where a file is found: ``name`` within its root, ``doc_id`` unique in the collection."""

    name: str
    doc_id: str

    @property
    def file_name(self) -> str:
        return self.name.rpartition("/")[2]


class Roots:
    """The roots of a collection.

    Args:
        known: of the manifest.
        taken: label -> ``path_digest``, as the collection records it; other machines may have added theirs.
        save: called with a root that is new or has become deep.
    """

    def __init__(
        self,
        known: Iterable[Root],
        taken: Mapping[str, str] | None = None,
        save: Callable[[Root], object] = lambda root: None,
    ) -> None:
        self._roots = {root.path: root for root in known}
        self._taken, self._save = dict(taken or {}), save

    def add_folder(self, folder: str) -> None:
        """``folder`` is read with all below it."""
        there = self._roots.get(folder)
        if there is not None and not there.deep:
            self._keep(replace(there, deep=True))
        elif there is None and not any(root.deep and _is_below(folder, root.path) for root in self._roots.values()):
            self._keep(Root(self._label(folder), folder))

    def add_uploads(self, folder: str) -> None:
        """``folder`` holds uploads, each in a folder of its own: its name alone makes its id (``upload:a.md``)."""
        there = self._roots.get(folder)
        if there is None or there.label != UPLOAD:
            self._keep(Root(UPLOAD, folder))

    def place(self, source: str) -> RootedPath:
        """The place of a file, in the innermost root that it lies in; its folder becomes a root where there is none."""
        root = max((r for r in self._roots.values() if r.covers(source)), key=lambda r: len(r.path), default=None)
        if root is None:
            folder = os.path.dirname(source)  # noqa: PTH120
            root = self._keep(Root(self._label(folder), folder, deep=False))
        name = source[len(root.path) :].lstrip("/")
        if root.label == UPLOAD:
            name = name.partition("/")[2] or name
            return RootedPath(name, f"{UPLOAD}{name}")
        return RootedPath(name, f"{root.label}/{name}")

    def record(self) -> dict[str, str]:
        """What the collection is to record: label -> digest of its path, which names no folder of this machine."""
        return self._taken | {root.label: path_digest(root.path) for root in self._roots.values()}

    def moved(self, folder: str, sizes: Callable[[str], Sequence[tuple[str, int]]]) -> Root | None:
        """The root that was moved to ``folder``: it is gone from its place, and most of its files lie here.

        Args:
            sizes: gives (absolute path, size) of the files of a root.
        """
        if any(root.covers(os.path.join(folder, "x")) for root in self._roots.values()):  # noqa: PTH118
            return None
        best: tuple[float, Root] | None = None
        for root in self._roots.values():
            if not root.deep or root.label == UPLOAD or os.path.lexists(root.path):
                continue
            files = sizes(root.path)[:SAMPLE]
            here = sum(_size(folder + path[len(root.path) :]) == size for path, size in files)
            if here * 2 >= len(files) > 0 and (best is None or here / len(files) > best[0]):
                best = here / len(files), root
        return best[1] if best else None

    def _keep(self, root: Root) -> Root:
        self._roots[root.path] = root
        self._save(root)
        return root

    def _label(self, folder: str) -> str:
        labels = {root.label for root in self._roots.values()}
        digest = path_digest(folder)
        for label, taken in self._taken.items():
            if taken == digest and label not in labels:
                return label  # the manifest was lost, the collection remembers
        base = os.path.basename(folder).rstrip(":") or "root"  # noqa: PTH119
        label, number = base, 1
        while label in labels or label in self._taken:
            number += 1
            label = f"{base}-{number}"
        return label


def path_digest(path: str) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return None
