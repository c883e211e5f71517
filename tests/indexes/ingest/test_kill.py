"""kill -9 at random moments: the collection ends as if nothing had happened, and is sound on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexes import build_index, open_index
from tests.indexes.ingest import kill_scenario
from tests.indexes.words_model import words_model

KILLS = 9  # ``make torture`` has more


def points_of(index: Any) -> dict[tuple[tuple[str, ...], int], Any]:
    """(files it was found under, position) -> point. Which of two copies it is stored under depends on history."""
    records, _ = index.client.scroll("default", limit=100_000, with_payload=True, with_vectors=True)
    found = {}
    for record in records:
        metadata = record.payload["metadata"]
        files = tuple(sorted(metadata.get("sources") or [f"docs/{metadata['source']}"]))
        found[files, record.payload["position"]] = record
    assert len(found) == len(records)
    return found


@pytest.mark.timeout(900)  # a busy machine
def test_killed_at_random_moments(tmp_path: Path) -> None:
    docs, store = tmp_path / "docs", tmp_path / "store"
    docs.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", kill_scenario.__name__, str(docs), str(store), str(KILLS), "20261121"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(line.get("killed", False) for line in rounds) > KILLS / 3
    looked = [line for line in rounds if "verify" in line]
    assert len(looked) > 3
    for line in looked:  # what a search would meet after each kill: whole documents only, all of them known
        assert line["bad"] == [], line
        assert line["verify"]["sound"], line
    settings = kill_scenario.settings_for(store)
    fresh = kill_scenario.settings_for(tmp_path / "fresh")
    encoder = words_model(1)
    with open_index(settings=settings, encoder=encoder) as index:
        survived = points_of(index)
        assert index.verify().differences == []
    with build_index(docs, settings=fresh, encoder=encoder) as index:
        expected = points_of(index)
    assert survived.keys() == expected.keys()
    assert len(expected) > 15
    for key, point in expected.items():
        other = survived[key]
        for field in ("text", "start", "end", "section", "position"):
            assert other.payload[field] == point.payload[field]
        np.testing.assert_allclose(other.vector["dense"], point.vector["dense"], atol=2e-6)
        assert other.vector["sparse"].indices == point.vector["sparse"].indices
        np.testing.assert_allclose(other.vector["sparse"].values, point.vector["sparse"].values, rtol=1e-6)
