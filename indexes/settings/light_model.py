"""A settings model that acts like pydantic's without importing it, since importing pydantic and building its validators
takes a quarter of a second, for which no command should have to wait.

A value that certainly fits (it has the field's type, or is the plain text of a number or a switch) is taken here. All
others go to the pydantic model with the same fields (``strict``), which converts them or raises its ValidationError. So
every value and every error is pydantic's, which a test compares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import FrozenInstanceError
from functools import cache
from inspect import get_annotations
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Self, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from pydantic import BaseModel

_WHOLE = re.compile(r"-?[0-9]{1,15}")
_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?")
_SWITCHES = {"true": True, "false": False}
_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "ge": lambda value, bound: value >= bound,
    "gt": lambda value, bound: value > bound,
    "le": lambda value, bound: value <= bound,
    "lt": lambda value, bound: value < bound,
    "min_length": lambda value, bound: len(value) >= bound,
}


class NotCertainError(Exception):
    """Only pydantic can decide whether a value fits.

    >>> class Size(Model):
    ...     width: int = Field(80, ge=1)
    >>> Size.model_fields["width"].read("wide")
    Traceback (most recent call last):
        ...
    indexes.settings.light_model.NotCertainError
    """


class FieldInfo:
    """A field with its default, its description and the bounds of its values.

    >>> class Size(Model):
    ...     width: int = Field(80, description="characters in a line", ge=1)
    >>> field = Size.model_fields["width"]
    >>> field.annotation, field.bounds, field.read("100")
    (<class 'int'>, {'ge': 1}, 100)
    """

    def __init__(self, default: Any, description: str | None = None, **bounds: Any) -> None:
        self.default, self.description, self.bounds = default, description, bounds
        self.owner: type = object

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name

    @property
    def annotation(self) -> Any:
        """The field's type."""
        return _types_of(self.owner)[self.name]

    def read(self, value: Any) -> Any:
        """Return the value in the field's type.

        Raises:
            NotCertainError: it does not certainly fit.
        """
        found = _certain(self.annotation, value)
        if found is not None and not all(_HOLDS[name](found, bound) for name, bound in self.bounds.items()):
            raise NotCertainError
        return found


def Field(default: Any, *, description: str | None = None, **bounds: Any) -> Any:
    """Declare a field.

    >>> class Size(Model):
    ...     width: int = Field(80, description="characters in a line", ge=1)
    >>> Size().width, Size.model_fields["width"].description
    (80, 'characters in a line')

    Args:
        bounds: ge, gt, le, lt and min_length, as for pydantic.
    """
    return FieldInfo(default, description, **bounds)


class Model:
    """Base class of frozen settings, with the methods of pydantic's ``BaseModel`` that settings are used with.

    >>> class Size(Model):
    ...     width: int = Field(80, ge=1)
    >>> Size(width="100"), Size().model_copy(update={"width": 9}).model_dump()
    (Size(width=100), {'width': 9})
    """

    model_config: ClassVar[dict[str, Any]] = {}
    model_fields: ClassVar[dict[str, FieldInfo]] = {}
    model_fields_set: set[str]

    def __init_subclass__(cls) -> None:
        cls.model_fields = dict(cls.model_fields)
        for name in get_annotations(cls):
            info = cls.__dict__[name]
            if not isinstance(info, FieldInfo):
                info = FieldInfo(info)
                info.__set_name__(cls, name)
            cls.model_fields[name] = info
            delattr(cls, name)

    def __init__(self, **values: Any) -> None:
        try:
            taken = self._taken(values)
        except NotCertainError:
            made = strict(type(self)).model_validate(_unprepared(type(self), values))
            taken = _given(type(self), made)
        self._fill(taken)

    @classmethod
    def prepared(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Convert what earlier versions wrote; models override it."""
        return values

    @classmethod
    def _taken(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of known fields, converted.

        Raises:
            NotCertainError: one does not certainly fit.
        """
        taken = {}
        for name, value in cls.prepared(dict(values)).items():
            if name in cls.model_fields:
                taken[name] = cls.model_fields[name].read(value)
            elif cls.model_config.get("extra") != "ignore":
                raise NotCertainError
        return taken

    @classmethod
    def _made(cls, taken: Mapping[str, Any]) -> Self:
        made = cls.__new__(cls)
        made._fill(taken)
        return made

    def _fill(self, taken: Mapping[str, Any]) -> None:
        vars(self).update({name: info.default for name, info in self.model_fields.items()} | dict(taken))
        vars(self)["model_fields_set"] = set(taken)

    @classmethod
    def model_validate(cls, value: Any) -> Self:
        """Return the model of a mapping; a model is returned unchanged."""
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
            return cls(**value)
        return cls._made(_given(cls, strict(cls).model_validate(value)))

    @classmethod
    def model_validate_json(cls, text: str | bytes) -> Self:
        """Return the model that ``model_dump_json`` wrote."""
        return cls.model_validate(json.loads(text))

    def model_dump(
        self,
        *,
        mode: Literal["python", "json"] = "python",
        include: Collection[str] | None = None,
        exclude: Collection[str] = (),
        exclude_unset: bool = False,
    ) -> dict[str, Any]:
        """Return the fields as a dict, sections as dicts in it; with mode "json" lists and texts only."""
        found: dict[str, Any] = {}
        for name in self.model_fields:
            if name in exclude or (include is not None and name not in include):
                continue
            if exclude_unset and name not in self.model_fields_set:
                continue
            value = getattr(self, name)
            if isinstance(value, Model):
                value = value.model_dump(mode=mode, exclude_unset=exclude_unset)
            elif mode == "json" and isinstance(value, Path):
                value = str(value)
            elif mode == "json" and isinstance(value, tuple):
                value = list(value)
            found[name] = value
        return found

    def model_dump_json(self, *, include: Collection[str] | None = None) -> str:
        """Return the fields as JSON."""
        return json.dumps(self.model_dump(mode="json", include=include), ensure_ascii=False, separators=(",", ":"))

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """Return a copy with other values, which are not checked."""
        copy = self._made({})
        vars(copy).update(vars(self) | dict(update or {}))
        vars(copy)["model_fields_set"] = {*self.model_fields_set, *(update or {})}
        return copy

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.model_fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.model_fields)
        return f"{type(self).__name__}({', '.join(shown)})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise FrozenInstanceError(f"{type(self).__name__}.{name} cannot be set: use model_copy(update=...)")

    def __delattr__(self, name: str) -> NoReturn:
        raise FrozenInstanceError(f"{type(self).__name__}.{name} cannot be deleted")


@cache
def _types_of(owner: type) -> dict[str, Any]:
    return get_type_hints(owner)


def _is_model(wanted: Any) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, Model)


def _certain(wanted: Any, value: Any) -> Any:
    """Return the value in the type ``wanted`` as pydantic would.

    Raises:
        NotCertainError: that is not certain.
    """
    kind, origin = type(value), get_origin(wanted)
    if kind is wanted and kind in (str, bool, int):
        return value
    if wanted is float and kind in (float, int) and abs(value) < 1e15:  # neither infinite nor NaN
        return float(value)
    if wanted is Path and isinstance(value, (str, Path)):
        return Path(value)
    if kind is str:
        if wanted is bool and value in _SWITCHES:
            return _SWITCHES[value]
        if wanted is int and _WHOLE.fullmatch(value):
            return int(value)
        if wanted is float and _DECIMAL.fullmatch(value):
            return float(value)
        if origin is Literal and value in get_args(wanted):
            return value
    if origin is tuple and kind in (tuple, list):
        return tuple(_certain(get_args(wanted)[0], item) for item in value)
    if origin in (Union, UnionType) and type(None) in get_args(wanted):
        others = [choice for choice in get_args(wanted) if choice is not type(None)]
        if value is None:
            return None
        if len(others) == 1:
            return _certain(others[0], value)
    if _is_model(wanted):
        if isinstance(value, wanted):
            return value
        if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
            return wanted._made(wanted._taken(value))
    raise NotCertainError


# ---- pydantic ----


def strict(model: type[Model]) -> type[BaseModel]:
    """Return the pydantic model with the same name, fields and bounds.

    >>> strict(type("Size", (Model,), {"__annotations__": {"width": int}, "width": Field(80, ge=1)}))(width="9").width
    9
    """
    hashable: Any = model
    return _strict(hashable)


@cache
def _strict(model: type[Model]) -> type[BaseModel]:
    from pydantic import ConfigDict, create_model
    from pydantic import Field as StrictField

    fields: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        wanted = strict(info.annotation) if _is_model(info.annotation) else info.annotation
        fields[name] = (wanted, StrictField(info.default, **info.bounds))
    config = ConfigDict(**{"protected_namespaces": (), **model.model_config})  # type: ignore[typeddict-item]
    made: type[BaseModel] = create_model(model.__name__, __config__=config, **fields)
    return made


def _unprepared(model: type[Model], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as ``strict`` reads them: earlier versions' converted, and models as dicts."""
    found = model.prepared(dict(values))
    for name, value in found.items():
        wanted: Any = model.model_fields[name].annotation if name in model.model_fields else None
        if isinstance(value, Model):
            found[name] = value.model_dump(exclude_unset=True)
        elif _is_model(wanted) and isinstance(value, Mapping):
            found[name] = _unprepared(wanted, value)
    return found


def _given(model: type[Model], made: BaseModel) -> dict[str, Any]:
    """Return the values that a ``strict`` model was given, sections as ours."""
    found = {}
    for name in made.model_fields_set:
        value, wanted = getattr(made, name), model.model_fields[name].annotation
        found[name] = wanted._made(_given(wanted, value)) if _is_model(wanted) else value
    return found
