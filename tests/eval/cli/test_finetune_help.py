"""Help of the fine-tuning commands: everyday options, and all of them with what their defaults were measured on."""

from __future__ import annotations

from dataclasses import MISSING

import click
import pytest
from click.testing import CliRunner

from eval.cli.commands.finetune import COMMANDS
from eval.cli.commands.finetune.options import FieldOption, shown
from eval.cli.main import main
from eval.finetune.bge_m3.options import M3Options
from eval.finetune.documents import DocumentOptions
from eval.finetune.embedder.options import EmbedderOptions
from eval.finetune.merge.options import MergeOptions
from eval.finetune.reranker.options import RerankerOptions
from eval.finetune.sparse.options import SparseOptions
from eval.finetune.training.options import KEY

KINDS = (EmbedderOptions, RerankerOptions, M3Options, SparseOptions, DocumentOptions, MergeOptions)


def lines(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["finetune", *arguments], terminal_width=200)
    assert result.exit_code == 0, result.output
    return str(result.output)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_lists_everyday_options_and_help_all_lists_every_one(name: str) -> None:
    group = main.get_command(click.Context(main), "finetune")
    assert isinstance(group, click.Group)
    command = group.get_command(click.Context(group), name)
    assert command is not None
    own = [one for one in command.params if isinstance(one, FieldOption)]
    rare = [one for one in own if not one.field.everyday]
    short, full = lines(name, "--help"), lines(name, "--help-all")
    assert rare
    assert "--help-all" in short and "measured:" not in short
    for one in own:
        assert f"  {one.opts[0]} " in full
        assert (f"  {one.opts[0]} " in short) == one.field.everyday
    assert '"nothing": not measured' in full


def test_everyday_options_of_the_two_large_commands_are_half_of_all_or_fewer() -> None:
    for kind in (EmbedderOptions, RerankerOptions):
        marks = [one.metadata[KEY].everyday for one in shown(kind).values()]
        assert sum(marks) <= len(marks) / 2


@pytest.mark.parametrize("kind", KINDS)
def test_each_default_says_what_it_was_measured_on(kind: type) -> None:
    silent = [n for n, one in shown(kind).items() if one.default is not MISSING and not one.metadata[KEY].measured]
    assert silent == []
