"""Generations of a collection: a reindex builds ``guide.2`` beside ``guide``, and then the name ``guide`` means it.

The first generation bears the name itself. Each later one records which name it is ``of``, its own ``name`` and its
``state`` ("building", then "ready"). Which one the name stands for is told by one value that is replaced in one step:
``moved_to`` in the record of the collection that bears the name or, once that is deleted, an alias of the store (which
every other program that reads the store follows too). An open ``Index`` is bound to its generation, not to the name:
it goes on asking the one whose model it has.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from indexes.errors import DamagedError, StoreError
from indexes.store import models
from indexes.store.collection import Collection, collection_names
from indexes.store.engine import Engine

BUILDING, READY = "building", "ready"


class Generation(NamedTuple):
    """One collection of a name. ``number`` is 1 for the one that bears the name itself."""

    collection: str
    number: int
    state: str
    record: dict[str, Any]

    @property
    def digest(self) -> str:
        """Of the model that filled it."""
        return str((self.record.get("fingerprint") or {}).get("digest", ""))


def base_name(engine: Engine, collection: str) -> str:
    """Return the name whose generation ``collection`` is: itself, for all but what a reindex made."""
    try:
        return str(Collection(engine, collection).record().get("of") or collection)
    except DamagedError:  # it must not hide others
        return collection


def base_names(engine: Engine) -> list[str]:
    """Return the names of the store, each once, however many generations it has."""
    return sorted({base_name(engine, collection) for collection in collection_names(engine)})


class Generations:
    """All collections of one name."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name

    def of(self, collection: str) -> Collection:
        """Return one of them, or one that is to be made."""
        return Collection(self.engine, collection)

    def _bears(self, collection: str) -> bool:
        return self.engine.calls.collection_exists(collection)

    def current(self) -> str:
        """Return the collection that the name stands for now; the name itself where there is none."""
        if self._bears(self.name):
            record = self.of(self.name).record()
            moved = record.get("moved_to")
            if moved and self._bears(moved):
                return str(moved)
            return str(record.get("name") or self.name)
        # Between the deletion of the first generation and the making of the alias, or killed there.
        ready = [found for found in self.all() if found.state == READY]
        return ready[-1].collection if ready else self.name

    def all(self) -> list[Generation]:
        """Return them, oldest first; also those that a killed reindex left unfinished."""
        found = []
        for collection in collection_names(self.engine):
            base, _, number = collection.rpartition(".")
            if collection == self.name:
                found.append(Generation(collection, 1, READY, self.of(collection).record()))
            elif base == self.name and number.isdecimal():
                record = self.of(collection).record()
                if record.get("of") == self.name:
                    found.append(Generation(collection, int(number), str(record.get("state")), record))
        return sorted(found, key=lambda generation: generation.number)

    def superseded(self) -> list[Generation]:
        """Return those that the name does not stand for: kept ones, and unfinished ones."""
        now = self.current()
        return [generation for generation in self.all() if generation.collection != now]

    def of_model(self, digest: str) -> str | None:
        """Return the newest finished one that this model filled."""
        fitting = [item for item in self.all() if item.state == READY and item.digest == digest]
        return fitting[-1].collection if fitting else None

    def next_name(self) -> str:
        """Return a free name for the next one (``guide.2``, ``guide.3`` ...)."""
        number = max([1, *(generation.number for generation in self.all())]) + 1
        while self._bears(f"{self.name}.{number}"):
            number += 1
        return f"{self.name}.{number}"

    def birth_record(self, collection: str) -> dict[str, Any]:
        """Return what a new one records beside its fingerprint while it is being filled."""
        return {"of": self.name, "name": collection, "state": BUILDING}

    def switch(self, to: str) -> None:
        """Let the name mean the collection ``to`` from now on. One step; doing it again changes nothing."""
        self.of(to).set_record(state=READY)
        if self.name in collection_names(self.engine):
            self.of(self.name).set_record(moved_to=to)
        else:
            self._make_alias(to)

    def _make_alias(self, to: str) -> None:
        """The name as an alias of ``to``, in one request in place of what it was an alias of."""
        client = self.engine.calls
        there = {item.alias_name: item.collection_name for item in client.get_aliases().aliases}
        if there.get(self.name) == to:
            return
        operations: list[Any] = []
        if self.name in there:
            operations.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self.name)))
        create = models.CreateAlias(collection_name=to, alias_name=self.name)
        operations.append(models.CreateAliasOperation(create_alias=create))
        client.update_collection_aliases(change_aliases_operations=operations)

    def keep_name(self) -> None:
        """Where no collection bears the name, see to it that an alias does."""
        now = self.current()
        if now != self.name and self.name not in collection_names(self.engine):
            self._make_alias(now)

    def former_names(self) -> list[str]:
        """Return what those before the newest were called that are no more."""
        there = set(collection_names(self.engine))
        newest = max([generation.number for generation in self.all()], default=1)
        called = [self.name, *(f"{self.name}.{number}" for number in range(2, newest))]
        return [collection for collection in called if collection not in there]

    def drop(self, collection: str) -> None:
        """Delete one that the name does not stand for. Where it bore the name, the name becomes an alias.

        Raises:
            CollectionLockedError: embedded engine, another process has it open; it stays.
        """
        now = self.current()
        self.engine.calls.delete_collection(collection)
        if collection == self.name:
            self._make_alias(now)

    def names(self) -> list[str]:
        """Return the collections of this name, the one it stands for last. Their records need not be readable."""
        found = []
        for collection in collection_names(self.engine):
            base, _, number = collection.rpartition(".")
            if collection == self.name or (base == self.name and number.isdecimal() and self._is_ours(collection)):
                found.append(collection)
        try:
            now = self.current()
        except StoreError:
            now = self.name
        return sorted(found, key=lambda collection: (collection == now, collection))

    def _is_ours(self, collection: str) -> bool:
        """What cannot be read and is called like a generation is one: no other collection may be called so."""
        try:
            return self.of(collection).record().get("of") == self.name
        except StoreError:
            return True
