"""A disk that fills up in the middle of a run: on file systems of a few MiB, really full."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.indexes.ingest import full_disk_scenario

ALONE = ["unshare", "--user", "--map-root-user", "--mount"]  # mounts that nobody else sees, gone with the process


def may_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    tried = subprocess.run([*ALONE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.skipif(not may_mount(), reason="small file systems cannot be mounted here")
def test_a_full_disk_loses_nothing_and_the_next_run_goes_on(tmp_path: Path) -> None:
    done = subprocess.run(
        [*ALONE, sys.executable, "-m", full_disk_scenario.__name__, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]  # the engine would die of SIGBUS
    outcomes = {line["place"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert list(outcomes) == [".", "manifests", "encodings", "open"]
    for place in (".", "manifests", "encodings"):
        outcome = outcomes[place]
        assert outcome["error"] == "DiskSpaceError", outcome
        assert "free disk space" in outcome["text"] and "\n" not in outcome["text"]
        assert outcome["whole"] and outcome["sound"], outcome  # no half document, nothing unknown
        assert outcome["kept"] + outcome["added"] == 12, outcome
        assert outcome["added"] > 0
        assert outcome["equal"], outcome
    assert outcomes["."]["kept"] > 0
    assert outcomes["open"]["error"] == "DiskSpaceError", outcomes["open"]
