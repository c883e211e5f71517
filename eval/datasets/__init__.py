"""Datasets: questions, documents and judgements, read and written in all common formats."""

from __future__ import annotations

from eval.datasets.convert import convert
from eval.datasets.dataset import CorpusPassage, Dataset
from eval.datasets.load import FORMATS, load_dataset, recognise, splits_of

__all__ = ["FORMATS", "CorpusPassage", "Dataset", "convert", "load_dataset", "recognise", "splits_of"]
