"""load_dataset: recognise a dataset's format and read it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from eval.datasets import beir, flag_embedding, llama_index_qa, mteb_reranking, split_files, trec
from eval.datasets.dataset import Dataset
from eval.datasets.rows import BadRows, json_rows, read_text
from indexes.errors import MissingExtraError, SourceError

_READERS: dict[str, Any] = {
    "beir": beir.read,
    "trec": trec.read,
    "mteb": mteb_reranking.read,
    "llama-index": llama_index_qa.read,
    "flag-embedding": flag_embedding.read,
}
FORMATS = tuple(_READERS)
_HUB_NAME = re.compile(r"^[\w.-]+/[\w.-]+$")
# Datasets that the MTEB organisation publishes in BEIR's layout on the Hugging Face hub.
_HUB_SETS = ("scifact", "nfcorpus", "fiqa", "arguana", "scidocs", "trec-covid", "quora", "hotpotqa", "nq", "msmarco")


def load_dataset(path: str | Path, split: str = "test") -> Dataset:
    """Read a dataset of any known format.

    Args:
        path: a folder (BEIR, TREC) or file (MTEB reranking jsonl, TREC qrels, LlamaIndex JSON, FlagEmbedding jsonl); a
            folder with one such file per split (train.jsonl, validation.jsonl, test.jsonl), or these files by name
            ("train=a.jsonl,test=b.jsonl"); or the name of a public dataset (``scifact``, or ``owner/name`` on the
            Hugging Face hub), which is downloaded.
        split: "test", "train", ...; a single file has one split, which gets this name.

    Raises:
        SourceError: nothing is there, the format is unknown, or rows are bad (all are named with their line numbers).

    >>> file = folder / "pairs.jsonl"
    >>> _ = file.write_text('{"query": "How long?", "pos": ["Three months."], "neg": ["Blue."]}')
    >>> dataset = load_dataset(file)
    >>> dataset.queries, [dataset.corpus[name].text for name in dataset.relevant("q1")]
    ({'q1': 'How long?'}, ['Three months.'])
    """
    if (files := _split_files(path)) is not None:
        return files.named(_judged(_read(files.file(split), split), files.place, split), split)
    place = Path(path).expanduser()
    if not place.exists():
        name = f"mteb/{path}" if str(path) in _HUB_SETS else str(path)
        if not _HUB_NAME.match(name) or name.startswith((".", "/")):
            raise SourceError(
                f"there is no dataset at {place}", remedy=f"name a folder or file of: {', '.join(FORMATS)}"
            )
        place = _download(name)
        if _split_files(place) is not None:
            return load_dataset(place, split)
    return _judged(_read(place, split), place, split)


def _split_files(place: str | Path) -> split_files.SplitFiles | None:
    folder = Path(place).expanduser()
    known = folder.is_dir() and (beir.recognise(folder) or trec.recognise(folder))
    return None if known else split_files.find(place, _is_dataset)


def _is_dataset(file: Path) -> bool:
    try:
        return bool(recognise(file))
    except SourceError:
        return False


def _read(place: Path, split: str) -> Dataset:
    dataset: Dataset = _READERS[recognise(place)](_file(place), split)
    return dataset


def _judged(dataset: Dataset, place: str | Path, split: str) -> Dataset:
    if not dataset.queries:
        raise SourceError(f"{place} has no judged query in the split {split!r}", remedy="check the split and the qrels")
    return dataset


def splits_of(place: Path) -> list[str]:
    """Return the splits that a folder's qrels or file names give; [] for a single file, which can take any name.

    File names are searched for "train", "dev" (or "validation") and "test".

    >>> for name in ("train.jsonl", "validation.jsonl"):
    ...     _ = (folder / name).write_text('{"query": "How long?", "pos": ["Three months."], "neg": ["Blue."]}')
    >>> splits_of(folder)
    ['dev', 'train']
    """
    if (files := _split_files(place)) is not None:
        return sorted(files.files)
    if beir.recognise(place):
        return beir.splits(place)
    return trec.splits(place) if trec.recognise(place) and place.is_dir() else []


def recognise(place: Path) -> str:
    """Return the format of a folder or file, one of ``FORMATS``.

    Raises:
        SourceError: the format is none of them.

    >>> file = folder / "pairs.jsonl"
    >>> _ = file.write_text('{"query": "How long?", "positive": ["Three months."], "negative": ["Blue."]}')
    >>> recognise(file)
    'mteb'
    """
    if beir.recognise(place):
        return "beir"
    if trec.recognise(place):
        return "trec"
    if place.is_dir():
        return recognise(_file(place))
    if ".jsonl" in place.name:
        row = next((row for _, row in json_rows(place, BadRows())), {})
        if split_files.is_score_row(row):
            raise SourceError(
                f"{place} holds a teacher's scores, not judged questions",
                remedy=f"train on it with --teacher file:{place}, and name the dataset that it scores",
            )
        if mteb_reranking.recognise(row):
            return "mteb"
        if flag_embedding.recognise(row):
            return "flag-embedding"
    elif ".json" in place.name and llama_index_qa.recognise(_json(place)):
        return "llama-index"
    raise SourceError(
        f"{place} is in an unknown format",
        remedy="use a BEIR folder, TREC qrels, MTEB reranking jsonl, a LlamaIndex QA json or FlagEmbedding jsonl",
    )


def _file(place: Path) -> Path:
    """Return the only JSON file of a folder that holds nothing else."""
    if not place.is_dir() or beir.recognise(place) or trec.recognise(place):
        return place
    files = sorted(file for file in place.iterdir() if file.name.endswith((".json", ".jsonl", ".jsonl.gz")))
    if len(files) != 1:
        raise SourceError(
            f"{place} is not a dataset: it has {len(files)} JSON files, none of them named after a split, and neither "
            "qrels nor a BEIR layout",
            remedy="name one file, or one per split: --train FILE --test FILE" if files else "check the path",
        )
    return files[0]


def _json(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except ValueError:
        return None


def _download(name: str) -> Path:
    """Download a dataset repository into the hub's own cache."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtraError.of(
            "huggingface_hub", needed_for=f"downloading {name}", install="pip install huggingface_hub"
        ) from error
    try:
        folder = snapshot_download(
            name, repo_type="dataset", allow_patterns=["*.jsonl", "*.jsonl.gz", "*.json", "*.tsv", "*.tsv.gz"]
        )
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise SourceError(
            f"there is no dataset at {name}, and it could not be downloaded from the hub ({reason})",
            remedy="download it on a machine that reaches the hub, and name the folder",
        ) from error
    return Path(folder)
