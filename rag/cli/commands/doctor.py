"""``rag doctor``"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from indexes.display import counted
from indexes.errors import SettingsError
from rag.cli.options import Shared, shared_options
from rag.cli.output import data, data_json, words
from rag.cli.page import out_width, wrapped

if TYPE_CHECKING:
    from rag.doctor import Check

MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}

INDENT = " " * 6

EPILOG = """\b
Examples:
  rag doctor
  rag doctor --profile vllm --json

Exit code: 0 if nothing fails, 1 if something does. Nothing is changed, loaded or downloaded.
"""


@click.command("doctor", epilog=EPILOG, short_help="Find what is wrong on this machine, and how to fix it.")
@shared_options
def command(shared: Shared) -> None:
    """Check settings, packages, servers, models, disk, memory and the store; say how to fix what is wrong."""
    shared.shows_store = True
    checks = look(shared)
    failed = sum(check.status == "fail" for check in checks)
    if shared.json:
        data_json({"ok": not failed, "checks": [check.as_dict() for check in checks]})
    else:
        for check in checks:
            mark = click.style(MARKS[check.status], fg=COLOURS[check.status])
            width = out_width()
            data(f"{mark}  {wrapped(f'{check.name}: {check.found}', width, INDENT, first=INDENT)[6:]}", styled=True)
            if check.remedy:
                data(wrapped(f"-> {check.remedy}", width, f"{INDENT}   ", first=INDENT), styled=True)
        warned = sum(check.status == "warn" for check in checks)
        words(f"{failed} failed, {counted(warned, 'warning')}, {len(checks) - failed - warned} ok")
    sys.exit(1 if failed else 0)


def look(shared: Shared) -> list[Check]:
    """Check the settings first, then everything else if they can be read."""
    from rag.doctor import Check, examine
    from rag.doctor.machine import check_python, check_versions

    try:
        loaded = shared.loaded
    except SettingsError as error:
        return [Check("settings", "fail", error.what, error.remedy), *check_python(), *check_versions()]
    profile = loaded.settings.profile
    first = Check("settings", "ok", f"profile '{profile}', file {loaded.path or 'none'}")
    return [first, *examine(loaded.settings, os.environ)]
