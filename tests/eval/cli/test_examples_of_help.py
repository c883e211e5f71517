"""The help of each command ends with examples, which the command's own parser takes."""

from __future__ import annotations

import shlex

import click
import pytest
from click.testing import CliRunner

from eval.cli.commands.finetune import COMMANDS as TUNING_COMMANDS
from eval.cli.main import COMMANDS, main


def parse(words: list[str]) -> None:
    """Parse a line of rag-eval up to the point where the command would run."""
    with main.make_context("rag-eval", words) as context:
        while isinstance(group := context.command, click.Group):
            name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
            assert command is not None
            context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("name", [*COMMANDS, *(f"finetune {name}" for name in TUNING_COMMANDS)])
def test_the_help_ends_with_examples_that_parse(name: str) -> None:
    result = CliRunner().invoke(main, [*name.split(), "--help"], terminal_width=200)
    assert result.exit_code == 0
    examples = [line.strip() for line in result.output.partition("Examples:")[2].splitlines() if line.strip()]
    assert any(f"{line} ".startswith(f"rag-eval {name} ") for line in examples), result.output
    for line in examples:
        parse(shlex.split(line)[1:])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_says(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None and command.short_help == COMMANDS[name]
