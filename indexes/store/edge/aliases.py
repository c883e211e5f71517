"""Aliases of the embedded engine: second names of collections, in one small file that is replaced in one step."""

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
    """The three calls about aliases, with a server's rules: an alias points at a collection, and bears no collection's
    name. ``root`` holds one folder a collection."""

    root: Path

    def get_aliases(self, **kwargs: Any) -> models.CollectionsAliasesResponse:
        found = [
            models.AliasDescription(alias_name=alias, collection_name=name)
            for alias, name in sorted(self._aliases().items())
        ]
        return models.CollectionsAliasesResponse(aliases=found)

    def update_collection_aliases(self, change_aliases_operations: Sequence[Any], **kwargs: Any) -> bool:
        """All of the operations in one step, or none."""
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
                raise StoreError(f"there is no collection {name!r} in {self.root}", remedy="name one that is there")
            if self._is_collection(check_name(alias)):
                raise StoreError(
                    f"a collection in {self.root} is called {alias!r}, so no alias can be",
                    remedy="delete that collection first",
                )
            aliases[alias] = name
        self._write_aliases(aliases)
        return True

    def _is_collection(self, name: str) -> bool:
        return RecordFile(self.root / name).exists()

    def _real(self, name: str) -> str:
        """The collection that ``name`` stands for; ``name`` itself where it is not an alias.

        A deletion that was killed leaves an alias of nothing: what is made under that name bears it itself.
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
        """Away with the file, which is damaged; ``Generations.keep_name`` makes the aliases again."""
        remove(self.root / FILE)

    def _forget_aliases_of(self, name: str) -> None:
        aliases = self._aliases()
        kept = {alias: target for alias, target in aliases.items() if target != name}
        if kept != aliases:
            self._write_aliases(kept)

    def _write_aliases(self, aliases: dict[str, str]) -> None:
        write_json(self.root / FILE, aliases, durable=True)
