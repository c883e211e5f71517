"""``rag split``: a file in, text for Dify out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from docx import Document as Docx

from rag.cli.main import main

TEXT = "# 一\n概述。\n## 甲\n![](p.png)第一步。\n## 乙\n第二步。\n# 二\n完。\n"


def split(*args: str) -> Result:
    return CliRunner().invoke(main, ["split", *args], env={"RAG_PROFILE": "offline"})


@pytest.fixture
def markdown(tmp_path: Path) -> str:
    path = tmp_path / "a.md"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def test_dify_text_at_headings(markdown: str) -> None:
    result = split(markdown, "--no-limits", "--image-base-url", "https://h/i")
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        "# 一\n概述。\n------\n## 甲\n![image](https://h/i/p.png)第一步。\n------\n"
        "## 乙\n第二步。\n======\n# 二\n完。\n"
    )
    assert result.stderr == "2 parents, 4 children\n"


def test_json_and_limits(markdown: str) -> None:
    result = split(markdown, "--format", "json", "--child-max-chars", "100", "--parent-max-chars", "200")
    parents = json.loads(result.stdout)["parents"]
    assert [len(parent["children"]) for parent in parents] == [1, 1]
    assert json.loads(split(markdown, "--json").stdout)["file"] == markdown


def test_word_files_get_their_headings_back(tmp_path: Path) -> None:
    document = Docx()
    document.add_heading("总则", 1)
    document.add_paragraph("概述。")
    document.add_heading("目的", 2)
    document.add_paragraph("说明。")
    path = tmp_path / "a.docx"
    document.save(str(path))
    assert split(str(path), "--no-limits").stdout == "# 总则\n\n概述。\n------\n## 目的\n\n说明。\n"


def test_what_cannot_be_done_is_said_in_a_sentence(markdown: str, tmp_path: Path) -> None:
    from indexes.errors import SettingsError, SourceError

    wrong = split(markdown, "--child-max-chars", "500", "--parent-max-chars", "100")
    assert isinstance(wrong.exception, (SystemExit, SettingsError))
    assert "does not fit a parent of 100" in (wrong.stderr or str(wrong.exception))
    missing = split(str(tmp_path / "none.md"))
    assert "none.md" in (missing.stderr or str(missing.exception))
    assert isinstance(missing.exception, (SystemExit, SourceError))
    without = split(markdown, "--llm-pass", "--set", "llm.provider=none")
    assert "needs a language model" in (without.stderr or str(without.exception))
