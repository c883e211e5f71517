"""The examples in docstrings print what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from tests import ROOT

FLOORS = ("indexes", "rag", "eval")
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for floor in FLOORS
    for path in (ROOT / floor).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module(module: str, tmp_path: Path) -> None:
    """In an example, ``folder`` is an empty folder."""
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for number, examples in enumerate(doctest.DocTestFinder().find(importlib.import_module(module))):
        examples.globs["folder"] = tmp_path / str(number)
        examples.globs["folder"].mkdir()
        runner.run(examples)
    assert runner.summarize().failed == 0
