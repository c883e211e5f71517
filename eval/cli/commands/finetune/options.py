"""Command-line options generated from dataclass fields, which hold help, default and bounds (``training.options``)."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import click
from click.core import ParameterSource

from eval.cli.options import ticker
from eval.finetune.training.options import KEY, Option
from eval.finetune.training.recipes import RECIPES, Recipe, check_teacher, described, recipe_options, recipes_of
from eval.finetune.training.request import Request
from eval.finetune.training.together import end, follows, processes, take_part
from indexes.errors import SettingsError

if TYPE_CHECKING:
    from rag.cli.options import Shared

F = TypeVar("F", bound=Callable[..., Any])
NAMES = {"Settings": Any, "Stage": Any, "Dataset": Any}  # names in annotations that are imported only for type checkers
FROM_SETTINGS = (
    "device",
    "dtype",
    "query_prompt",
    "document_prompt",
)  # fields read from a model's section of the settings
METAVARS: dict[Any, str] = {int: "N", float: "X"}  # click would write INTEGER RANGE
EVERYTHING = "ragwright.help_all"  # key in a context's meta: show all options
LEGEND = """measured: the datasets on which this default was measured (see the guide's page on fine-tuning), and the
results of other values if they were compared; "nothing": not measured."""
SPLITS = ("train_split", "test_split", "dev_share", "dev_by", "train_queries")


class FieldOption(click.Option):
    """An option generated from a field; ``--help-all`` shows the rarer ones, and what each was measured on.

    >>> rare = FieldOption(["--warmup"], field=Option("", measured="scifact"), help="Share of the steps.")
    >>> context = click.Context(click.Command("embedder"))
    >>> rare.get_help_record(context)  # left out of --help
    >>> context.meta[EVERYTHING] = True
    >>> rare.get_help_record(context)
    ('--warmup TEXT', 'Share of the steps.  [measured: scifact]')
    """

    def __init__(self, *args: Any, field: Option, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.field = field

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        everything = ctx.meta.get(EVERYTHING, False)
        if not everything and not self.field.everyday:
            return None
        found = super().get_help_record(ctx)
        if found is None or not everything or not self.field.measured:
            return found
        return found[0], f"{found[1]}  [measured: {self.field.measured}]"


def _show_everything(ctx: click.Context, _: click.Parameter, request_fields: bool) -> None:
    if not request_fields or ctx.resilient_parsing:
        return
    ctx.meta[EVERYTHING] = True
    click.echo(ctx.get_help(), color=ctx.color)
    click.echo(f"\n{LEGEND}")
    ctx.exit()


def shown(kind: type) -> dict[str, Field[Any]]:
    """Return name -> field of the fields that are options.

    >>> from eval.finetune.merge.options import MergeOptions
    >>> list(shown(MergeOptions))
    ['seed', 'weights', 'weight', 'queries', 'documents']
    """
    return {one.name: one for one in fields(kind) if KEY in one.metadata}


def _click_option(field: Field[Any], hint: Any) -> Callable[[F], F]:
    """Return the option of a field; ``hint`` is its type."""
    own: Option = field.metadata[KEY]
    default = field.default if own.shown is None else own.shown
    flag = own.flag or f"--{field.name.replace('_', '-')}"
    union = get_origin(hint) in (Union, UnionType)
    kinds = [one for one in (get_args(hint) if union else [hint]) if one is not type(None)]
    if len(kinds) == 1 and kinds[0] is bool:
        return _switch(flag, field.name, own, default)
    return click.option(
        flag,
        field.name,
        cls=FieldOption,
        field=own,
        type=_type(kinds, own),
        default=None if default in (MISSING, (), "") else default,
        required=default is MISSING,
        multiple=get_origin(kinds[0]) is tuple and own.parse is None,
        metavar=own.metavar or METAVARS.get(kinds[0]),
        show_default=default not in (MISSING, None, (), ""),
        help=own.help,
    )


def _switch(flag: str, name: str, own: Option, default: Any) -> Callable[[F], F]:
    if "/" in flag:
        shown = default is not None
        return click.option(flag, name, cls=FieldOption, field=own, default=default, show_default=shown, help=own.help)
    return click.option(
        flag, name, cls=FieldOption, field=own, is_flag=True, flag_value=not default, default=default, help=own.help
    )


def _type(kinds: list[Any], own: Option) -> Any:
    """Return click's type for a field's type; parsed fields are text unless they are numbers."""
    if Path in kinds:
        return click.Path(path_type=Path, file_okay=False)
    kind = kinds[0]
    if get_origin(kind) is Literal:
        return click.Choice(list(get_args(kind)))
    if len(kinds) > 1 or isinstance(own.shown, str) or kind not in (int, float):
        return str
    if own.low is None and own.above is None and own.high is None:
        return kind
    low = own.low if own.above is None else own.above
    ranged: Any = click.IntRange if kind is int else click.FloatRange
    return ranged(low, own.high, min_open=own.above is not None)


def options_of(kind: type, *, section: str = "encoder", without: tuple[str, ...] = ()) -> Callable[[F], F]:
    """Add the options of a request and of ``kind``; the command receives ``options`` of that kind, and ``request``.

    >>> from eval.finetune.merge.options import MergeOptions
    >>> command = click.command(options_of(MergeOptions)(lambda shared, options, request: None))
    >>> [parameter.name for parameter in command.params if parameter.name in ("out", "weights", "queries", "help_all")]
    ['out', 'weights', 'queries', 'help_all']

    Args:
        section: section of the settings with the device and number format for training.
        without: fields of the request that this command does not have.
    """
    request_fields = {name: one for name, one in shown(Request).items() if name not in without}
    own, recipes = shown(kind), recipes_of(kind)

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapper(shared: Shared, recipe: str | None = None, **values: Any) -> Any:
            if _takes_part(kind, values["out"]):
                return None
            request = {name: values.pop(name) for name in request_fields}
            given = {name: _parsed(own[name].metadata[KEY], values.pop(name)) for name in own}
            kept = getattr(shared.settings, section)
            given |= {one.name: getattr(kept, one.name) for one in fields(kind) if one.name in FROM_SETTINGS}
            if recipes:
                values["base"] = _base(values["base"], recipe)
            options = kind(**given) if recipe is None else _by_recipe(recipe, kind, given, request)
            try:
                return function(shared=shared, options=options, request=request | _around(shared), **values)
            finally:
                end(request["out"])

        wrapper = help_all(wrapper)  # type: ignore[assignment]
        if recipes:
            wrapper = _recipe_option(recipes)(wrapper)
        hints = {**get_type_hints(kind, localns=NAMES), **get_type_hints(Request, localns=NAMES)}
        for one in reversed([*request_fields.values(), *own.values()]):
            wrapper = _click_option(one, hints[one.name])(wrapper)
        return wrapper  # type: ignore[return-value]

    return decorate


help_all = click.option(
    "--help-all",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_everything,
    help="Show all options, with the datasets each default was measured on.",
)


def _takes_part(kind: type, out: Path) -> bool:
    """Join the trainings of the first process, if this is another one under torchrun."""
    if processes() == 1:
        return False
    if kind.__name__ not in ("EmbedderOptions", "RerankerOptions"):
        raise SettingsError("torchrun trains embedders and rerankers", remedy="run this command without it")
    if not follows():
        return False
    from eval.finetune.embedder import train as embedder
    from eval.finetune.reranker import train as reranker

    take_part(out, {embedder.KIND: embedder.train, reranker.KIND: reranker.train_reranker})
    return True


base_option = click.option(
    "--base", metavar="MODEL", help="Model to tune: minilm, a model folder or a hub name.  [required]"
)


def _recipe_option(recipes: Mapping[str, Recipe]) -> Callable[[F], F]:
    text = (
        "Training recipe: the options of another project, which are printed; options on the command line override them."
    )
    return click.option("--recipe", type=click.Choice(list(recipes)), help=text)


def _base(base: str | None, recipe: str | None) -> str:
    """Return the given base, else the recipe's."""
    found = base or (RECIPES[recipe].base if recipe else "")
    if not found:
        raise click.UsageError("Missing option '--base'.")
    return found


def _by_recipe(recipe: str, kind: type, given: dict[str, Any], request: Mapping[str, Any]) -> Any:
    """Return the recipe's options, overridden by those on the command line, and print them to stderr."""
    from rag.cli.output import words

    check_teacher(recipe, request["teacher"])
    context = click.get_current_context()

    def is_set(name: str) -> bool:
        return context.get_parameter_source(name) not in (ParameterSource.DEFAULT, None)

    values = RECIPES[recipe].values
    own = {name: value for name, value in given.items() if name not in values or is_set(name)}
    options: Any = recipe_options(kind, recipe, **own)
    words(described(recipe, options))
    return options


def _parsed(option: Option, value: Any) -> Any:
    if option.parse is None or value is None:
        return option.parse("") if option.parse is not None and option.shown == "" else value
    return option.parse(value)


def _around(shared: Shared) -> dict[str, Any]:
    """Return what a request needs besides the command's options."""
    from rag.cli.output import words

    command = " ".join(["rag-eval", *sys.argv[1:]])
    return {"settings": shared.settings, "stage": ticker, "say": words, "command": command}
