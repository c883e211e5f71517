"""Options that commands share, and the settings made from them."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from indexes.errors import SettingsError
from rag.cli.page import set_colours

if TYPE_CHECKING:
    from indexes.errors import UntrustedSettingsError
    from indexes.settings.loader import Loaded
    from rag.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
SEPARATOR = "__"  # in parameter names of options that set a setting: llm__provider is llm.provider

color_option = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="Colours: auto (on a terminal), always or never.  [env: NO_COLOR]",
)
SWITCHES = {"no_rerank": "rerank.provider", "no_llm": "llm.provider"}


@dataclass
class Shared:
    """What every command gets: the common options, and the settings, loaded at first use.

    >>> shared = Shared(arguments={"retrieval.top_k": 20, "collection": "guide"})
    >>> shared.settings.retrieval.top_k, shared.collection
    (20, 'guide')
    """

    json: bool = False
    profile: str | None = None
    config: Path | None = None
    arguments: dict[str, object] = field(default_factory=dict)
    shows_store: bool = False  # the command itself says where the store is, and why there

    @cached_property
    def loaded(self) -> Loaded[Settings]:
        from indexes.errors import UntrustedSettingsError

        try:
            loaded = self.look()
        except UntrustedSettingsError as error:
            if not _allowed(error):
                raise
            loaded = self.look()
        _name_once(loaded.path, self.config)
        if not self.shows_store and (why := why_this_store(loaded.settings)):
            from rag.cli.output import note

            note(why)
        return loaded

    def look(self, *, check_trust: bool = True) -> Loaded[Settings]:
        """Load the settings; with ``check_trust`` False, only to show them."""
        from indexes.settings.loader import load
        from rag.settings import Settings

        return load(Settings, path=self.config, profile=self.profile, arguments=self.arguments, check_trust=check_trust)

    @property
    def settings(self) -> Settings:
        return self.loaded.settings

    @property
    def collection(self) -> str:
        return self.settings.collection


def why_this_store(settings: Settings) -> str | None:
    """Return a sentence if the store is not where XDG_DATA_HOME says; None if it is, or was set otherwise.

    >>> from rag.settings import Settings
    >>> why_this_store(Settings.model_validate({"store": {"url": "http://127.0.0.1:6333"}})) is None
    True
    """
    from indexes.folders import passed_over, user_folder

    store = settings.store
    if store.url is not None or store.path.expanduser() != user_folder("data"):
        return None
    return passed_over()


def _name_once(file: Path | None, given: Path | None) -> None:
    """Name the settings file of a folder when it is used for the first time."""
    from indexes.settings.loader import is_named
    from indexes.settings.trust import first_use
    from rag.cli.output import words

    if file is not None and not is_named(file, given, os.environ) and first_use(file, os.environ):
        words(f"settings: {file}")


def _allowed(error: UntrustedSettingsError) -> bool:
    """Ask on a terminal, and remember a yes."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    from indexes.settings.trust import trust
    from rag.cli.output import words

    words(f"{error.path}, which came with this folder, asks for:")
    for reason in error.reasons:
        words(f"  {reason}")
    if not click.confirm("Trust this file?", default=False, err=True):
        return False
    trust(error.path, os.environ)
    return True


def shared_options(function: F) -> F:
    """Add --json, --collection, --profile, --config, --set and --color; the command gets them as ``shared``.

    >>> from click.testing import CliRunner
    >>> command = click.command(shared_options(lambda shared: click.echo(shared.arguments)))
    >>> print(CliRunner().invoke(command, ["--set", "retrieval.top_k=20", "-c", "guide"]).output)
    {'retrieval.top_k': '20', 'collection': 'guide'}
    """

    @functools.wraps(function)
    def wrapper(
        json: bool,
        collection: str | None,
        profile: str | None,
        config: Path | None,
        assignments: tuple[str, ...],
        color: str,
        **options: Any,
    ) -> Any:
        set_colours(color)
        arguments: dict[str, object] = dict(_assignment(text) for text in assignments)
        if collection:
            arguments["collection"] = collection
        for name in [name for name in options if SEPARATOR in name]:
            value = options.pop(name)
            if value is not None:
                arguments[name.replace(SEPARATOR, ".")] = value
        for switch, key in SWITCHES.items():
            if options.pop(switch, False):
                arguments[key] = "none"
        return function(Shared(json, profile, config, arguments), **options)

    for option in reversed(
        (
            click.option("--json", is_flag=True, envvar="RAG_JSON", help="Print JSON.  [env: RAG_JSON]"),
            click.option("-c", "--collection", metavar="NAME", help="Name of the collection.  [env: RAG_COLLECTION]"),
            click.option(
                "-p",
                "--profile",
                metavar="NAME",
                help="Profile: default, offline, vllm or your own.  [env: RAG_PROFILE]",
            ),
            click.option(
                "--config",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Settings file instead of rag.toml.  [env: RAG_CONFIG]",
            ),
            click.option(
                "--set",
                "assignments",
                multiple=True,
                metavar="KEY=VALUE",
                help="Any setting, such as llm.model=qwen3:4b; repeatable.  [env: RAG_SECTION_FIELD]",
            ),
            color_option,
        )
    ):
        wrapper = option(wrapper)
    return wrapper  # type: ignore[return-value]


def setting(flag: str, key: str, text: str, **options: Any) -> Callable[[F], F]:
    """Return an option that sets the setting ``key``; its variable is the setting's.

    >>> window = setting("--window", "retrieval.window", "Sentences on each side of a hit.", type=int)
    >>> option = click.command(window(lambda **values: None)).params[0]
    >>> option.name, option.help
    ('retrieval__window', 'Sentences on each side of a hit.  [env: RAG_RETRIEVAL_WINDOW]')
    """
    variable = f"RAG_{key.replace('.', '_').upper()}"
    return click.option(flag, key.replace(".", SEPARATOR), help=f"{text}  [env: {variable}]", **options)


def asking_options(function: F) -> F:
    """Add the options of search, ask and chat.

    >>> [option.opts[0] for option in click.command(asking_options(lambda: None)).params][:4]
    ['--top-k', '--top-n', '--window', '--fusion']
    """
    for option in reversed(
        (
            setting(
                "--top-k", "retrieval.top_k", "Candidates from each of the two searches, dense and sparse.", type=int
            ),
            setting(
                "--top-n", "retrieval.top_n", "Number of passages that the answer reads, or of hits shown.", type=int
            ),
            setting("--window", "retrieval.window", "Sentences on each side of a hit.", type=int),
            setting(
                "--fusion",
                "retrieval.fusion",
                "How dense and sparse results are fused, or one of them alone.",
                type=click.Choice(["minmax", "rrf", "dense", "sparse"]),
            ),
            setting("--wait", "store.wait", "Seconds to wait for a running ingest.", type=float, metavar="SECONDS"),
            setting(
                "--hyde",
                "hyde.mode",
                "Search with a hypothetical answer written by the language model (HyDE).",
                type=click.Choice(["off", "on", "auto"]),
            ),
            click.option("--no-rerank", is_flag=True, help="Skip the reranker."),
            setting("--llm", "llm.provider", "Language model: ollama, openai, llama_cpp or none.", metavar="PROVIDER"),
            click.option("--no-llm", is_flag=True, help="Answer without a language model."),
            click.option(
                "--trace", is_flag=True, envvar="RAG_TRACE", help="Show what each stage did.  [env: RAG_TRACE]"
            ),
            click.option(
                "--filter",
                "conditions",
                multiple=True,
                metavar="CONDITION",
                help="Condition on metadata, such as lang=en, page>=3, title~=guide; repeatable, all must hold.",
            ),
        )
    ):
        function = option(function)
    return function


def one_question(words: tuple[str, ...]) -> str:
    """Join the words of a question, quoted or not.

    >>> one_question(("What", "is", "a", "window?"))
    'What is a window?'

    Raises:
        SettingsError: the question is empty.
    """
    question = " ".join(words).strip()
    if not question:
        raise SettingsError("the question is empty", remedy='ask something: rag "What is ...?"')
    return question


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or ("." not in key and key.strip() not in ("collection", "profile")):
        raise SettingsError(f"cannot parse --set {text!r}", remedy="write it as --set section.field=value")
    return key.strip(), value.strip()
