"""convert: write a dataset in another format."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from eval.datasets import beir, flag_embedding, llama_index_qa, mteb_reranking, trec
from eval.datasets.dataset import Dataset
from eval.datasets.load import FORMATS
from indexes.errors import SourceError

ENDINGS = {"mteb": ".jsonl", "flag-embedding": ".jsonl", "llama-index": ".json"}  # of the formats of one file


def convert(
    dataset: Dataset, target: str | Path, to: str, *, negatives: int = 1, seed: int = 0, overwrite: bool = False
) -> list[str]:
    """Write ``dataset`` to ``target``, and return notes on what the format cannot hold.

    Questions, judgements and the ids of queries and judged documents survive a round trip through each format.
    Documents, questions and other splits already in a folder are kept; writing the same dataset again changes nothing.

    Args:
        target: a folder for "beir" and "trec", a file for the others.
        to: one of ``FORMATS``.
        negatives, seed: see ``flag_embedding.write``.
        overwrite: whether to replace other content under the same split, id or file name.

    Raises:
        SourceError: the format is unknown, cannot hold these ids or needs texts that are missing, or ``target`` holds
            other content under the same names.

    >>> from eval.datasets.dataset import CorpusPassage
    >>> notice = CorpusPassage("d1", text="Notice is three months.")
    >>> dataset = Dataset("mine", {"d1": notice}, {"q1": "How long is the notice?"}, {"q1": {"d1": 1}})
    >>> convert(dataset, folder / "mine", "beir")
    []
    >>> sorted(path.name for path in (folder / "mine").iterdir())
    ['corpus.jsonl', 'qrels', 'queries.jsonl']
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
    raise SourceError(f"unknown format {to!r}", remedy=f"use one of: {', '.join(FORMATS)}")


def _file(place: Path, overwrite: bool, write: Callable[[Path], list[str]]) -> list[str]:
    """Write a file beside ``place``, then rename it to ``place`` unless that exists with other content."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".convert-") as folder:
        beside = Path(folder, place.resolve().parent.name, place.name)  # FlagEmbedding looks at both names
        beside.parent.mkdir(exist_ok=True)
        notes = write(beside)
        if place.exists() and not overwrite and place.read_bytes() != beside.read_bytes():
            raise SourceError(
                f"{place} already exists with other content", remedy="name another file, or add --overwrite"
            )
        beside.replace(place)
    return notes
