"""False answers and false refusals of a pipeline."""

from __future__ import annotations

from typing import Any

import pytest

from eval.answers.abstention import measure_abstention
from indexes.errors import SourceError


class Engine:
    """Answers where the document that holds the answer may be read; refuses the first question always."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.first = next(iter(dataset.queries.values()))

    def answer(self, question: str, filters: Any = None) -> Any:
        query = next(q for q, text in self.dataset.queries.items() if text == question)
        gold = self.dataset.answers(query)[0][0] if self.dataset.answers(query) else ""
        allowed = None if filters is None else set(filters.filters[0].value)
        refuse = question == self.first or (allowed is not None and len(allowed) < len(self.dataset.corpus) - 1)
        status = "not_found" if refuse else "extractive"
        return type("Response", (), {"response": gold, "metadata": {"status": status}})()


def test_shares(made_up_dataset: Any) -> None:
    found = measure_abstention(Engine(made_up_dataset), made_up_dataset)
    assert found.questions > 2 and found.false_refusals == pytest.approx(1 / found.questions)
    assert found.right == pytest.approx(1 - 1 / found.questions) and 0 <= found.false_answers <= 1


def test_a_dataset_without_answers_is_refused(made_up_dataset: Any) -> None:
    from dataclasses import replace

    bare = replace(made_up_dataset, queries={}, qrels={})
    with pytest.raises(SourceError, match="no question with gold answers"):
        measure_abstention(Engine(made_up_dataset), bare)
