"""Race: encoding with BGE-M3 against the usual LlamaIndex recipe.

The recipe is HuggingFaceEmbedding for the dense vectors (its batches of 10) and a ``sparse_doc_fn`` around
FlagEmbedding's M3Embedder for the sparse ones, called for 64 texts at a time as QdrantVectorStore does. Both read
the same checkpoint of BGE-M3's width with random weights; speed does not depend on the weights.

    python -m eval.bench encode --texts 48 --rounds 2      (about 5 minutes)
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.bench.checkpoints import bge_m3_checkpoint, made_up_sentences
from eval.bench.timing import Facts, Rows, alternate, command, pace
from eval.finetune.training.options import option
from indexes.encoders.base import Encoded, Encoder
from indexes.encoders.bge_m3 import BgeM3
from indexes.encoders.torch_runtime import cpu_computes_bfloat16, quiet_loading
from indexes.settings.sections import EncoderSettings

RECIPE = "recipe"
STORE_BATCH = 64  # QdrantVectorStore's batch_size


@dataclass(frozen=True)
class Options:
    """``hidden`` 1024, ``layers`` 24 and ``heads`` 16 are BGE-M3's."""

    texts: int = option(48, "number of sentences to encode")
    rounds: int = option(2, "turns each")
    layers: int = option(24, "layers of the network (BGE-M3: 24)")
    hidden: int = option(1024, "width of the network (BGE-M3: 1024)")
    batch_tokens: int = option(4096, "maximum tokens per batch of ours")
    threads: int = option(1, "torch threads")


def run(options: Options) -> tuple[Rows, Facts]:
    """Build the checkpoint, check that the vectors agree, and run the race."""
    texts = made_up_sentences(options.texts)
    question = "Which chapter compares dense and sparse vectors?"
    with tempfile.TemporaryDirectory() as name:
        folder = bge_m3_checkpoint(
            Path(name),
            [*made_up_sentences(2000, seed=1), question],
            hidden=options.hidden,
            layers=options.layers,
            heads=max(1, options.hidden // 64),
            vocabulary=2000,
        )
        with quiet_loading():
            recipe = Recipe(folder)
        formats = ["float32", *(["bfloat16"] if cpu_computes_bfloat16() else [])]
        ours = {dtype: _encoder(folder, dtype, options.batch_tokens) for dtype in formats}

    dense, sparse = recipe.documents(texts)
    agreement = {dtype: _agreement(encoder.encode_documents(texts), dense, sparse) for dtype, encoder in ours.items()}
    recipe.query(question)
    documents: dict[str, Callable[[], object]] = {RECIPE: lambda: recipe.documents(texts)}
    queries: dict[str, Callable[[], object]] = {RECIPE: lambda: recipe.query(question)}
    for dtype, encoder in ours.items():
        documents[dtype] = partial(encoder.encode_documents, texts)
        queries[dtype] = partial(encoder.encode_queries, [question])
    rows: list[dict[str, object]] = []
    for what, contestants, rounds in (
        (f"{len(texts)} sentences", documents, options.rounds),
        ("1 question", queries, options.rounds * 3),
    ):
        seconds = alternate(contestants, rounds, warm_up=False)  # comparing the vectors above was the warm-up
        same = agreement if contestants is documents else {}
        rows += [{"what": what, **pace(seconds, RECIPE, name), **same.get(name, {})} for name in contestants]
    return rows, {"layers": options.layers, "hidden": options.hidden, "batch_tokens": options.batch_tokens}


class Recipe:
    """The recipe of LlamaIndex's documentation and hybrid-search examples."""

    def __init__(self, folder: Path) -> None:
        from FlagEmbedding import BGEM3FlagModel
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        self.dense = HuggingFaceEmbedding(model_name=str(folder), device="cpu")
        self.sparse = BGEM3FlagModel(str(folder), use_fp16=False, devices="cpu")

    def documents(self, texts: list[str]) -> tuple[NDArray[np.float32], list[dict[str, float]]]:
        dense = np.array(self.dense.get_text_embedding_batch(texts), dtype=np.float32)
        sparse: list[dict[str, float]] = []
        for start in range(0, len(texts), STORE_BATCH):
            sparse += self.lexical(texts[start : start + STORE_BATCH])
        return dense, sparse

    def query(self, text: str) -> tuple[list[float], list[dict[str, float]]]:
        return self.dense.get_query_embedding(text), self.lexical([text])

    def lexical(self, texts: list[str]) -> list[dict[str, float]]:
        """Return token id -> weight per text, for sparse_doc_fn and sparse_query_fn."""
        answer = self.sparse.encode(texts, return_dense=False, return_sparse=True, return_colbert_vecs=False)
        return list(answer["lexical_weights"])


def _encoder(folder: Path, dtype: str, batch_tokens: int) -> Encoder:
    settings = EncoderSettings(model=str(folder), device="cpu", dtype=dtype, batch_tokens=batch_tokens)  # type: ignore[arg-type]
    return BgeM3(settings)


def _agreement(ours: Encoded, dense: NDArray[np.float32], sparse: Sequence[dict[str, float]]) -> dict[str, object]:
    """Return the smallest dense cosine and the largest difference of a term's weight (0 for missing terms)."""
    assert ours.sparse is not None  # noqa: S101 (BGE-M3 always has them)
    largest, terms, same = 0.0, 0, 0
    for vector, expected in zip(ours.sparse, sparse, strict=True):
        found = dict(zip(vector.indices.tolist(), vector.values.tolist(), strict=True))
        wanted = {int(key): float(value) for key, value in expected.items()}
        for key in found.keys() | wanted.keys():
            largest = max(largest, abs(found.get(key, 0.0) - wanted.get(key, 0.0)))
        terms += len(wanted)
        same += len(found.keys() & wanted.keys())
    return {
        "cosine_min": round(float((ours.dense * dense).sum(axis=1).min()), 7),
        "sparse_max_difference": float(f"{largest:.2g}"),
        "terms_in_common": f"{same}/{terms}",
    }


main = command(Options, run)
