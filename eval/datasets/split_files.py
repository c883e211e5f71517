"""Split files: one file per split (train.jsonl, validation.jsonl, test.jsonl), in a folder or named individually.

Each file has any single-file format, and together they are one dataset. Each of them may number its questions from 1,
so a question's id is prefixed with its split ("train-q1"); documents keep their ids. Files of a teacher's scores, which
often lie beside them, are skipped and named in a note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eval.datasets.dataset import Dataset
from eval.datasets.rows import BadRows, json_rows
from indexes.display import counted
from indexes.errors import SettingsError, SourceError

SPLITS = ("train", "dev", "test")
ENDINGS = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
_WORD = re.compile(
    r"(?:^|[^a-z])(?:(train)|(dev|val|valid|validation|development)|(test))(?:ing|set|data|split)?(?:$|[^a-z])"
)
_PART = re.compile(r"(train|dev|test)=(.+)")
SCORES = ("score", "scores", "label", "labels", "logit", "logits")


@dataclass(frozen=True)
class SplitFiles:
    """Split -> its file; ``aside`` are skipped files of a teacher's scores."""

    place: str
    files: dict[str, Path]
    aside: tuple[Path, ...] = field(default=())

    def file(self, split: str) -> Path:
        """Return the file of a split; other names of a split are known ("validation" is "dev").

        Raises:
            SourceError: there is no such file.

        >>> SplitFiles("data", {"dev": Path("validation.jsonl")}).file("validation").name
        'validation.jsonl'
        """
        name = find_split(self.files, split)
        if name is None:
            raise SourceError(
                f"{self.place} has no file for the split {split!r}",
                remedy=f"use one of: {', '.join(sorted(self.files))}",
            )
        return self.files[name]

    def named(self, dataset: Dataset, split: str) -> Dataset:
        """Return a file's dataset as one split of the whole: ids prefixed, named after the folder."""
        part = find_split(self.files, split) or split

        def prefixed(values: dict[str, Any]) -> dict[str, Any]:
            return {f"{part}-{query}": value for query, value in values.items()}

        notes = [
            f"{path.name} holds a teacher's scores and is skipped (to train on it: --teacher file:{path})"
            for path in self.aside
        ]
        return replace(
            dataset,
            name=Path(self.place).name if len(spec_parts(self.place)) == 0 else dataset.name,
            queries=prefixed(dataset.queries),
            qrels=prefixed(dataset.qrels),
            extra=prefixed(dataset.extra),
            candidates=prefixed(dataset.candidates),
            split=split,
            path=self.place,
            notes=[*dataset.notes, *notes],
        )


def find(place: str | Path, is_dataset: Callable[[Path], bool]) -> SplitFiles | None:
    """Return the split files of a folder, or those named by ``joined``; None if ``place`` is something else.

    >>> for name in ("train.jsonl", "test.jsonl"):
    ...     (folder / name).touch()
    >>> found = find(folder, is_dataset=lambda file: True)
    >>> {split: file.name for split, file in found.files.items()}
    {'test': 'test.jsonl', 'train': 'train.jsonl'}

    Args:
        is_dataset: returns whether a file is a dataset in a single-file format.

    Raises:
        SourceError: two files have the same split, or a named file does not exist.
    """
    if parts := spec_parts(place):
        if missing := [path for path in parts.values() if not path.is_file()]:
            raise SourceError(f"there is no file at {missing[0]}", remedy="check the path")
        return SplitFiles(str(place), parts)
    folder = Path(place).expanduser()
    if not folder.is_dir():
        return None
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name.lower().endswith(ENDINGS))
    aside = [file for file in files if _holds_scores(file)]
    named: dict[str, list[Path]] = {}
    for file in files:
        split = split_of(file.name)
        if split and file not in aside and is_dataset(file):
            named.setdefault(split, []).append(file)
    if not named or len(files) == 1:  # a single file can be any split
        return None
    for split, found in named.items():
        if len(found) > 1:
            raise SourceError(
                f"{folder} has {counted(len(found), 'file')} for the split {split!r}: "
                f"{', '.join(file.name for file in found)}",
                remedy=f"name the one you mean: --{split} {found[0]}",
            )
    return SplitFiles(str(place), {split: found[0] for split, found in named.items()}, tuple(aside))


def joined(dataset: str | None, files: dict[str, Path | None]) -> str:
    """Return individually named files as one text that ``find`` reads, or ``dataset`` if none are named.

    Raises:
        SettingsError: both or neither are named.

    >>> joined(None, {"train": Path("a.jsonl"), "test": Path("b.jsonl")})
    'train=a.jsonl,test=b.jsonl'
    """
    given = {split: path for split, path in files.items() if path is not None}
    if not given:
        if dataset is None:
            raise SettingsError("no dataset is named", remedy="name a folder or file, or --train FILE --test FILE")
        return dataset
    if dataset is not None:
        raise SettingsError(
            f"{dataset} and --{next(iter(given))} are both named", remedy="name a folder, or a file for each split"
        )
    if strange := [path for path in given.values() if "," in str(path)]:
        raise SettingsError(f"the path {strange[0]} holds a comma", remedy="rename the file, or put it into a folder")
    return ",".join(f"{split}={path}" for split, path in given.items())


def spec_parts(place: str | Path) -> dict[str, Path]:
    """Parse the text that ``joined`` returns into split -> file; {} for any other text.

    >>> sorted(spec_parts("train=a.jsonl,test=b.jsonl")), spec_parts("data")
    (['test', 'train'], {})
    """
    matches = [_PART.fullmatch(part) for part in str(place).split(",")]
    return {match[1]: Path(match[2]).expanduser() for match in matches if match} if all(matches) else {}


def find_split(known: Iterable[str], wanted: str) -> str | None:
    """Return the name in ``known`` that means the split ``wanted``; other names of a split are known ("val").

    >>> find_split(["train", "validation"], "dev")
    'validation'
    """
    known = list(known)
    if wanted in known:
        return wanted
    part = split_of(wanted)
    return next((name for name in known if part and split_of(name) == part), None)


def split_of(name: str) -> str | None:
    """Return the split that a file's name contains: "train", "dev", "test" or None.

    >>> [split_of(name) for name in ("msmarco.train.jsonl", "validation-set.jsonl", "contest.jsonl")]
    ['train', 'dev', None]
    """
    match = _WORD.search(name.lower().split(".json")[0])
    return next((split for split, group in zip(SPLITS, match.groups(), strict=True) if group), None) if match else None


def _holds_scores(file: Path) -> bool:
    """Return whether the file's rows are a teacher's scores for single texts, not lists of judged texts."""
    if ".jsonl" not in file.name.lower():
        return False
    row = next((row for _, row in json_rows(file, BadRows())), {})
    return is_score_row(row)


def is_score_row(row: dict[str, Any]) -> bool:
    """Return whether a row is a teacher's: {query, passage, score}, {query, positive, negative, label} or similar.

    >>> is_score_row({"query": "How long?", "passage": "Three months.", "score": 0.9})
    True
    >>> is_score_row({"query": "How long?", "positive": ["Three months."], "score": 0.9})
    False
    """
    lists = any(isinstance(row.get(key), list) for key in ("positive", "pos"))
    return "query" in row and any(key in row for key in SCORES) and not lists
