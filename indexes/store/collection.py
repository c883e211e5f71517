"""The schema of a collection, and the fingerprint of the model that filled it.

Named vectors ``dense`` (cosine) and ``sparse`` (with Qdrant's IDF where the encoder's lexical side wants it), one
payload index on ``doc_id``: without it deleting or filtering by document takes 100 times longer. Positions need no
index: neighbours are fetched by their computed ids. The fingerprint is kept in the collection's own metadata.
"""

from __future__ import annotations

from typing import Any

from qdrant_client.http import models

from indexes.encoders.base import Fingerprint
from indexes.errors import CollectionNotFoundError, FingerprintMismatchError, StoreError
from indexes.settings.sections import StoreSettings
from indexes.store.checks import check_name
from indexes.store.client import engine_of

DENSE = "dense"
SPARSE = "sparse"
METADATA_KEY = "ragwright"
SCHEMA_VERSION = 1


# float16 keeps four digits of a cosine, as many as a model that computes in bfloat16 has to give.
_DATATYPES = {"float16": models.Datatype.FLOAT16, "turbo8": models.Datatype.TURBO8}


def ensure_collection(
    client: Any,
    name: str,
    *,
    fingerprint: Fingerprint,
    idf: bool,
    settings: StoreSettings,
    extra: dict[str, Any] | None = None,
) -> None:
    """Create the collection, or check that the one there was built with the same model.

    Args:
        idf: the sparse vector carries Modifier.IDF (``encoder.lexical.idf``).
        extra: JSON values to record beside the fingerprint of a new collection (``read_record`` gives them back).

    Raises:
        FingerprintMismatchError: it is there, of another model.
        StoreError: a bad name, or settings that this engine cannot meet.
    """
    check_name(name)
    if client.collection_exists(name):
        check_fingerprint(client, name, fingerprint)
        return
    engine = engine_of(client)
    has_sparse = fingerprint.sparse != "none"
    options: dict[str, Any] = {}
    if engine == "server":
        options["shard_number"] = settings.shard_number
        options["replication_factor"] = settings.replication_factor
        options["on_disk_payload"] = True
        if settings.quantization == "int8":
            options["quantization_config"] = models.ScalarQuantization(
                scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
            )
    _check_quantization(engine, settings)
    client.create_collection(
        name,
        vectors_config={
            DENSE: models.VectorParams(
                size=fingerprint.dim,
                distance=models.Distance.COSINE,
                on_disk=settings.on_disk or None,
                datatype=_DATATYPES.get(settings.quantization),
            )
        },
        sparse_vectors_config={
            SPARSE: models.SparseVectorParams(
                modifier=models.Modifier.IDF if idf else None,
                index=models.SparseIndexParams(on_disk=True) if settings.on_disk else None,
            )
        }
        if has_sparse
        else None,
        metadata={
            METADATA_KEY: {
                "schema": SCHEMA_VERSION,
                "fingerprint": {**fingerprint.as_dict(), "digest": fingerprint.digest},
                **(extra or {}),
            }
        },
        **options,
    )
    if engine in ("edge", "server"):  # the local mode has no payload indexes and warns about it
        client.create_payload_index(name, field_name="doc_id", field_schema=models.PayloadSchemaType.KEYWORD)


def _check_quantization(engine: str, settings: StoreSettings) -> None:
    fits = {"int8": ("server",), "turbo8": ("edge",)}
    if settings.quantization in fits and engine not in fits[settings.quantization]:
        other = "turbo8" if engine == "edge" else "int8" if engine == "server" else "float16"
        raise StoreError(
            f"store.quantization = '{settings.quantization}' is not to be had from this engine ({engine})",
            remedy=f"set store.quantization to '{other}' or 'float16'",
        )


def read_record(client: Any, name: str) -> dict[str, Any]:
    """All that RagWright recorded when it created the collection; {} where another program did.

    On the embedded engine this opens and locks nothing.

    Raises:
        CollectionNotFoundError: there is none of that name.
    """
    check_collection(client, name)
    if hasattr(client, "collection_metadata"):
        metadata = client.collection_metadata(name)
    else:
        metadata = client.get_collection(name).config.metadata or {}
    return dict(metadata.get(METADATA_KEY) or {})


def read_fingerprint(client: Any, name: str) -> dict[str, Any] | None:
    """The recorded fingerprint (its fields and "digest"), or None where the collection has none."""
    return read_record(client, name).get("fingerprint")


def check_fingerprint(client: Any, name: str, fingerprint: Fingerprint) -> None:
    """Refuse a collection that another model filled: its vectors mean something else.

    Raises:
        CollectionNotFoundError, FingerprintMismatchError.
    """
    record = read_record(client, name)
    there = record.get("fingerprint")
    if there is None:
        raise FingerprintMismatchError(
            f"collection {name!r} does not say which model filled it, so it was not built by RagWright",
            remedy="choose another collection name, or delete this one and ingest again",
        )
    if there.get("digest") == fingerprint.digest:
        return
    here = fingerprint.as_dict()
    differing = [
        f"{key} {there.get(key)!r} against {value!r}" for key, value in here.items() if there.get(key) != value
    ]
    raise FingerprintMismatchError(
        f"collection {name!r} was built with model {there.get('model')!r} and is opened with {fingerprint.model!r} "
        f"({', '.join(differing) or 'other weights'})",
        remedy=f"move it to this model: rag ingest --reindex --collection {record.get('of') or name}; or set the "
        f"encoder (provider and model) back to {there.get('model')!r}, or choose another collection",
    )


def check_collection(client: Any, name: str) -> None:
    """Raises CollectionNotFoundError, with the names that exist."""
    check_name(name)
    if client.collection_exists(name):
        return
    there = ", ".join(list_collections(client)) or "none"
    raise CollectionNotFoundError(
        f"there is no collection {name!r} (there: {there})",
        remedy=f"build it first: rag ingest PATH --collection {name}",
    )


def list_collections(client: Any) -> list[str]:
    """Names, sorted. Opens and locks nothing."""
    return sorted(item.name for item in client.get_collections().collections)


def drop_collection(client: Any, name: str) -> None:
    """Delete the collection and its points.

    Raises:
        CollectionNotFoundError: there is none of that name.
    """
    check_collection(client, name)
    client.delete_collection(name)


def has_sparse(client: Any, name: str) -> bool:
    """True when the collection stores the lexical leg."""
    recorded = read_fingerprint(client, name)
    if recorded is not None:
        return recorded.get("sparse", "none") != "none"
    return SPARSE in (client.get_collection(name).config.params.sparse_vectors or {})
