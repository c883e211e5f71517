"""The guide and the READMEs say what is true of the code: twins, links, settings, commands, code blocks."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
from markdown_it import MarkdownIt

from eval.cli.commands.finetune import COMMANDS as TUNING_COMMANDS
from eval.cli.commands.run import command as run_command
from eval.cli.commands.sweep import command as sweep_command
from eval.cli.commands.sweep import plan
from eval.cli.main import COMMANDS as EVAL_COMMANDS
from eval.cli.main import main as eval_main
from eval.measure.session import parse_spec
from indexes.settings.loader import known_keys, load, sections
from rag.cli.commands.config import toml_value
from rag.cli.main import COMMANDS, main
from rag.settings import Settings
from tests import ROOT

EN, ZH = ROOT / "docs" / "en", ROOT / "docs" / "zh"
READMES = [ROOT / "README.md", ZH / "README.md"]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *EN.rglob("*.md"), *ZH.rglob("*.md")])
LONGEST_README, LONGEST_PAGE = 150, 200  # lines
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ROW = re.compile(r"^\| `([^`]+)` \| `([^`]*)` \| (.*) \|$", re.MULTILINE)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, *languages: str) -> list[str]:
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    return [token.content for token in tokens if token.type == "fence" and token.info.strip() in languages]


def shell_lines(page: Path) -> list[str]:
    return [line for block in blocks(page, "sh") for line in block.splitlines() if line.strip()]


def shape(page: Path) -> list[tuple[str, str]]:
    """Headings, tables and code blocks in order: what twins must have in common."""
    tokens = MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))
    kinds = {"heading_open": "tag", "fence": "info", "table_open": "tag", "ordered_list_open": "tag"}
    return [(token.type, getattr(token, kinds[token.type])) for token in tokens if token.type in kinds]


def test_every_page_has_its_twin() -> None:
    english = {page.relative_to(EN) for page in EN.rglob("*.md")}
    chinese = {page.relative_to(ZH) for page in ZH.rglob("*.md")} - {Path("README.md")}
    assert english == chinese
    assert len(english) >= 12


@pytest.mark.parametrize("page", [*sorted(EN.rglob("*.md")), ROOT / "README.md"], ids=name_of)
def test_twins_have_the_same_headings_tables_and_code_blocks(page: Path) -> None:
    assert shape(page) == shape(ZH / page.relative_to(EN if page.is_relative_to(EN) else ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target.partition("#")[0]).is_file(), f"{name_of(page)} links to {target}"


@pytest.mark.parametrize("page", sorted(ZH.rglob("*.md")), ids=name_of)
def test_chinese_links_stay_in_chinese(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert not target.startswith("../en/"), f"{name_of(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_emphasis_is_rendered(page: Path) -> None:
    """CommonMark leaves ** standing where Chinese punctuation is inside it: put the full stop behind it."""
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        for child in token.children or []:
            assert child.type != "text" or "**" not in child.content, child.content


# -- settings ----------------------------------------------------------------------------------------------------


def defaults() -> dict[str, str]:
    known = sections(Settings)
    found = {name: info.default for name, info in Settings.model_fields.items() if name not in known}
    for name, model in known.items():
        found |= {f"{name}.{field}": info.default for field, info in model.model_fields.items()}
    return {key: toml_value(value) for key, value in found.items()}


def settings_pages(folder: Path) -> str:
    """The page of configuration, and that of each section."""
    pages = [folder / "configuration.md", *(folder / "settings" / f"{name}.md" for name in sections(Settings))]
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_is_long(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= LONGEST_PAGE


@pytest.mark.parametrize("folder", [EN, ZH], ids=["en", "zh"])
def test_every_setting_stands_on_its_page_with_its_default(folder: Path) -> None:
    text = settings_pages(folder)
    rows = {key: default for key, default, _ in ROW.findall(text) if key in known_keys(Settings)}
    assert rows == defaults()


def test_english_meanings_are_those_of_the_code() -> None:
    text = settings_pages(EN)
    meanings = {key: meaning for key, _, meaning in ROW.findall(text)}
    for name, model in sections(Settings).items():
        for field, info in model.model_fields.items():
            assert meanings[f"{name}.{field}"] == (info.description or "").replace("|", "\\|"), f"{name}.{field}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_settings_named_in_running_text_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    known = sections(Settings)
    for section, field in re.findall(r"(?<![\w./])`?([a-z]+)\.([a-z_0-9]+)\b(?!\()", text):
        if section in known and field not in ("md", "py"):
            assert field in known[section].model_fields, f"{name_of(page)}: {section}.{field}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_toml_blocks_are_settings(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "toml"):
        tomllib.loads(block)
        file = tmp_path / "rag.toml"
        file.write_text(block, encoding="utf-8")
        load(Settings, path=file, environ={})
        for profile in tomllib.loads(block).get("profiles", {}):
            load(Settings, path=file, profile=profile, environ={})


# -- commands ----------------------------------------------------------------------------------------------------


def commands_of(page: Path, program: str = "rag") -> list[list[str]]:
    return [words[1:] for line in shell_lines(page) if (words := shlex.split(line, comments=True))[:1] == [program]]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_rag_commands_parse(page: Path) -> None:
    """Each line is taken by the real command group up to the point where it would run."""
    for args in commands_of(page):
        with main.make_context("rag", list(args)) as group:
            name, command, rest = main.resolve_command(group, [*group._protected_args, *group.args])
            assert name in COMMANDS and command is not None
            with command.make_context(name, rest, parent=group) as context:
                check_settings(context)


def check_settings(context: click.Context) -> None:
    """--set of an unknown setting parses as an option, so it is filled in as the command would do it."""
    pairs = dict(text.split("=", 1) for text in context.params.get("assignments", ()))
    profile = context.params.get("profile")
    load(Settings, arguments=pairs, profile=profile, environ={})


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_rag_eval_commands_parse(page: Path) -> None:
    for args in commands_of(page, "rag-eval"):
        with eval_main.make_context("rag-eval", list(args)) as group:
            name, command, rest = eval_main.resolve_command(group, [*group._protected_args, *group.args])
            assert name in EVAL_COMMANDS and command is not None
            with command.make_context(name, rest, parent=group) as context:
                if isinstance(command, click.Group):
                    inner, found, left = command.resolve_command(context, [*context._protected_args, *context.args])
                    assert found is not None
                    with found.make_context(inner, left, parent=context) as last:
                        check_settings(last)
                    continue
                check_settings(context)
                check_pipelines(context)


def check_pipelines(context: click.Context) -> None:
    """--pipeline and --over are plain text for the option parser, so they are read as the commands read them."""
    specs = []
    if context.command is run_command:
        specs = [parse_spec(text) for text in context.params["specs"]]
    elif context.command is sweep_command and context.params["over"]:
        specs = plan(context.params["over"], grid=context.params["grid"])
    for spec in specs:
        load(Settings, arguments=spec.changes, environ={})


@pytest.mark.parametrize("name", [*EVAL_COMMANDS, *(f"finetune {name}" for name in TUNING_COMMANDS)])
def test_every_measuring_command_is_shown_in_the_guide(name: str) -> None:
    for folder in (EN, ZH):
        pages = ["fine-tuning"] if name.startswith("finetune") else ["evaluation", "questions", "measuring-answers"]
        lines = [" ".join(args) for page in pages for args in commands_of(folder / f"{page}.md", "rag-eval")]
        assert any(f"{line} ".startswith(f"{name} ") for line in lines), f"{pages} show no rag-eval {name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_shown_in_both_readmes(name: str) -> None:
    for page in READMES:
        assert any(args[:1] == [name] for args in commands_of(page)), f"{name_of(page)} does not show rag {name}"


@pytest.mark.parametrize("page", READMES, ids=name_of)
def test_a_readme_is_short(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= LONGEST_README


@pytest.mark.parametrize("page", READMES, ids=name_of)
def test_the_readme_names_the_line_that_ci_runs(page: Path) -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    lines = [line for line in ci if line.startswith("make ")]
    assert lines == ["make check test"]
    assert lines[0] in shell_lines(page)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in shell_lines(page):
        words = shlex.split(line)
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets, line


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_races_exist(page: Path) -> None:
    from eval.bench.__main__ import RACES

    for line in shell_lines(page):
        if "eval.bench" in line:
            assert line.split()[3] in RACES


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_blocks_compile_and_import_what_exists(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, name_of(page), "exec")
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("indexes", "rag", "eval"):
                module = __import__(node.module or "", fromlist=[alias.name for alias in node.names])
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{name_of(page)}: {node.module}.{alias.name}"


# -- the demo ----------------------------------------------------------------------------------------------------


def test_the_demo_asks_what_the_guide_answers() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    questions = dict(re.findall(r"DEMO_(EN|ZH) \?= (.+)", makefile))
    assert questions == {
        "EN": "Why does a hybrid search keep a sparse vector beside the dense one?",
        "ZH": "为什么窗口在查询时才取？",
    }
    assert "keeps a sparse vector beside the dense one because" in (EN / "hybrid-search.md").read_text(encoding="utf-8")
    assert "窗口在查询时才取，是因为" in (ZH / "sentence-windows.md").read_text(encoding="utf-8")
