"""Hostile files: a run goes on, names each that it cannot read, and stores the good ones."""

from __future__ import annotations

import io
import random
import time
import zipfile
from contextlib import closing
from pathlib import Path

from indexes import build_index
from indexes.settings.sections import IndexSettings, IngestSettings, StoreSettings
from tests.indexes.store.store_fixtures import FakeEncoder
from tests.torture.children import child, main, wait

CHARACTERS = (b"\x00", b"\xff\xfe", b"\\ud800", b"\xed\xa0\x80", b"\x1b[31m", b"&#x0;", b"<" * 500)
MARKS = (b'"', b"{", b"[" * 2000, b"<table>", b"colspan=99999 ", b"9" * 400, b"\n|" * 300)
ROUND = 40  # files of one run
TEXT = "The hen lays an egg. 母鸡每天下蛋。 She eats barley, snails and grass! 他们知道吗？\n"


def samples() -> dict[str, bytes]:
    """A small whole file of many formats."""
    import docx
    import openpyxl
    from fpdf import FPDF

    made: dict[str, bytes] = {
        "txt": TEXT.encode(),
        "md": f"---\ntitle: a\ntags: [x, 3, true]\n---\n# Hen\n\n{TEXT}\n| a | b |\n|---|---|\n| 1 | 2 |\n".encode(),
        "html": f"<html><body><h1>Hen</h1><p>{TEXT}</p><table><tr><td rowspan=3>a<td>b</table>".encode(),
        "json": b'[{"title": "Hen", "text": "She eats barley."}, {"title": "Owl", "text": "It sleeps."}]',
        "jsonl": b'{"text": "She eats."}\n{"text": "It sleeps."}\n',
        "csv": "name,age\nhen,3\nowl,4\n母鸡,5\n".encode(),
        "ipynb": b'{"cells": [{"cell_type": "markdown", "source": ["# Hen\\n", "She eats."]}], "nbformat": 4}',
        "eml": b"Subject: Hen\r\nFrom: a@b.c\r\nContent-Type: text/plain\r\n\r\nShe eats barley.\r\n",
        "rtf": rb"{\rtf1\ansi She eats \b barley\b0 . \u27597?\par}",
        "py": b'"""Hen."""\n\n\ndef eat():\n    """Eat."""\n',
    }
    for name, build in (("docx", _docx), ("xlsx", _xlsx), ("pdf", _pdf)):
        made[name] = build(docx, openpyxl, FPDF)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", TEXT)
        archive.writestr("b/c.html", made["html"])
    return made | {"zip": packed.getvalue()}


def _docx(docx, openpyxl, pdf):  # type: ignore[no-untyped-def]
    document, out = docx.Document(), io.BytesIO()
    document.add_heading("Hen", 1)
    document.add_paragraph(TEXT)
    document.save(out)
    return out.getvalue()


def _xlsx(docx, openpyxl, pdf):  # type: ignore[no-untyped-def]
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in (("name", "age"), ("hen", 3), ("owl", 4.5)):
        book.active.append(row)
    book.save(out)
    return out.getvalue()


def _pdf(docx, openpyxl, pdf):  # type: ignore[no-untyped-def]
    page = pdf()
    page.add_page()
    page.set_font("helvetica", size=11)
    page.text(20, 20, "The hen lays an egg.")
    return bytes(page.output())


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Bytes changed, cut, doubled, or put elsewhere."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 3, 20))):
        kind, at = draw.randrange(7), draw.randrange(len(changed) + 1)
        if kind == 0:
            changed[at : at + 1] = bytes([draw.randrange(256)])
        elif kind == 1:
            changed = changed[:at]
        elif kind == 2:
            changed[at:at] = changed[at : at + draw.randrange(1, 200)] * draw.choice((1, 3, 200))
        elif kind == 3:
            changed[at:at] = draw.choice(CHARACTERS)
        elif kind == 4:
            changed[at : at + draw.randrange(50)] = b""
        elif kind == 5:
            changed[at:at] = draw.choice(MARKS)
        else:
            changed[at:at] = draw.randbytes(draw.randrange(40))
    return bytes(changed)


def campaign(draw: random.Random, ends: float, folder: Path) -> str:
    whole, log, done, skipped = samples(), folder / "log", 0, 0
    while not done or time.monotonic() < ends - 20:  # one round at least, however slow the machine
        docs, store = folder / f"docs{done}", folder / f"store{done}"
        docs.mkdir()
        (docs / "good.txt").write_text("The good file is whole.", encoding="utf-8")
        for number in range(ROUND):
            ending, data = draw.choice(list(whole.items()))
            other = draw.choice(list(whole)) if draw.random() < 0.15 else ending  # another format's ending
            (docs / f"{number:03}.{other}").write_bytes(mutated(data, draw))
        settings = IndexSettings(
            store=StoreSettings(path=store, min_free_mb=0), ingest=IngestSettings(file_timeout=20, file_memory_mb=512)
        )

        def run(settings: IndexSettings = settings, docs: Path = docs) -> None:
            with closing(build_index(docs, settings=settings, encoder=FakeEncoder())) as index:
                report = index.report
                assert report is not None
                files = {file.path.removeprefix(f"{docs.resolve()}/").partition("!")[0]: file for file in report.files}
                missing = {path.name for path in docs.iterdir()} - files.keys()
                assert len(missing) <= sum(report.ignored.values()), f"not reported: {missing}"
                assert files["good.txt"].status == "added"
                for file in report.files:
                    assert file.status != "skipped" or (file.reason and "\n" not in file.reason), file
                assert index.verify(deep=True).differences == []
                print(report.skipped)
            with closing(build_index(docs, settings=settings, encoder=FakeEncoder())) as again:
                assert again.report is not None and again.report.encoded == 0

        code = wait(child(run, log), 300)
        said = log.read_text(errors="replace")
        assert code == 0, f"files in round {done // ROUND}: exit status {code}\n{said[-4000:]}"
        done += ROUND
        skipped += int(said.split()[0]) if said.split() and said.split()[0].isdecimal() else 0
    return f"{done} hostile files, {skipped} of them named as unreadable: no run ended early"


if __name__ == "__main__":
    main(campaign)
