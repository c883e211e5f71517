"""Fill a settings tree: defaults < profile < rag.toml < ``RAG_<SECTION>_<FIELD>`` < arguments.

The tree decides what is read. ``rag.settings.Settings`` rejects unknown sections; ``IndexSettings``
(``extra="ignore"``) reads its own sections of the same file and ignores those of asking. An unknown field in a known
section is an error on every layer, and the error names the place, the value and the closest known name.

Secrets are never settings: ``*.api_key_env`` holds the *name* of an environment variable. A ``.env`` beside the file
may set such a variable (``key_file``).
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args, get_origin

from indexes.errors import SettingsError
from indexes.folders import user_folder
from indexes.settings.key_file import SECRET, keys_beside
from indexes.settings.model import Model
from indexes.settings.profiles import PROFILES
from indexes.settings.trust import require_trust

T = TypeVar("T", bound=Model)

PREFIX = "RAG_"
FILE_NAME = "rag.toml"
OWN_VARIABLES = frozenset({"RAG_CONFIG", "RAG_PROFILE", "RAG_COLLECTION", "RAG_JSON", "RAG_TRACE", "RAG_DEBUG"})
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Loaded(Generic[T]):
    """A filled tree and the origin of each value.

    Args:
        settings: the tree.
        origins: "section.field" (or a top-level "field") -> "default", "profile NAME", "rag.toml (PATH)",
            "RAG_SECTION_FIELD" or "argument".
        path: the file that was read, or None.
        keys: variable -> API key from the ``.env`` beside the file, without variables that are already set.
    """

    settings: T
    origins: dict[str, str]
    path: Path | None = None
    keys: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class _Entry:
    value: Any
    origin: str
    where: str  # for error messages: "rag.toml (/x/rag.toml): llm.model", "RAG_LLM_MODEL", "argument llm.model"


def load(
    tree: type[T],
    *,
    path: Path | str | None = None,
    profile: str | None = None,
    arguments: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    check_trust: bool = True,
) -> Loaded[T]:
    """Fill ``tree`` from all layers.

    >>> from indexes.settings.sections import IndexSettings
    >>> loaded = load(IndexSettings, arguments={"split.max_chars": "300"}, environ={})
    >>> loaded.settings.split.max_chars, loaded.origins["split.max_chars"]
    (300, 'argument')

    Args:
        path: the file; default: ``RAG_CONFIG``, ``./rag.toml``, ``rag.toml`` in ``user_folder("config")``.
        profile: "default", "offline", "vllm" or a ``[profiles.NAME]`` of the file; default: ``RAG_PROFILE``, then
            the file's top-level ``profile``, then "default".
        arguments: {"section.field": value} or {"section": {"field": value}}. Text is read as in the environment:
            "true", "12", "en,zh" or '["en","zh"]', "none".
        environ: default ``os.environ``, to which the keys of the ``.env`` beside the file are added. An empty variable
            counts as not set.
        check_trust: whether the ``rag.toml`` of the working folder may name other machines, keys and code only after
            ``rag trust``. False only for callers that show settings without using them.

    Raises:
        UntrustedSettingsError: see ``indexes.settings.trust``.
        SettingsError: an unknown name or an unusable value, with its place and the closest known name.
    """
    own_process, environ = environ is None, os.environ if environ is None else environ
    given = _flatten(tree, arguments or {}, "argument", "argument ")
    file, table = read_file(path, environ)
    ours = file is None or is_named(file, path, environ)
    if file is not None and check_trust and not ours:
        require_trust(file, table, environ)
    origin = f"{file.name} ({file})" if file else ""
    profile, profile_origin = _choose_profile(profile, given, environ, table, origin)

    entries: dict[str, _Entry] = {}
    entries.update(_profile_layer(tree, profile, table, origin))
    body = {key: value for key, value in table.items() if key not in ("profiles", "profile")}
    entries.update(_flatten(tree, body, origin, f"{origin}: ", folder=file.parent if file else None))
    entries.update(_environment_layer(tree, environ, [*entries.items(), *given.items()]))
    entries.update(given)
    if "profile" in tree.model_fields:
        entries["profile"] = _Entry(profile, profile_origin, profile_origin)

    settings = _build(tree, entries)
    for name in table.get("profiles", {}):
        if name != profile:  # report mistakes in it now, not when it is chosen
            _build(tree, _profile_layer(tree, name, table, origin))
    origins = {key: entries[key].origin if key in entries else "default" for key in known_keys(tree)}
    keys = {} if file is None else _keys(settings, file, environ)
    if keys and check_trust:
        if file is not None and not ours:
            require_trust(file, table, environ, keys=keys)
        if own_process:
            os.environ.update(keys)
    return Loaded(settings, origins, file, keys)


def _keys(settings: Model, file: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the API keys in the ``.env`` beside the file that these settings name and that are not set."""
    names = {getattr(getattr(settings, name), "api_key_env", "") for name in type(settings).model_fields}
    return keys_beside(file, {name for name in names if name and not environ.get(name)})


def sections(tree: type[Model]) -> dict[str, type[Model]]:
    """Return section name -> its model.

    >>> from indexes.settings.sections import IndexSettings
    >>> list(sections(IndexSettings))[:3]
    ['encoder', 'sparse', 'read']
    """
    return {
        name: info.annotation
        for name, info in tree.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, Model)
    }


def known_keys(tree: type[Model]) -> list[str]:
    """Return every "section.field" and top-level "field" of the tree, in order.

    >>> from indexes.settings.sections import IndexSettings
    >>> known_keys(IndexSettings)[0]
    'encoder.provider'
    """
    known = sections(tree)
    keys: list[str] = []
    for name in tree.model_fields:
        keys.extend(f"{name}.{field}" for field in known[name].model_fields) if name in known else keys.append(name)
    return keys


def variable_of(key: str) -> str:
    """Return the environment variable of a setting.

    >>> variable_of("llm.model")
    'RAG_LLM_MODEL'
    """
    return PREFIX + key.replace(".", "_").upper()


def unknown_variables(tree: type[Model], environ: Mapping[str, str], key_variables: Iterable[str] = ()) -> list[str]:
    """Return ``RAG_*`` variables unknown to the settings, the commands and ``key_variables`` (names of secrets).

    >>> from indexes.settings.sections import IndexSettings
    >>> unknown_variables(IndexSettings, {"RAG_STORE_URL": "", "RAG_STORE_URI": "", "PATH": ""})
    ['RAG_STORE_URI']
    """
    known = {variable_of(key) for key in known_keys(tree)} | OWN_VARIABLES | set(key_variables)
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant, or None.

    >>> closest("max_char", ["max_chars", "mode"])
    'max_chars'
    """
    known = list(known)
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if matches:
        return matches[0]
    field = name.rpartition(".")[2]
    return next((key for key in known if key.rpartition(".")[2] == field), None)


def read_file(path: Path | str | None, environ: Mapping[str, str]) -> tuple[Path | None, dict[str, Any]]:
    r"""Find and parse the file. A file named explicitly must exist; the two default places may be empty.

    >>> _ = (folder / "rag.toml").write_text('[store]\nurl = "http://127.0.0.1:6333"\n')
    >>> read_file(folder / "rag.toml", {})[1]
    {'store': {'url': 'http://127.0.0.1:6333'}}
    >>> read_file("missing.toml", {})
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: there is no settings file 'missing.toml'; give an existing file, or run 'rag
    config --init'
    """
    named_file = path or environ.get("RAG_CONFIG")
    if named_file:
        file = Path(named_file).expanduser()
        if not file.is_file():
            by = "" if path else " (from RAG_CONFIG)"
            raise SettingsError(
                f"there is no settings file '{file}'{by}", remedy="give an existing file, or run 'rag config --init'"
            )
    else:
        candidates = (Path(FILE_NAME), user_folder("config", environ) / FILE_NAME)
        found = next((candidate for candidate in candidates if candidate.is_file()), None)
        if found is None:
            return None, {}
        file = found
    file = file.absolute()
    return file, parse_file(file)


def is_named(file: Path, path: Path | str | None, environ: Mapping[str, str]) -> bool:
    """Return whether the user chose the file: by an argument, by RAG_CONFIG, or as the account's own.

    >>> is_named(Path("rag.toml"), None, {}), is_named(Path("rag.toml"), None, {"RAG_CONFIG": "rag.toml"})
    (False, True)
    """
    own = user_folder("config", environ) / FILE_NAME
    return bool(path or environ.get("RAG_CONFIG")) or file.resolve() == own.resolve()


def parse_file(file: Path) -> dict[str, Any]:
    r"""Return the tables of a settings file.

    >>> _ = (folder / "rag.toml").write_text('profile = "offline"\n[store]\ngrpc = true\n')
    >>> parse_file(folder / "rag.toml")
    {'profile': 'offline', 'store': {'grpc': True}}

    Raises:
        SettingsError: the file is not TOML, or cannot be read.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}", remedy="correct that line") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}", remedy="make it a readable UTF-8 file") from error


def _choose_profile(
    profile: str | None, given: dict[str, _Entry], environ: Mapping[str, str], table: dict[str, Any], origin: str
) -> tuple[str, str]:
    """Return the profile's name and the origin of the choice, after checking that it exists."""
    if profile is None and "profile" in given:
        profile = str(given["profile"].value)
    choices = ((profile, "argument"), (environ.get("RAG_PROFILE"), "RAG_PROFILE"), (table.get("profile"), origin))
    name, source = next(((name, source) for name, source in choices if name), ("default", "default"))
    own = table.get("profiles", {})
    if not isinstance(own, dict):
        raise SettingsError(f"{origin}: profiles = {own!r} is not a table", remedy="write [profiles.NAME.section]")
    names = sorted({*PROFILES, *own})
    if name not in names:
        hint = closest(str(name), names)
        remedy = f"did you mean '{hint}'?" if hint else f"use one of {', '.join(names)}"
        raise SettingsError(f"{source}: there is no profile {name!r}", remedy=remedy)
    return str(name), source


def _profile_layer(tree: type[Model], name: str, table: dict[str, Any], origin: str) -> dict[str, _Entry]:
    """Return a built-in profile, overridden by the file's profile of the same name."""
    label = f"profile {name}"
    known = sections(tree)
    built_in = {key: value for key, value in PROFILES.get(name, {}).items() if key in known}
    entries = _flatten(tree, built_in, label, f"{label}: ")
    own = table.get("profiles", {}).get(name, {})
    if not isinstance(own, dict):
        raise SettingsError(
            f"{origin}: profiles.{name} = {own!r} is not a table", remedy=f"write [profiles.{name}.llm]"
        )
    entries.update(_flatten(tree, own, label, f"{origin}: profiles.{name}."))
    return entries


def _environment_layer(
    tree: type[Model], environ: Mapping[str, str], others: list[tuple[str, _Entry]]
) -> dict[str, _Entry]:
    known = {variable_of(key): key for key in known_keys(tree)}
    owners = tuple(f"{PREFIX}{name.upper()}_" for name in sections(tree))
    # A server's key may be in a variable such as RAG_LLM_KEY, named by an api_key_env.
    secrets = {str(entry.value) for key, entry in others if key.endswith("_env")}
    secrets |= {value for name, value in environ.items() if name.startswith(PREFIX) and name.endswith("_ENV")}
    entries: dict[str, _Entry] = {}
    for name, value in environ.items():
        if not value or name == "RAG_PROFILE":
            continue
        if name in known:
            entries[known[name]] = _Entry(value, name, name)
        elif name.startswith(owners) and name not in secrets:
            hint = closest(name, known)
            shown = "***" if SECRET.search(name) else repr(value)
            remedy = f"did you mean {hint}?" if hint else "run 'rag config' for the known names"
            raise SettingsError(f"the environment variable {name}={shown} sets nothing", remedy=remedy)
    return entries


def _flatten(
    tree: type[Model], table: Mapping[str, object], origin: str, prefix: str, folder: Path | None = None
) -> dict[str, _Entry]:
    """Convert nested or dotted names to entries. ``folder``: folder of the file, to which its paths are relative."""
    known, ignores = sections(tree), tree.model_config.get("extra") == "ignore"
    entries: dict[str, _Entry] = {}
    for key, value in _dotted(table, known):
        section, dot, field = key.partition(".")
        where = f"{prefix}{key}"
        if section in known and not dot:
            raise SettingsError(f"{where} = {value!r} is not a table", remedy=f"write its fields as {section}.FIELD")
        if section not in tree.model_fields and ignores:
            continue
        if key not in known_keys(tree):
            _refuse(tree, key, value, where)
        if folder and isinstance(value, str) and dot and known[section].model_fields[field].annotation is Path:
            value = value if value.startswith("~") else str(folder / value)
        entries[key] = _Entry(value, origin, where)
    return entries


def _dotted(table: Mapping[str, object], known: Mapping[str, type[Model]]) -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, Model):
            value = value.model_dump(exclude_unset=True)
        if isinstance(value, Mapping) and "." not in key:
            for field, inner in value.items():
                yield f"{key}.{field}", inner
            if not value and key not in known:
                yield key, value
        else:
            yield key, value


def _refuse(tree: type[Model], key: str, value: object, where: str) -> None:
    if SECRET.search(key):
        shown, remedy = "***", "keep secrets in an environment variable and put its name into the field api_key_env"
    else:
        hint = closest(key, known_keys(tree)) or closest(key.partition(".")[0], sections(tree))
        shown, remedy = repr(value), f"did you mean '{hint}'?" if hint else "run 'rag config' for the known names"
    raise SettingsError(f"unknown setting {where} = {shown}", remedy=remedy)


def _read_text(value: object, annotation: Any) -> object:
    """Convert text from the environment or ``--set`` for the field's type; pydantic converts the rest."""
    if not isinstance(value, str):
        return value
    choices = get_args(annotation)
    if type(None) in choices and value.strip().lower() in ("none", "null", ""):
        return None
    if tuple in (annotation, get_origin(annotation), *(get_origin(choice) for choice in choices)):
        return _read_list(value)
    return value


def _read_list(value: str) -> object:
    """Read a list: "en,zh", or in TOML or JSON form."""
    if value.strip().startswith("["):
        try:
            read = tomllib.loads(f"list = {value.strip()}")
        except tomllib.TOMLDecodeError:
            return value  # not a list: pydantic reports it with the place
        return tuple(read["list"]) if read.keys() == {"list"} else value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _build(tree: type[T], entries: dict[str, _Entry]) -> T:
    """Validate section by section, so that an error can name the layer of the value."""
    known = sections(tree)
    values: dict[str, Any] = {}
    for key, entry in entries.items():
        section, dot, field = key.partition(".")
        if dot:
            annotation = known[section].model_fields[field].annotation
            value = _read_text(entry.value, annotation)
            if field.endswith("_env") and not VARIABLE_NAME.fullmatch(str(value)):
                raise SettingsError(
                    f"{entry.where} is not the name of an environment variable",
                    remedy="export the key as a variable, e.g. RAG_API_KEY, and write that name here",
                )
            values.setdefault(section, {})[field] = value
        else:
            values[key] = entry.value
    for name, model in known.items():
        if name in values:
            try:
                values[name] = model(**values[name])
            except ValueError as error:
                raise _unusable(error, name, entries) from error
    try:
        return tree(**values)
    except ValueError as error:
        raise _unusable(error, "", entries) from error


def _unusable(error: Any, section: str, entries: dict[str, _Entry]) -> SettingsError:
    """Return pydantic's ValidationError (a ValueError) with the layer that the value is from."""
    problems = error.errors(include_url=False)
    first = problems[0]
    field = str(first["loc"][0])
    key = f"{section}.{field}" if section else field
    entry = entries.get(key)
    more = "" if len(problems) == 1 else f" ({len(problems) - 1} more in [{section}])"
    message = first["msg"][:1].lower() + first["msg"][1:]
    where, value = (entry.where, entry.value) if entry else (key, first["input"])
    return SettingsError(f"{where} = {value!r} cannot be used{more}", remedy=message)
