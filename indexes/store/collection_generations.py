"""Generations of a collection: a reindex builds ``guide.2`` beside ``guide``, and then the name ``guide`` means it.

The first generation bears the name itself. Each later one records which name it is ``of``, its own ``name`` and its
``state`` ("building", then "ready"). Which one the name stands for is told by one value that is replaced in one step:
``moved_to`` in the record of the collection that bears the name or, once that is deleted, an alias of the store (which
every other program that reads the store follows too). An open ``Index`` is bound to its generation, not to the name:
it goes on asking the one whose model it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from qdrant_client import models

from indexes.store.collection import METADATA_KEY, check_collection, list_collections, read_record

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


def current(client: Any, name: str) -> str:
    """The collection that ``name`` stands for now; ``name`` itself where there is none."""
    if client.collection_exists(name):
        record = read_record(client, name)
        moved = record.get("moved_to")
        if moved and client.collection_exists(moved):
            return str(moved)
        return str(record.get("name") or name)
    # Between the deletion of the first generation and the making of the alias, or killed there.
    ready = [found for found in generations(client, name) if found.state == READY]
    return ready[-1].collection if ready else name


def generations(client: Any, name: str) -> list[Generation]:
    """All of one name, oldest first; also those that a killed reindex left unfinished."""
    found = []
    for collection in list_collections(client):
        base, _, number = collection.rpartition(".")
        if collection == name:
            found.append(Generation(collection, 1, READY, read_record(client, collection)))
        elif base == name and number.isdecimal():
            record = read_record(client, collection)
            if record.get("of") == name:
                found.append(Generation(collection, int(number), str(record.get("state")), record))
    return sorted(found, key=lambda generation: generation.number)


def next_name(client: Any, name: str) -> str:
    """A free name for the next generation (``guide.2``, ``guide.3`` ...)."""
    numbers = [generation.number for generation in generations(client, name)]
    number = max([1, *numbers]) + 1
    while client.collection_exists(f"{name}.{number}"):
        number += 1
    return f"{name}.{number}"


def base_name(client: Any, collection: str) -> str:
    """The name whose generation ``collection`` is: itself, for all but what a reindex made."""
    return str(read_record(client, collection).get("of") or collection)


def names(client: Any) -> list[str]:
    """Names of the store, each once, however many generations it has."""
    return sorted({base_name(client, collection) for collection in list_collections(client)})


def birth_record(name: str, collection: str) -> dict[str, Any]:
    """What a new generation records beside its fingerprint while it is being filled."""
    return {"of": name, "name": collection, "state": BUILDING}


def set_record(client: Any, collection: str, **values: Any) -> None:
    """Change values of a collection's record; one step for who reads it."""
    record = {**read_record(client, collection), **values}
    client.update_collection(collection, metadata={METADATA_KEY: record})


def switch(client: Any, name: str, to: str) -> None:
    """From now on ``name`` means the collection ``to``. One step; doing it again changes nothing."""
    set_record(client, to, state=READY)
    if name in list_collections(client):
        set_record(client, name, moved_to=to)
    else:
        make_alias(client, name, to)


def make_alias(client: Any, name: str, to: str) -> None:
    """``name`` as an alias of ``to``, in one request in place of what it was an alias of."""
    there = {item.alias_name: item.collection_name for item in client.get_aliases().aliases}
    if there.get(name) == to:
        return
    operations: list[Any] = []
    if name in there:
        operations.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name)))
    create = models.CreateAlias(collection_name=to, alias_name=name)
    operations.append(models.CreateAliasOperation(create_alias=create))
    client.update_collection_aliases(change_aliases_operations=operations)


def keep_name(client: Any, name: str) -> None:
    """Where no collection bears the name, see to it that an alias does."""
    now = current(client, name)
    if now != name and name not in list_collections(client):
        make_alias(client, name, now)


def former_names(client: Any, name: str) -> list[str]:
    """What generations before the newest were called that are no more."""
    there = set(list_collections(client))
    newest = max([generation.number for generation in generations(client, name)], default=1)
    called = [name, *(f"{name}.{number}" for number in range(2, newest))]
    return [collection for collection in called if collection not in there]


def superseded(client: Any, name: str) -> list[Generation]:
    """Generations that the name does not stand for: kept ones, and unfinished ones."""
    now = current(client, name)
    return [generation for generation in generations(client, name) if generation.collection != now]


def of_model(client: Any, name: str, digest: str) -> str | None:
    """The newest finished generation that this model filled."""
    fitting = [item for item in generations(client, name) if item.state == READY and item.digest == digest]
    return fitting[-1].collection if fitting else None


def drop_generation(client: Any, name: str, collection: str) -> None:
    """Delete one that the name does not stand for. Where it bore the name, the name becomes an alias.

    Raises:
        CollectionLockedError: embedded engine, another process has it open; it stays.
    """
    now = current(client, name)
    client.delete_collection(collection)
    if collection == name:
        make_alias(client, name, now)


def drop_name(client: Any, name: str) -> Iterator[str]:
    """Delete every generation of a name, the current one last; gives the deleted collections' names.

    Raises:
        CollectionNotFoundError: there is none.
    """
    check_collection(client, name)
    now = current(client, name)
    for generation in superseded(client, name):
        client.delete_collection(generation.collection)
        yield generation.collection
    client.delete_collection(now)
    yield now
