"""Any file of a collection, damaged in any way: named in one sentence, mended, and read again."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

from tests.indexes.manifest.test_repair import (
    DAMAGE,
    build,
    check_damage,
    emptied,
    overwritten,
    removed,
    settings_of,
    truncated,
    zeroed,
)
from tests.torture.children import child, main, must, wait

KINDS = (truncated, emptied, zeroed, overwritten, removed)


def campaign(draw: random.Random, ends: float, folder: Path) -> str:
    template, log, store = folder / "template", folder / "log", folder / "store"

    def make() -> None:
        for collection in ("default", "other"):
            with build(settings_of(template), collection):
                pass

    must(make, "building", log)
    files = [path.relative_to(template).as_posix() for path in template.rglob("*") if path.is_file()]
    ours = [name for name in files if "/default" in name]
    cases = [(pattern, how) for pattern, how in DAMAGE]
    others = [(name, how) for name in ours for how in KINDS]
    draw.shuffle(others)
    done = 0
    for name, how in [*cases, *others]:
        if done >= 5 and time.monotonic() > ends - 10:
            break
        shutil.rmtree(store, ignore_errors=True)
        os.system(f"cp -a --sparse=always '{template}' '{store}'")
        code = wait(child(lambda name=name, how=how: check_damage(settings_of(store), name, how), log))
        assert code == 0, f"{name} {how.__name__}: exit status {code}\n{log.read_text(errors='replace')[-4000:]}"
        done += 1
    return f"{done} damaged files of {len(cases) + len(others)}: each named, mended and read again"


if __name__ == "__main__":
    main(campaign)
