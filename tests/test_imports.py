"""No import circle between modules, nor between rooms, of any floor; imports inside functions count too."""

from __future__ import annotations

from collections.abc import Mapping

import grimp
import pytest

FLOORS = ("indexes", "rag", "eval")


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of names that reach each other, each sorted (Tarjan's strongly connected components)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for other in sorted(imports.get(name, ())):
            if other not in number:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], number[other])
        if low[name] == number[name]:
            group = [stack.pop()]
            while group[-1] != name:
                group.append(stack.pop())
            if len(group) > 1 or name in imports.get(name, ()):
                found.append(sorted(group))

    for name in sorted(imports):
        if name not in number:
            visit(name)
    return found


@pytest.fixture(scope="module")
def modules() -> dict[str, set[str]]:
    graph = grimp.build_graph(*FLOORS, exclude_type_checking_imports=True)
    return {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}


def rooms(modules: Mapping[str, set[str]], house: str) -> dict[str, set[str]]:
    """Which room (a file or folder right below ``house``) imports which others."""
    depth = house.count(".") + 2

    def room(module: str) -> str:
        return ".".join(module.split(".")[:depth]) if module.startswith(f"{house}.") else ""

    found: dict[str, set[str]] = {}
    for module, imported in modules.items():
        if own := room(module):
            found.setdefault(own, set()).update(other for name in imported if (other := room(name)) not in ("", own))
    return found


def test_circles_are_found() -> None:
    drawn = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": {"f"}, "f": {"e"}, "g": set()}
    assert circles(drawn) == [["a", "b", "c"], ["e", "f"]]


def test_no_module_imports_itself_by_way_of_others(modules: dict[str, set[str]]) -> None:
    assert len(modules) > 300
    assert circles(modules) == []


def test_no_room_imports_itself_by_way_of_others(modules: dict[str, set[str]]) -> None:
    houses = {module.rpartition(".")[0] for module in modules} - {""}
    assert {"indexes", "indexes.store", "rag", "eval", "eval.finetune"} <= houses
    assert [circle for house in sorted(houses) for circle in circles(rooms(modules, house))] == []
