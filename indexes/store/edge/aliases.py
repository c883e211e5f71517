"""Aliases of the embedded engine: second names of collections, in one small file that is replaced atomically."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from indexes.errors import DamagedError, StoreError
from indexes.files import remove, write_json
from indexes.store import models
from indexes.store.checks import check_name
from indexes.store.edge.record import RecordFile

FILE = "aliases.json"  # alias -> collection


class EdgeAliases:
    """The calls on aliases, with the rules of a server: an alias names a collection and differs from all their names.

    ``root`` has one folder per collection.

    >>> (folder / "guide.2").mkdir()
    >>> _ = (folder / "guide.2" / "collection.json").write_text("{}")
    >>> store = EdgeAliases()
    >>> store.root = folder
    >>> alias = models.CreateAlias(collection_name="guide.2", alias_name="guide")
    >>> store.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
    True
    >>> [(one.alias_name, one.collection_name) for one in store.get_aliases().aliases]
    [('guide', 'guide.2')]
    """

    root: Path

    def get_aliases(self, **kwargs: Any) -> models.CollectionsAliasesResponse:
        found = [
            models.AliasDescription(alias_name=alias, collection_name=name)
            for alias, name in sorted(self._aliases().items())
        ]
        return models.CollectionsAliasesResponse(aliases=found)

    def update_collection_aliases(self, change_aliases_operations: Sequence[Any], **kwargs: Any) -> bool:
        """Apply all operations atomically, or none."""
        aliases = self._aliases()
        for operation in change_aliases_operations:
            if models.is_a(operation, "DeleteAliasOperation"):
                aliases.pop(operation.delete_alias.alias_name, None)
                continue
            if models.is_a(operation, "CreateAliasOperation"):
                alias, name = operation.create_alias.alias_name, operation.create_alias.collection_name
            elif models.is_a(operation, "RenameAliasOperation"):
                alias, old = operation.rename_alias.new_alias_name, operation.rename_alias.old_alias_name
                if old not in aliases:
                    raise StoreError(f"there is no alias {old!r} in {self.root}", remedy="create it")
                name = aliases.pop(old)
            else:
                raise NotImplementedError(f"the embedded engine has no {type(operation).__name__}")
            if not self._is_collection(name):
                raise StoreError(f"there is no collection {name!r} in {self.root}", remedy="name an existing one")
            if self._is_collection(check_name(alias)):
                raise StoreError(
                    f"{alias!r} cannot be an alias: a collection in {self.root} has that name",
                    remedy="delete that collection first",
                )
            aliases[alias] = name
        self._write_aliases(aliases)
        return True

    def _is_collection(self, name: str) -> bool:
        return RecordFile(self.root / name).exists()

    def _real(self, name: str) -> str:
        """Return the collection that an alias names; ``name`` itself if it is not an alias.

        A killed deletion leaves an alias of a missing collection: it does not count, and a new collection may have that
        name.
        """
        if self._is_collection(name):
            return name
        target = self._aliases().get(name, name)
        return target if self._is_collection(target) else name

    def _aliases(self) -> dict[str, str]:
        path = self.root / FILE
        try:
            found = json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
            raise DamagedError("default", f"the file of the collections' second names, {path}, is damaged")
        return found

    def forget_aliases(self) -> None:
        """Delete the damaged file; ``Generations.keep_name`` creates the aliases anew."""
        remove(self.root / FILE)

    def _forget_aliases_of(self, name: str) -> None:
        aliases = self._aliases()
        kept = {alias: target for alias, target in aliases.items() if target != name}
        if kept != aliases:
            self._write_aliases(kept)

    def _write_aliases(self, aliases: dict[str, str]) -> None:
        write_json(self.root / FILE, aliases, durable=True)
