"""The settings besides the model that shape the vectors of given sentences, kept in the collection's record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexes.settings.sections import IndexSettings

if TYPE_CHECKING:
    from indexes.store.collection import Collection

SHAPE = "shape"  # in a collection's record: ``vector_shape`` of what filled it


def vector_shape(settings: IndexSettings) -> dict[str, object]:
    """Return the settings that shape the vectors of given sentences, as recorded in a collection.

    >>> split = {"place": 0.5, "contextual": "title"}
    >>> vector_shape(IndexSettings(split=split))["split.place"]
    0.0
    """
    split, sparse = settings.split, settings.sparse
    shape: dict[str, object] = {
        "sparse.window": sparse.window,
        "sparse.neighbours": sparse.neighbours,
        "sparse.place": sparse.place,
        "split.contextual": split.contextual,
        "split.dense_context": split.dense_context,
        "split.place": split.place if split.contextual == "none" else 0.0,
        "split.passage": split.passage,
    }
    if split.dense_context:
        shape["split.dense_context_of"] = split.dense_context_of
    if split.passage:
        shape["split.passage_reading"] = split.passage_reading
        shape["lengths"] = "kept"  # before 0.2.0 the mean of two vectors was normalised
    return shape


def as_built(settings: IndexSettings, store: Collection) -> tuple[IndexSettings, str | None]:
    """Return the settings with which sentences join a collection, and a note if those are not as configured.

    A collection that was built without passages stores vectors of length 1, in which the mean of two would rank wrong.

    >>> from types import SimpleNamespace
    >>> store = SimpleNamespace(name="guide", record=lambda: {}, keeps_lengths=lambda: False)
    >>> settings, note = as_built(IndexSettings(split={"passage": 150}), store)
    >>> settings.split.passage, note.partition(" (")[0]
    (0, "collection 'guide' was built without passages")
    """
    if not settings.split.passage or store.keeps_lengths():
        return settings, None
    name = store.record().get("of") or store.name
    alone = settings.model_copy(update={"split": settings.split.model_copy(update={"passage": 0})})
    return alone, (
        f"collection {name!r} was built without passages (split.passage is {settings.split.passage} now), so new "
        f"sentences are read alone too; to read all of them in their passages: rag ingest --reindex --collection {name}"
    )


def other_shape(record: dict[str, Any], settings: IndexSettings) -> list[str]:
    """Return the settings with which a collection's vectors were made, if they differ from the current ones.

    >>> other_shape({SHAPE: vector_shape(IndexSettings())}, IndexSettings(sparse={"window": 2}))
    ['sparse.window = 3, now 2']

    Args:
        record: the collection's record; without this entry, it had neither places nor passages.
    """
    here, there = vector_shape(settings), record.get(SHAPE)
    if not isinstance(there, dict):
        there = {"split.place": 0.0, "split.passage": 0}
        here = {key: here[key] for key in there}
    return [
        f"{key} = {there.get(key)!r}, now {here.get(key)!r}"
        for key in {**there, **here}
        if there.get(key) != here.get(key)
    ]
