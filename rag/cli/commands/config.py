"""``rag config``"""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Any

import click

from indexes.display import without_secrets
from indexes.errors import SettingsError, UntrustedSettingsError
from rag.cli.options import Shared, shared_options
from rag.cli.output import data, data_json, words

HEADER = """\
# Settings of ragwright. Every line shows a default: remove the '#' and change it.
# RAG_<SECTION>_<FIELD> in the environment overrides this file, and options of a command override both.
# 'rag config' prints the effective values and their origins.
"""
PROFILES_EXAMPLE = """
# Your own profile, chosen with --profile small, RAG_PROFILE=small or profile = "small" above:
# [profiles.small.encoder]
# provider = "sentence_transformer"
# model = "BAAI/bge-small-en-v1.5"
# [profiles.small.llm]
# model = "qwen3:4b"
"""

EPILOG = """\b
Examples:
  rag config
  rag config llm retrieval.top_k --profile offline --json
  rag config --init
"""


@click.command("config", epilog=EPILOG, short_help="Show settings and where each comes from.")
@click.argument("keys", nargs=-1, metavar="[SECTION|KEY]...")
@click.option("--init", is_flag=True, help="Write a commented rag.toml (or --config FILE) if there is none.")
@shared_options
def command(shared: Shared, keys: tuple[str, ...], init: bool) -> None:
    """Show the effective settings and where each comes from. Secrets are never shown."""
    if init:
        path = _write_example(shared.config or Path("rag.toml"))
        data_json({"written": str(path)}) if shared.json else data(f"wrote {path}")
        return
    loaded = shared.look(check_trust=False)
    values = effective(loaded.settings)
    refused = _why_refused(shared)
    wanted = select(list(values), keys)
    if shared.json:
        data_json(
            {
                "file": str(loaded.path) if loaded.path else None,
                "refused": refused,
                "values": {key: values[key] for key in wanted},
                "origins": {key: loaded.origins[key] for key in wanted},
            }
        )
        return
    words(f"settings file: {loaded.path or 'none'}")
    if loaded.keys and loaded.path is not None:
        words(f"API keys in {loaded.path.parent / '.env'}: {', '.join(sorted(loaded.keys))}")
    if refused:
        words(f"all other commands refuse it: {refused}")
    width = max(len(key) for key in wanted)
    texts = {key: toml_value(values[key]) for key in wanted}
    middle = min(max(len(text) for text in texts.values()), 48)
    for key in wanted:
        data(f"{key:<{width}} = {texts[key]:<{middle}}  # {loaded.origins[key]}")


def _why_refused(shared: Shared) -> str | None:
    try:
        shared.look()
    except UntrustedSettingsError as error:
        return str(error)
    return None


def effective(settings: Any) -> dict[str, Any]:
    """Return "section.field" -> value as in JSON, with logins and keys in addresses masked.

    >>> from rag.settings import Settings
    >>> effective(Settings.model_validate({"store": {"url": "http://me:secret@host:6333"}}))["store.url"]
    'http://***@host:6333'
    """
    from indexes.settings.loader import known_keys

    tree = settings.model_dump(mode="json")
    values: dict[str, Any] = {}
    for key in known_keys(type(settings)):
        section, dot, field = key.partition(".")
        values[key] = _masked(tree[section][field] if dot else tree[section])
    return values


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return without_secrets(value) if isinstance(value, str) else value


def select(known: list[str], keys: tuple[str, ...]) -> list[str]:
    """Return the named keys and the keys of named sections, in the tree's order; all if none is named.

    >>> select(["llm.model", "retrieval.top_k", "retrieval.top_n"], ("retrieval",))
    ['retrieval.top_k', 'retrieval.top_n']

    Raises:
        SettingsError: a name is unknown.
    """
    from indexes.settings.loader import closest

    for key in keys:
        if not any(name == key or name.startswith(f"{key}.") for name in known):
            sections = {name.partition(".")[0] for name in known}
            hint = closest(key, [*known, *sorted(sections)])
            remedy = f"did you mean '{hint}'?" if hint else "'rag config' lists all"
            raise SettingsError(f"unknown setting '{key}'", remedy=remedy)
    return [name for name in known if not keys or any(name == key or name.startswith(f"{key}.") for key in keys)]


def _write_example(path: Path) -> Path:
    """Write the commented example file.

    Raises:
        SettingsError: the file exists or cannot be written.
    """
    if path.exists():
        raise SettingsError(f"{path} exists already", remedy="remove it first, or choose another with --config FILE")
    try:
        path.write_text(example(), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}", remedy="choose another folder") from error
    return path


def example() -> str:
    """Return a rag.toml with every setting commented out, with its description and default.

    >>> lines = example().splitlines()
    >>> lines[lines.index("[retrieval]") + 1 :][:2]
    ['# candidates per leg (dense and sparse search); all are kept after fusion', '# top_k = 50']
    """
    from indexes.settings.loader import sections
    from rag.settings import Settings

    known = sections(Settings)
    lines = [HEADER]
    for name, info in Settings.model_fields.items():
        if name not in known:
            lines += [f"# {info.description}", f"# {name} = {toml_value(info.default)}"]
    for name, model in known.items():
        title = (model.__doc__ or "").strip().splitlines()[0]
        lines += ["", f"# {title}", f"[{name}]"]
        for field, info in model.model_fields.items():
            default = info.default
            shown = toml_value(default) if default is not None else '""'
            lines += [f"# {info.description}", f"# {field} = {shown}"]
    return "\n".join(lines) + "\n" + PROFILES_EXAMPLE


def toml_value(value: Any) -> str:
    """Format a value as TOML; None, which TOML lacks, as "none".

    >>> toml_value(True), toml_value(("en", "zh")), toml_value(None)
    ('true', '["en", "zh"]', 'none')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return json_module.dumps(str(value), ensure_ascii=False)
