"""What files say of themselves becomes metadata, filters find it, and a key that no document has is reported."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from indexes import Index, build_index
from indexes.encoders import build_encoder
from indexes.readers import read_file
from indexes.readers.front_matter import split_front_matter
from indexes.readers.outline import notes_of
from indexes.settings.sections import EncoderSettings, IndexSettings, StoreSettings
from indexes.store.metadata_keys import metadata_keys, unknown_keys
from rag.retrieval.filter_text import parse_filters

YAML = """---
title: Boat list
date: 2024-05-02
tags: [river, boats]
price: 7
draft: false
section: fleet
nested: {crew: 4}
---
# Hire

A rowing boat costs 7 dollars.
"""
TOML = '+++\ntitle = "Bike list"\ndate = 2023-08-01\ntags = ["road"]\n+++\n# Hire\n\nA bike costs 4 dollars.\n'


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("metadata")
    (folder / "docs" / "more").mkdir(parents=True)
    (folder / "docs" / "a.md").write_text(YAML, encoding="utf-8")
    (folder / "docs" / "b.md").write_text(TOML, encoding="utf-8")
    (folder / "docs" / "more" / "c.md").write_text("# Skates\n\nSkates cost 2 dollars.\n", encoding="utf-8")
    (folder / "docs" / "more" / "d.md").write_text("# Skates\n\nSkates cost 2 dollars.\n", encoding="utf-8")
    os.utime(folder / "docs" / "more" / "c.md", (0, 1_700_000_000))
    encoder = EncoderSettings(provider="minilm", model="minilm")
    settings = IndexSettings(encoder=encoder, store=StoreSettings(path=folder / "store"))
    return build_index(folder / "docs", settings=settings, encoder=build_encoder(settings))


def found(index: Index, *conditions: str) -> set[str]:
    filters = parse_filters(conditions)
    nodes = index.retriever(top_k=10, filters=filters).retrieve("What does it cost?")
    return {node.metadata["file_name"] for node in nodes}


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("source=a.md", {"a.md"}),
        ("source in a.md,b.md", {"a.md", "b.md"}),
        ("source=more/c.md", {"c.md"}),
        ("source=c.md", {"c.md"}),
        ("source=d.md", {"c.md"}),  # equal to c.md, stored once
        ("source=docs/a.md", {"a.md"}),
        ("source!=a.md", {"b.md", "c.md"}),
        ("file_name=b.md", {"b.md"}),
        ("date>=2024-01-01", {"a.md"}),
        ("date<2024-01-01", {"b.md"}),
        ("tags=river", {"a.md"}),
        ("price=7", {"a.md"}),
        ("draft=false", {"a.md"}),
        ("front_section=fleet", {"a.md"}),
        ("nested.crew=4", {"a.md"}),
        ("last_modified_date=2023-11-14", {"c.md"}),
    ],
)
def test_filters(index: Index, condition: str, names: set[str]) -> None:
    assert found(index, condition) == names


def test_keys_and_the_nearest_of_one_that_is_not_there(index: Index) -> None:
    keys = {key.name: key for key in metadata_keys(index.store)}
    assert keys["tags"].documents == 2 and keys["tags"].examples == ["river", "boats", "road"]
    assert keys["source"].documents == 3
    filters = parse_filters(("tag=river", "source=a.md", "nothing=1"))
    [tag, nothing] = unknown_keys(index.store, filters)
    assert "'tag'" in tag and "did you mean 'tags'" in tag
    assert "'nothing'" in nothing


def test_a_model_that_answers_reads_no_file_names(index: Index) -> None:
    [node] = index.retriever(top_k=1).retrieve("What does a rowing boat cost?")
    shown = node.node.get_content(metadata_mode="llm")
    assert "Boat list" in shown and "last_modified_date" not in shown and "file_path" not in shown


def test_front_matter_that_is_none_or_broken(tmp_path: Path) -> None:
    assert split_front_matter("---\nJust a line between rules.\n---\nText.")[1:] == ({}, None)
    body, found, fault = split_front_matter("---\ntitle: Kept\nbad: [\n---\nText.")
    assert (body, found) == ("Text.", {"title": "Kept"}) and fault is not None
    bomb = "---\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n---\nText."
    path = tmp_path / "bomb.md"
    path.write_text(bomb, encoding="utf-8")
    [document] = read_file(path)
    assert document.text == "Text." and "front matter" in notes_of(document)[0]


def test_properties_of_office_html_and_epub(tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    page.write_text(
        '<head><meta name="author" content="Ida &amp; Bo"><meta property="article:published_time" '
        'content="2022-03-04T05:06:07Z"><meta name="keywords" content="mill, pond"></head><p>The mill.</p>',
        encoding="utf-8",
    )
    metadata = read_file(page)[0].metadata
    assert (metadata["author"], metadata["keywords"]) == ("Ida & Bo", ["mill", "pond"])
    assert (metadata["created"], metadata["creation_date"]) == ("2022-03-04T05:06:07Z", "2022-03-04")
    import docx

    document = docx.Document()
    document.add_paragraph("The mill.")
    document.core_properties.author = "Ida Roth"
    document.core_properties.keywords = "mill; pond"
    document.save(str(tmp_path / "d.docx"))
    metadata = read_file(tmp_path / "d.docx")[0].metadata
    assert (metadata["author"], metadata["keywords"]) == ("Ida Roth", ["mill", "pond"])
    assert metadata["last_modified_date"] == metadata["modified"][:10]
    assert (metadata["file_name"], metadata["file_type"]) == ("d.docx", "docx")
    book = tmp_path / "b.epub"
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(
            "META-INF/container.xml", '<container><rootfiles><rootfile full-path="o.opf"/></rootfiles></container>'
        )
        archive.writestr(
            "o.opf",
            '<package xmlns:dc="x"><metadata><dc:title>Mill</dc:title><dc:creator>Bo Lindt</dc:creator><dc:date>1998-07'
            '-01</dc:date></metadata><manifest><item id="c" href="c.xhtml" media-type="application/xhtml+xml"/>'
            '</manifest><spine><itemref idref="c"/></spine></package>',
        )
        archive.writestr("c.xhtml", "<html><body><p>The mill grinds.</p></body></html>")
    metadata = read_file(book)[0].metadata
    assert (metadata["author"], metadata["creation_date"]) == ("Bo Lindt", "1998-07-01")


def test_dates_in_other_forms_and_tags_in_one_line() -> None:
    lines = (
        "date: 2023/7/9",
        "held: 9.7.2023",
        "日期: 2023年7月9日",
        "due: July 9, 2023",
        "tags: 划船, 河流；夜间",
        "v: 1.2.3",
    )
    _, metadata, note = split_front_matter("---\n" + "\n".join(lines) + "\n---\nText.")
    assert note is None and metadata.pop("tags") == ["划船", "河流", "夜间"]
    assert metadata.pop("v") == "1.2.3"  # a version, not a date
    assert set(metadata.values()) == {"2023-07-09"} and len(metadata) == 4
