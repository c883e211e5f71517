"""convert: write a dataset in another format."""

from __future__ import annotations

from pathlib import Path

from eval.datasets import beir, flag_embedding, llama_index_qa, mteb_reranking, trec
from eval.datasets.dataset import Dataset
from eval.datasets.load import FORMATS
from indexes.errors import SourceError


def convert(dataset: Dataset, target: str | Path, to: str, *, negatives: int = 1, seed: int = 0) -> list[str]:
    """Write ``dataset`` to ``target`` and return notes on what the format cannot hold.

    Ids of queries and judged documents, questions and judgements come back from every format that ``load_dataset``
    reads.

    Args:
        target: a folder for "beir" and "trec", a file for the others.
        to: one of ``FORMATS``.
        negatives, seed: see ``flag_embedding.write``.

    Raises:
        SourceError: the format is unknown, cannot hold these ids, or needs texts that are not there.
    """
    place = Path(target).expanduser()
    folder = to in ("beir", "trec")
    if folder and place.is_file():
        raise SourceError(f"{place} is a file, and {to} is a folder", remedy="name a folder")
    if not folder and place.is_dir():
        raise SourceError(
            f"{place} is a folder, and {to} is one file", remedy=f"name a file, such as {place}/data.jsonl"
        )
    match to:
        case "beir":
            return beir.write(dataset, place)
        case "trec":
            return trec.write(dataset, place)
        case "mteb":
            return mteb_reranking.write(dataset, place)
        case "llama-index":
            return llama_index_qa.write(dataset, place)
        case "flag-embedding":
            return flag_embedding.write(dataset, place, negatives=negatives, seed=seed)
    raise SourceError(f"there is no format {to!r}", remedy=f"use one of: {', '.join(FORMATS)}")
