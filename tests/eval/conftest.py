from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.eval.lighthouse import rag_eval, write_beir
from tests.eval.made_up_places import cache, made_up_dataset

__all__ = ["cache", "made_up_dataset"]

MINILM = {"encoder.provider": "minilm", "encoder.model": "minilm", "rerank.provider": "none", "llm.provider": "none"}


@pytest.fixture(scope="session")
def lighthouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_beir(tmp_path_factory.mktemp("lighthouse") / "lighthouse")


@pytest.fixture(scope="session")
def eval_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the session: the model runs over each text once."""
    return tmp_path_factory.mktemp("eval-cache")


@pytest.fixture
def call(eval_cache: Path, tmp_path: Path) -> Callable[..., Result]:
    environ: dict[str, str | None] = {f"RAG_{key.replace('.', '_').upper()}": value for key, value in MINILM.items()}
    environ |= {"RAG_EVAL_CACHE": str(eval_cache), "RAG_EVAL_OUT": str(tmp_path / "runs")}
    environ |= {"RAG_STORE_PATH": str(tmp_path / "store")}
    return rag_eval(environ)
