"""``rag split FILE``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from indexes.errors import SettingsError
from rag.cli.options import Shared, setting, shared_options
from rag.cli.output import data, data_json, words

if TYPE_CHECKING:
    from indexes.nodes.parent_child_cutting import Together
    from rag.settings import Settings

MARKUP = (".txt", ".text", ".md", ".markdown")  # split unchanged; other formats go through their readers

EPILOG = """\b
Examples:
  rag split handbook.md --format dify > handbook.txt
  rag split 制度.docx --child-max-chars 200 --parent-max-chars 800
  rag split handbook.md --format json --image-base-url https://example.org/images
"""


@click.command("split", epilog=EPILOG, short_help="Split a document into parents and children, for Dify.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--format",
    "form",
    type=click.Choice(["dify", "json"]),
    default="dify",
    show_default=True,
    help="Output format; dify is text with ====== between parents and ------ between children.",
)
@setting("--child-max-chars", "split.child_max_chars", "Longest child.", type=int)
@setting("--parent-max-chars", "split.parent_max_chars", "Longest parent.", type=int)
@click.option("--no-limits", is_flag=True, help="Split only at headings, whatever the length.")
@setting("--image-base-url", "read.image_base_url", "Prefix for the addresses of images.", metavar="URL")
@click.option("--llm-pass", is_flag=True, help="Let the language model decide which children are separate topics.")
@shared_options
def command(shared: Shared, file: Path, form: str, no_limits: bool, llm_pass: bool) -> None:
    """Cut a document into parents and children, by headings and then by length, and print them."""
    from indexes.nodes.dify import as_dify

    settings = shared.settings
    limits = (None, None) if no_limits else (settings.split.child_max_chars, settings.split.parent_max_chars)
    parents = _parents(file, settings, limits, _together(settings) if llm_pass else None)
    if form == "json" or shared.json:
        data_json(
            {
                "file": str(file),
                "parents": [{"chars": sum(map(len, children)), "children": children} for children in parents],
            }
        )
    else:
        data(as_dify(parents), end="")
    children = sum(map(len, parents))
    one, several = ("parent" if len(parents) == 1 else "parents"), ("child" if children == 1 else "children")
    words(f"{len(parents)} {one}, {children} {several}")


def _parents(
    file: Path, settings: Settings, limits: tuple[int | None, int | None], together: Together | None
) -> list[list[str]]:
    from indexes.nodes.dify import split_document, split_text
    from indexes.readers import read_file

    options: dict[str, Any] = {
        "child_max_chars": limits[0],
        "parent_max_chars": limits[1],
        "together": together,
    }
    documents = read_file(file, settings=settings.read)
    if file.suffix.lower() in MARKUP:
        return split_text(_text_of(file, settings), image_base_url=settings.read.image_base_url, **options)
    return [parent for document in documents for parent in split_document(document, **options)]


def _text_of(file: Path, settings: Settings) -> str:
    """Read the text; Markdown keeps its markup, which the reader would remove."""
    from indexes.readers.decode import decode
    from indexes.readers.source_file import SourceFile

    source = SourceFile(str(file), path=file, settings=settings.read)
    return decode(source, source.read_bytes())[0]


def _together(settings: Settings) -> Together:
    from indexes.errors import RagWrightError
    from indexes.nodes.topic_pass import ask_llm
    from rag.llms import build_llm, explain_llm_error

    llm = build_llm(settings.llm)
    if llm is None:
        raise SettingsError("--llm-pass needs a language model", remedy="set llm.provider, or omit --llm-pass")
    ask = ask_llm(llm)

    def together(children: Any) -> bool:
        try:
            return ask(children)
        except RagWrightError:
            raise
        except Exception as error:
            raise explain_llm_error(error, settings.llm) from error

    return together
