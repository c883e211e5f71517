"""convert: write a dataset in another format."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from eval.datasets import beir, flag_embedding, llama_index_qa, mteb_reranking, trec
from eval.datasets.dataset import Dataset
from eval.datasets.load import FORMATS
from indexes.errors import SourceError


def convert(
    dataset: Dataset, target: str | Path, to: str, *, negatives: int = 1, seed: int = 0, overwrite: bool = False
) -> list[str]:
    """Write ``dataset`` to ``target`` and return notes on what the format cannot hold.

    Ids of queries and judged documents, questions and judgements come back from every format that ``load_dataset``
    reads. Documents, questions and other splits that a folder holds already stay; an exact repeat changes nothing.

    Args:
        target: a folder for "beir" and "trec", a file for the others.
        to: one of ``FORMATS``.
        negatives, seed: see ``flag_embedding.write``.
        overwrite: replace what stands there under the same split, id or name and is something else.

    Raises:
        SourceError: the format is unknown, cannot hold these ids, needs texts that are not there, or something else
            stands at ``target`` under the same names.
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
            return beir.write(dataset, place, overwrite=overwrite)
        case "trec":
            return trec.write(dataset, place, overwrite=overwrite)
        case "mteb":
            return _file(place, overwrite, lambda file: mteb_reranking.write(dataset, file))
        case "llama-index":
            return _file(place, overwrite, lambda file: llama_index_qa.write(dataset, file))
        case "flag-embedding":
            return _file(
                place, overwrite, lambda file: flag_embedding.write(dataset, file, negatives=negatives, seed=seed)
            )
    raise SourceError(f"there is no format {to!r}", remedy=f"use one of: {', '.join(FORMATS)}")


def _file(place: Path, overwrite: bool, write: Callable[[Path], list[str]]) -> list[str]:
    """Write a file beside ``place``, and put it there unless something else stands there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".convert-") as folder:
        beside = Path(folder, place.resolve().parent.name, place.name)  # FlagEmbedding goes by both names
        beside.parent.mkdir(exist_ok=True)
        notes = write(beside)
        if place.exists() and not overwrite and place.read_bytes() != beside.read_bytes():
            raise SourceError(
                f"{place} exists already and holds something else", remedy="name another file, or add --overwrite"
            )
        beside.replace(place)
    return notes
