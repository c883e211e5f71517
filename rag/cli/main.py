"""The group ``rag``: finds the command, loads only its file, and turns every error into one sentence."""

from __future__ import annotations

import difflib
import functools
import importlib
import io
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import click

from indexes.display import safe
from indexes.errors import RagWrightError
from rag.cli.output import make_output_tolerant, words

# name -> what it does, repeated here since a command's file is imported only when it is called.
COMMANDS = {
    "ingest": "Read files and folders into a collection.",
    "split": "Split a document into parents and children, for Dify.",
    "search": "Find the sentences that match a question.",
    "ask": "Answer a question, with citations.",
    "chat": "Hold a conversation about the documents.",
    "status": "Show collections, documents and models.",
    "optimize": "Build the graph that makes search in large collections fast.",
    "copy": "Copy a collection to another folder or server.",
    "verify": "Check that a collection is complete and intact, and repair it.",
    "delete": "Remove documents from a collection.",
    "config": "Show settings and where each comes from.",
    "trust": "Trust a folder's rag.toml that names other machines, keys or code.",
    "model": "Fetch language models, and list them.",
    "demo": "Index documents, and show answers with citations.",
    "plan": "Estimate what fits a graphics card, or what a collection needs.",
    "doctor": "Find what is wrong on this machine, and how to fix it.",
    "serve": "Serve a web page, Dify, OpenAI-compatible clients and MCP.",
    "key": "Make, list and remove keys of the server.",
    "mcp": "Offer search and answers to MCP programs such as Claude.",
}
TAKE_A_VALUE = ("--collection", "-c", "--profile", "-p", "--config", "--set")
INTERRUPTED = 130
BROKEN_PIPE = 141  # 128 + SIGPIPE, as for every other program in a pipe

EPILOG = """\b
Examples:
  rag ingest docs/
  rag "What does the guide say about windows?"
  rag search "how are windows merged" --json
  rag doctor

rag "question" is short for rag ask "question".
"""


class LazyGroup(click.Group):
    """A group that imports a command's module only when the command is used.

    Class attributes:
        table: name of a command -> what it does.
        package: package of their modules.
        program: name of the program in errors.
        rooms: command -> subpackage of its module, if it is in one.

    >>> LazyGroup("rag").list_commands(None)[:4]  # no command's module is imported
    ['ingest', 'split', 'search', 'ask']
    >>> LazyGroup("rag").get_command(None, "ask").name
    'ask'
    """

    table: Mapping[str, str] = COMMANDS
    package, program = "rag.cli.commands", "rag"
    rooms: Mapping[str, str] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            return None
        room = f"{self.rooms[cmd_name]}." if cmd_name in self.rooms else ""
        return importlib.import_module(f"{self.package}.{room}{cmd_name.replace('-', '_')}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        meant = difflib.get_close_matches(args[0], self.table, n=1) if args[0] not in self.table else []
        if meant:
            raise click.UsageError(f"Unknown command '{args[0]}'. Did you mean '{self.program} {meant[0]}'?")
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args or ["--help"])  # to stdout and without an error, unlike click's own

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.table.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _leave_broken_pipe()  # handled here, since click would exit with 1, the code of a failure

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        base = functools.partial(super().main, args, prog_name, complete_var, standalone_mode=False, **extra)
        return run(base, self.program) if standalone_mode else base()


class _RagGroup(LazyGroup):
    """The group ``rag``, which treats a bare question as ``ask``."""

    rooms = {
        **dict.fromkeys(("serve", "key", "mcp"), "server"),
        **dict.fromkeys(("optimize", "copy", "verify", "delete"), "upkeep"),
    }

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_command(args))


def with_command(args: Sequence[str]) -> list[str]:
    """Put the command first: common options may come before it, and a bare question gets ``ask``.

    >>> with_command(["--profile", "offline", "search", "windows"])
    ['search', '--profile', 'offline', 'windows']
    >>> with_command(["What is a window?", "--json"])
    ['ask', 'What is a window?', '--json']
    """
    place = 0
    while place < len(args) and args[place].startswith("-") and args[place] != "--":
        place += 2 if args[place] in TAKE_A_VALUE else 1
    word = args[place] if place < len(args) else None
    if not args or args[0] in ("--help", "-h", "--version") or word is None:
        return list(args)
    if word in COMMANDS:
        return [word, *args[:place], *args[place + 1 :]]
    meant = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.8)
    if meant and place == 0:  # a misspelt command, hardly a question; below 0.8 'what' would be 'chat'
        raise click.UsageError(f"Unknown command '{word}'. Did you mean 'rag {meant[0]}'?")
    return ["ask", *args]


def run(call: Callable[[], Any], program: str = "rag") -> NoReturn:
    """Run and exit with 0, the error's code, or 130 if interrupted; tracebacks are shown only with RAG_DEBUG=1."""
    make_output_tolerant()
    warnings.formatwarning = _short_warning
    try:
        code = call()
        sys.stdout.flush()
    except click.exceptions.Abort:
        words("interrupted")
        sys.exit(INTERRUPTED)
    except KeyboardInterrupt:
        words("interrupted")
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        words(shown.getvalue().rstrip("\n"))  # it may quote arguments that a shell expanded from file names
        sys.exit(error.exit_code)
    except RagWrightError as error:
        _debug()
        words(f"{program}: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        _leave_broken_pipe()
    except Exception as error:  # noqa: BLE001 - the last resort of a command: its user gets a sentence
        _debug()
        words(
            f"{program}: unexpected {type(error).__name__}: {error}; this is a bug in ragwright: "
            "RAG_DEBUG=1 shows where"
        )
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _leave_broken_pipe() -> NoReturn:
    """Exit after the reader has gone, without flushing into the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(BROKEN_PIPE)


def _short_warning(message: Warning | str, *_: Any, **__: Any) -> str:
    """Format a warning as a note, without file and line."""
    return f"note: {safe(str(message))}\n"


def _debug() -> None:
    """Show the traceback if RAG_DEBUG is set; called only from except clauses."""
    if os.environ.get("RAG_DEBUG"):
        words(traceback.format_exc())


@click.command(cls=_RagGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "--version", package_name="ragwright", prog_name="rag", message="%(prog)s %(version)s")
def main() -> None:
    """Answer questions from your own documents, on your own machine, with the sentences that support each answer."""


if __name__ == "__main__":
    main()
