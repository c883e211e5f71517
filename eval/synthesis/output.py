"""The output of ``synthesize``: checks before the first question, and the files at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from eval.datasets import FORMATS, Dataset, convert
from eval.datasets.convert import ENDINGS
from indexes.errors import SettingsError, SourceError

Check = Literal["llm", "words", "none"]
FOLDERS = ("beir", "trec")  # both splits in one folder, with one corpus


def check_output(folder: Path, to: str, *, corpus: bool, ids: Iterable[str] = ()) -> Path:
    """Check that the output can be written, and return the work file's path.

    >>> check_output(folder / "questions", "beir", corpus=True).name
    'questions.work.jsonl'
    >>> check_output(folder / "questions", "flag-embedding", corpus=False)
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: flag-embedding needs the passages' texts; leave them out only with beir or trec

    Raises:
        SettingsError: the format is unknown or needs texts, or the output exists without a work file.
        SourceError: the format cannot hold the passages' ids.
    """
    if to not in FORMATS:
        raise SettingsError(f"unknown format {to!r}", remedy=f"use one of: {', '.join(FORMATS)}")
    if not corpus and to not in FOLDERS:
        raise SettingsError(
            f"{to} needs the passages' texts", remedy=f"leave them out only with {' or '.join(FOLDERS)}"
        )
    work = folder.with_name(f"{folder.name}.work.jsonl")
    there = folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    if folder.is_file() or (there and not work.exists()):
        raise SettingsError(f"{folder} already exists, without {work.name} beside it", remedy="name another folder")
    unfit = " \t\n\r\f\v" if to == "trec" else "\t\n\r" if to == "beir" else ""
    bad = next((name for name in ids if any(char in name for char in unfit)), None)
    if bad is not None:
        raise SourceError(
            f"the passage id {bad!r} contains white space, which {to} does not allow",
            remedy="write another format" + (", such as beir" if to == "trec" else ""),
        )
    return work


def check_arguments(counts: Mapping[str, int | None], share: float, check: str) -> None:
    """Refuse counts below 1, a share outside 0 to 1, and an unknown check.

    >>> check_arguments({"limit": None, "per_passage": 3}, share=0.2, check="words")
    >>> check_arguments({"per_passage": 0}, share=0.2, check="words")
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: per_passage = 0 is too low; use 1 or more

    Raises:
        SettingsError: an argument is refused; the error names the allowed values.
    """
    for name, value in counts.items():
        if value is not None and value < 1:
            raise SettingsError(f"{name} = {value} is too low", remedy="use 1 or more")
    if not 0 <= share <= 1:
        raise SettingsError(f"test_share = {share} is not a share", remedy="use a number between 0 and 1")
    if check not in get_args(Check):
        raise SettingsError(f"unknown check {check!r}", remedy=f"use one of: {', '.join(get_args(Check))}")


def write_splits(
    datasets: dict[str, Dataset], folder: Path, to: str, *, corpus: bool, seed: int
) -> tuple[list[str], list[str]]:
    """Write the splits that have questions, and return the paths and notes.

    >>> from eval.datasets.dataset import CorpusPassage
    >>> notice = {"d1": CorpusPassage("d1", text="Notice is three months.")}
    >>> train = Dataset("mine", notice, {"q1": "How long?"}, {"q1": {"d1": 1}}, split="train")
    >>> splits = {"train": train, "test": Dataset("mine", {}, {}, {})}
    >>> files, notes = write_splits(splits, folder, "beir", corpus=True, seed=0)
    >>> notes, sorted(path.name for path in folder.rglob("*.*"))
    (['the test split has no questions and is not written'], ['corpus.jsonl', 'queries.jsonl', 'train.tsv'])
    """
    files: list[str] = []
    notes: list[str] = []
    _clear(folder)
    whole = {name: passage for dataset in datasets.values() for name, passage in dataset.corpus.items()}
    for split, dataset in datasets.items():
        if not dataset.queries:
            notes.append(f"the {split} split has no questions and is not written")
            continue
        if to in FOLDERS:
            target = folder
            written = convert(replace(dataset, corpus=whole if corpus else {}), target, to)
        else:
            target = folder / f"{split}{ENDINGS[to]}"
            target.parent.mkdir(parents=True, exist_ok=True)
            written = convert(dataset, target, to, seed=seed)
        notes += [f"{split}: {note}" for note in written]
        files.append(str(target))
    return list(dict.fromkeys(files)), notes


def _clear(folder: Path) -> None:
    """Delete the files of an earlier run, so that its questions do not mix with these."""
    names = ["queries.jsonl", "corpus.jsonl"]
    for split in ("train", "test"):
        names += [f"qrels/{split}.tsv", f"qrels.{split}.trec", f"{split}.jsonl", f"{split}.json"]
    for name in names:
        (folder / name).unlink(missing_ok=True)
