"""Generations of a collection: a reindex builds ``guide.2`` beside ``guide``, to which ``guide`` refers afterwards.

The first generation has the name itself. Each later one records which name it is ``of``, its own ``name`` and its
``state`` ("building", then "ready"). One value, replaced atomically, decides to which generation the name refers:
``moved_to`` in the record of the collection with that name or, once that is deleted, an alias of the store (which other
programs follow too). An open ``Index`` is bound to its generation, not to the name, since it has the matching model.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from indexes.errors import DamagedError, StoreError
from indexes.store import models
from indexes.store.collection import Collection, collection_names
from indexes.store.engine import Engine

BUILDING, READY = "building", "ready"


class Generation(NamedTuple):
    """One generation of a name. ``number`` is 1 for the collection with the name itself.

    >>> Generation("guide.2", 2, READY, {"fingerprint": {"model": "BAAI/bge-m3", "digest": "f3ab"}}).digest
    'f3ab'
    """

    collection: str
    number: int
    state: str
    record: dict[str, Any]

    @property
    def digest(self) -> str:
        """Digest of the fingerprint of the model that filled it."""
        return str((self.record.get("fingerprint") or {}).get("digest", ""))


def base_name(engine: Engine, collection: str) -> str:
    """Return the name of which ``collection`` is a generation; itself unless a reindex created it.

    >>> from indexes.encoders.base import Fingerprint
    >>> from indexes.settings.sections import StoreSettings
    >>> from indexes.store.client import open_engine
    >>> store, made = StoreSettings(url=":memory:", quantization="none"), Fingerprint("demo", "", 2, "mean")
    >>> engine = open_engine(store)
    >>> Collection(engine, "guide.2").ensure(made, idf=False, settings=store, extra={"of": "guide"})
    >>> base_name(engine, "guide.2")
    'guide'
    """
    try:
        return str(Collection(engine, collection).record().get("of") or collection)
    except DamagedError:  # must not hide other collections
        return collection


def base_names(engine: Engine) -> list[str]:
    """Return the names in the store, each once, however many generations it has.

    >>> from indexes.encoders.base import Fingerprint
    >>> from indexes.settings.sections import StoreSettings
    >>> from indexes.store.client import open_engine
    >>> store, made = StoreSettings(url=":memory:", quantization="none"), Fingerprint("demo", "", 2, "mean")
    >>> engine = open_engine(store)
    >>> for name, record in (("notes", {}), ("guide.2", {"of": "guide"}), ("guide.3", {"of": "guide"})):
    ...     Collection(engine, name).ensure(made, idf=False, settings=store, extra=record)
    >>> base_names(engine)
    ['guide', 'notes']
    """
    return sorted({base_name(engine, collection) for collection in collection_names(engine)})


class Generations:
    """All generations of one name.

    >>> from indexes.settings.sections import StoreSettings
    >>> from indexes.store.client import open_engine
    >>> Generations(open_engine(StoreSettings(url=":memory:")), "guide").next_name()
    'guide.2'
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name

    def of(self, collection: str) -> Collection:
        """Return the collection of a generation, which need not exist yet."""
        return Collection(self.engine, collection)

    def _bears(self, collection: str) -> bool:
        return self.engine.calls.collection_exists(collection)

    def current(self) -> str:
        """Return the collection to which the name refers now; the name itself if there is none."""
        if self._bears(self.name):
            record = self.of(self.name).record()
            moved = record.get("moved_to")
            if moved and self._bears(moved):
                return str(moved)
            return str(record.get("name") or self.name)
        # Between (or killed between) the deletion of the first generation and the creation of the alias.
        ready = [found for found in self.all() if found.state == READY]
        return ready[-1].collection if ready else self.name

    def all(self) -> list[Generation]:
        """Return all generations, oldest first, including unfinished ones of a killed reindex."""
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
        """Return the generations to which the name does not refer: older and unfinished ones."""
        now = self.current()
        return [generation for generation in self.all() if generation.collection != now]

    def of_model(self, digest: str) -> str | None:
        """Return the newest finished generation filled by the model with this digest; None if there is none."""
        fitting = [item for item in self.all() if item.state == READY and item.digest == digest]
        return fitting[-1].collection if fitting else None

    def next_name(self) -> str:
        """Return a free name for the next generation (``guide.2``, ``guide.3`` ...)."""
        number = max([1, *(generation.number for generation in self.all())]) + 1
        while self._bears(f"{self.name}.{number}"):
            number += 1
        return f"{self.name}.{number}"

    def birth_record(self, collection: str) -> dict[str, Any]:
        """Return the values to record in a new generation while it is filled."""
        return {"of": self.name, "name": collection, "state": BUILDING}

    def switch(self, to: str) -> None:
        """Make the name refer to the collection ``to``. Atomic and idempotent."""
        self.of(to).set_record(state=READY)
        if self.name in collection_names(self.engine):
            self.of(self.name).set_record(moved_to=to)
        else:
            self._make_alias(to)

    def _make_alias(self, to: str) -> None:
        """Make the name an alias of ``to``, replacing an existing alias in the same request."""
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
        """Make the name an alias if no collection has it."""
        now = self.current()
        if now != self.name and self.name not in collection_names(self.engine):
            self._make_alias(now)

    def former_names(self) -> list[str]:
        """Return the names of deleted generations before the newest one."""
        there = set(collection_names(self.engine))
        newest = max([generation.number for generation in self.all()], default=1)
        called = [self.name, *(f"{self.name}.{number}" for number in range(2, newest))]
        return [collection for collection in called if collection not in there]

    def drop(self, collection: str) -> None:
        """Delete a generation to which the name does not refer. If it had the name itself, the name becomes an alias.

        Raises:
            CollectionLockedError: embedded engine, another process has it open; it is not deleted.
        """
        now = self.current()
        self.engine.calls.delete_collection(collection)
        if collection == self.name:
            self._make_alias(now)

    def names(self) -> list[str]:
        """Return the collections of this name, the current one last. Their records need not be readable."""
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
        """Return whether a collection is a generation of this name; by its name alone if it cannot be read."""
        try:
            return self.of(collection).record().get("of") == self.name
        except StoreError:
            return True
