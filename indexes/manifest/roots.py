"""Roots: the ingested folders, each with a short label, and the names of files relative to their root.

A document's id is label and relative path (``docs/guide/a.md``), its ``source`` the relative path alone. So the
collection does not depend on the location of a folder: only the manifest knows it, and a moved folder is recognised by
its files. Labels are unique in a collection; two roots may both have a README.md.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

UPLOAD = "upload:"  # label of the folder of uploaded files
SAMPLE = 64  # files checked to recognise a moved folder


@dataclass(frozen=True, slots=True)
class Root:
    """An ingested folder.

    >>> [Root("docs", "/srv/docs", deep).covers("/srv/docs/old/a.md") for deep in (True, False)]
    [True, False]

    Args:
        label: short unique name.
        path: absolute path, links resolved.
        deep: whether sub-folders are included (else only files directly in it).
    """

    label: str
    path: str
    deep: bool = True

    def covers(self, source: str) -> bool:
        folder = os.path.dirname(source)  # noqa: PTH120 - names need not be UTF-8
        return folder == self.path or (self.deep and _is_below(folder, self.path))


@dataclass(frozen=True, slots=True)
class RootedPath:
    """The place of a file: ``name`` relative to its root, and ``doc_id``, unique in the collection.

    >>> RootedPath("old/a.md", "docs/old/a.md").file_name
    'a.md'
    """

    name: str
    doc_id: str

    @property
    def file_name(self) -> str:
        return self.name.rpartition("/")[2]


class Roots:
    """The roots of a collection.

    >>> roots = Roots([Root("docs", "/srv/docs")])
    >>> roots.place("/srv/docs/old/a.md")
    RootedPath(name='old/a.md', doc_id='docs/old/a.md')
    >>> roots.add_folder("/home/ada/docs")
    >>> roots.place("/home/ada/docs/a.md").doc_id
    'docs-2/a.md'

    Args:
        known: roots in the manifest.
        taken: label -> digest of the path in the collection's record; other machines may have added some.
        save: called with each new root, and with one that has become deep.
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
        """Add a folder that is read with its sub-folders."""
        there = self._roots.get(folder)
        if there is not None and not there.deep:
            self._keep(replace(there, deep=True))
        elif there is None and not any(root.deep and _is_below(folder, root.path) for root in self._roots.values()):
            self._keep(Root(self._label(folder), folder))

    def add_uploads(self, folder: str) -> None:
        """Add a folder of uploads, each in a separate folder; the id is made of the name alone (``upload:a.md``)."""
        there = self._roots.get(folder)
        if there is None or there.label != UPLOAD:
            self._keep(Root(UPLOAD, folder))

    def root_of(self, source: str) -> Root:
        """Return the innermost root that a file lies in; without one, its folder becomes a root."""
        root = max((r for r in self._roots.values() if r.covers(source)), key=lambda r: len(r.path), default=None)
        if root is None:
            folder = os.path.dirname(source)  # noqa: PTH120
            root = self._keep(Root(self._label(folder), folder, deep=False))
        return root

    def place(self, source: str) -> RootedPath:
        """Return the place of a file in its root."""
        root = self.root_of(source)
        name = source[len(root.path) :].lstrip("/")
        if root.label == UPLOAD:
            name = name.partition("/")[2] or name
            return RootedPath(name, f"{UPLOAD}{name}")
        return RootedPath(name, f"{root.label}/{name}")

    def record(self) -> dict[str, str]:
        """Return label -> digest of the path, for the collection's record: without names of folders of this machine."""
        return self._taken | {root.label: _path_digest(root.path) for root in self._roots.values()}

    def moved(self, folder: str, sizes: Callable[[str], Sequence[tuple[str, int]]]) -> Root | None:
        """Return the root that was moved to ``folder``: its path is gone, and most of its files are here.

        Args:
            sizes: returns (absolute path, size) of the files of a root.
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
        digest = _path_digest(folder)
        for label, taken in self._taken.items():
            if taken == digest and label not in labels:
                return label  # the manifest was lost, but the collection has the label
        base = os.path.basename(folder).rstrip(":") or "root"  # noqa: PTH119
        label, number = base, 1
        while label in labels or label in self._taken:
            number += 1
            label = f"{base}-{number}"
        return label


def _path_digest(path: str) -> str:
    """Return a hash of a path: the same path has the same digest, but cannot be read from it."""
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return None
