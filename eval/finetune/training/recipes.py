"""Recipes: named sets of options with which two other projects trained; each option can still be overridden.

What options cannot express (the order of rows, in-batch negatives across cards) follows this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from eval.finetune.training.options import KEY
from indexes.errors import SettingsError

T = TypeVar("T")


@dataclass(frozen=True)
class Recipe:
    """One named set of options.

    >>> recipe = RECIPES["kanhaoning-embedder"]
    >>> recipe.kind, recipe.values["loss"], recipe.teacher
    ('EmbedderOptions', 'kl', True)

    Args:
        kind: name of the class of the options.
        source: the project it comes from, and what it does.
        values: name of a field -> value.
        base: model that it was written for; "" for any.
        teacher: whether it needs a teacher's scores.
    """

    kind: str
    source: str
    values: Mapping[str, Any]
    base: str = ""
    teacher: bool = False


RECIPES = {
    "kanhaoning-embedder": Recipe(
        "EmbedderOptions",
        "RAG-Optimization-Practices: DistillKLDivLoss at T 2 over every positive with every negative, 16 rows x 32, "
        "bf16 where the device computes in it",
        {
            "loss": "kl",
            "temperature": 2.0,
            "lr": 6e-5,
            "warmup": 0.02,
            "epochs": 1,
            "batch": 16,
            "accumulate": 32,
            "unit": "document",
            "teacher_list": 64,
            "margin": None,
            "max_tokens": None,
        },
        teacher=True,
    ),
    "kanhaoning-reranker": Recipe(
        "RerankerOptions",
        "RAG-Optimization-Practices: MarginMSE on a teacher's raw scores, 4 of the 8 hardest negatives, 16 lists x 32 "
        "steps, the reranker alone",
        {
            "loss": "margin_mse",
            "raw_scores": True,
            "bonus": 0.0,
            "residual": False,
            "lr": 2e-5,
            "warmup": 0.05,
            "epochs": 1,
            "batch": 16,
            "accumulate": 32,
            "pool": 8,
            "negatives": 4,
            "max_tokens": 4096,
            "freeze_embeddings": False,
            "weight": 1.0,
        },
        teacher=True,
    ),
    "chaoql-embedder": Recipe(
        "EmbedderOptions",
        "rag-best-practices: the defaults of LlamaIndex's SentenceTransformersFinetuneEngine (batch 10, 2 epochs, lr "
        "2e-5, in-batch negatives alone), for bge-large-en-v1.5, judged by Hit@5",
        {
            "epochs": 2,
            "batch": 10,
            "lr": 2e-5,
            "warmup": 0.1,
            "negatives": 0,
            "unit": "document",
            "max_tokens": None,
        },
        base="BAAI/bge-large-en-v1.5",
    ),
}


def recipes_of(kind: type) -> dict[str, Recipe]:
    """Return the recipes for options of this class, by name.

    >>> from eval.finetune.reranker.options import RerankerOptions
    >>> list(recipes_of(RerankerOptions))
    ['kanhaoning-reranker']
    """
    return {name: recipe for name, recipe in RECIPES.items() if recipe.kind == kind.__name__}


def recipe_options(kind: type[T], name: str, **changes: Any) -> T:
    """Return the options of a recipe, with changes applied.

    >>> from eval.finetune.embedder.options import EmbedderOptions
    >>> options = recipe_options(EmbedderOptions, "chaoql-embedder", lr=1e-5)
    >>> options.batch, options.lr
    (10, 1e-05)

    Raises:
        SettingsError: there is no such recipe for this kind.
    """
    known = recipes_of(kind)
    if name not in known:
        raise SettingsError(
            f"unknown recipe {name!r} for {kind.__name__}",
            remedy=f"name one of {', '.join(known) or 'another kind'}",
        )
    return kind(**{**known[name].values, **changes})


def check_teacher(name: str, teacher: object) -> None:
    """Check that a recipe that needs a teacher has one.

    >>> check_teacher("kanhaoning-embedder", ("pipeline",))
    >>> check_teacher("kanhaoning-embedder", ())
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: the recipe 'kanhaoning-embedder' needs a teacher's scores; name a teacher with
     --teacher

    Raises:
        SettingsError: it has none.
    """
    if RECIPES[name].teacher and not teacher:
        raise SettingsError(f"the recipe {name!r} needs a teacher's scores", remedy="name a teacher with --teacher")


def described(name: str, options: Any) -> str:
    """Return a recipe as command-line options, and the options that override it.

    >>> from eval.finetune.embedder.options import EmbedderOptions
    >>> print(described("kanhaoning-embedder", recipe_options(EmbedderOptions, "kanhaoning-embedder", epochs=1)))
    recipe kanhaoning-embedder (RAG-Optimization-Practices: DistillKLDivLoss at T 2 over every positive with every
     negative, 16 rows x 32, bf16 where the device computes in it): --loss kl --temperature 2 --lr 6e-05 --warmup 0.02
     --epochs 1 --batch 16 --accumulate 32 --unit document --list 64 --margin -1 --max-tokens 0

    Args:
        options: the options that are used.
    """
    recipe = RECIPES[name]
    known = {one.name: one for one in fields(options)}
    parts: list[str] = []
    own: list[str] = []
    for field, value in recipe.values.items():
        used = getattr(options, field)
        (parts if used == value else own).append(_as_flag(known[field], field, used))
    text = f"recipe {name} ({recipe.source}): {' '.join(parts)}"
    return f"{text}; overridden: {' '.join(own)}" if own else text


def _as_flag(field: Any, name: str, value: Any) -> str:
    option = field.metadata[KEY]
    flag = option.flag or f"--{name.replace('_', '-')}"
    if "/" in flag:
        on, off = flag.split("/")
        return str(on if value else off)
    if value is True:
        return flag
    shown = value if value is not None else (-1 if name == "margin" else 0)
    return f"{flag} {shown:g}" if isinstance(shown, float) else f"{flag} {shown}"
