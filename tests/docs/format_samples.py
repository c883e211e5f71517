"""One small file for each claim of the guide's table of formats."""
# ruff: noqa: E501 - markup breaks where its elements do

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import xlwt
from docx import Document as new_docx
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from fpdf import FPDF
from openpyxl import Workbook
from openpyxl.comments import Comment
from pptx.oxml import parse_xml as parse_pptx

from tests.indexes.readers.office.test_office import boxes, pptx_of, rich_docx
from tests.indexes.readers.office.test_old_formats import ODT, RTF, mail, packed
from tests.indexes.readers.pdf.test_pdf import LEFT, RIGHT, lines, scanned
from tests.indexes.readers.reader_files import changed_zip, pdf_of, put, zip_of
from tests.indexes.readers.test_other import BOOK

Make = Callable[[Path], Path]
Sample = tuple[Make, Sequence[str], Sequence[str], Sequence[str]]  # file, words that come, that do not, in the notes
W = nsdecls("w")
SAMPLES: dict[tuple[str, str, str], Sample] = {}


def text(name: str, content: str | bytes) -> Make:
    return lambda folder: put(folder, name, content)


def add(kind: str, column: str, claim: str, make: Make, present: str = "", absent: str = "", noted: str = "") -> None:
    """Words are parted by "|"."""
    parts = [tuple(part for part in words.split("|") if part) for words in (present, absent, noted)]
    SAMPLES[kind, column, claim] = (make, parts[0], parts[1], parts[2])


READ, LEFT_OUT, NOTED = "Read", "Left out", "Counted in a note"

add("plain text", READ, "chapter lines as headings", text("a.txt", "第一章 山\n\n他来了。\n"), "'第一章 山'")
add(
    "plain text",
    LEFT_OUT,
    "soft hyphens and zero-width spaces",
    text("a.txt", "down\u00adstream key\u200bboard"),
    "downstream keyboard",
)
add(
    "plain text",
    NOTED,
    "damaged characters",
    text("a.txt", ("很长的一段中文。" * 50).encode() + b"\xe4\xbd"),
    noted="damaged character",
)

MD = "# Owls\n\nSee [it](https://x.org/a) <!-- hidden -->10<sup>6</sup> and 5 m<sup>2</sup>. ~~Gone.~~\n\n- one\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode()\n```\n\n<p>Block.</p>\n"
add("Markdown", READ, "headings, lists, tables, code", text("a.md", MD), "('Owls',)|- one|a: 1; b: 2|code()")
add("Markdown", READ, "HTML blocks", text("a.md", MD), "Block.")
add("Markdown", READ, "raised digits as `10^6` and `m²`", text("a.md", MD), "10^6|5 m²")
FORM = "| Voltage | 110 V |\n|---|---|\n| Weight | 2.4 kg |\n"
add(
    "Markdown",
    READ,
    "forms of names and values",
    text("a.md", FORM),
    "Voltage: 110 V|Weight: 2.4 kg",
    "Voltage: Weight",
)
add("Markdown", LEFT_OUT, "addresses of links", text("a.md", MD), absent="x.org")
add("Markdown", LEFT_OUT, "comments", text("a.md", MD), absent="hidden")
add("Markdown", NOTED, "struck-through text", text("a.md", MD), absent="Gone", noted="1 struck-through passage")

HTML = (
    "<nav><a>Home</a></nav><div>Outside words.</div><main><article><header><h1>Owls</h1><p>Lead words.</p></header><p>They <ruby>猫<rt>mao</rt></ruby> hunt"
    " <s>gone</s> well. The owls of the north hunt in the snow.</p><aside><p>Aside words.</p></aside><form><p>Form words.</p></form><footer><p>Footer words.</p></footer>"
    "<nav><a>Next</a></nav><p hidden>secret</p><ol start=3 type=a><li>three<li value=7>seven</ol><ol reversed><li>two<li>one</ol>"
    "<dl><dt>Voltage<dd>230 V</dl></article></main>"
)  # fmt: skip
add(
    "HTML",
    READ,
    "lead, aside, form and footer inside `main` or `article`",
    text("a.html", HTML),
    "Lead words.|Aside words.|Form words.|Footer words.",
)
add(
    "HTML",
    READ,
    "numbers of `ol` with start, value, type and reversed",
    text("a.html", HTML),
    "c. three|g. seven|2. two|1. one",
)
add("HTML", READ, "`dt` and `dd` as `name: value`", text("a.html", HTML), "Voltage: 230 V")
FIELDS = "<main><p>Plate <input value='AB 12'></p><p><label><input type=checkbox checked> Guest</label></p></main>"
add("HTML", READ, "what is filled into a form", text("a.html", FIELDS), "Plate AB 12|[x] Guest")
add("HTML", LEFT_OUT, "readings of characters (ruby)", text("a.html", HTML), "猫", "mao")
add("HTML", NOTED, "navigation", text("a.html", HTML), absent="Next", noted="1 navigation block")
add("HTML", NOTED, "hidden text", text("a.html", HTML), absent="secret", noted="1 hidden passage")
add("HTML", NOTED, "struck-through text", text("a.html", HTML), absent="gone", noted="1 struck-through passage")
add(
    "HTML",
    NOTED,
    "text around the main content",
    text("a.html", HTML),
    absent="Outside",
    noted="characters around its main content",
)


def columns(folder: Path) -> Path:
    rows = [item for pair in zip(lines(15, LEFT), lines(110, RIGHT), strict=True) for item in pair]
    return pdf_of(folder / "a.pdf", [rows])


def ruled(folder: Path) -> Path:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    for cells in (("Town", "2021", "2022"), ("Ulm", "1200", "1250"), ("Bonn", "800", "790")):
        for cell in cells:
            pdf.cell(40, 8, cell, border=1)
        pdf.ln()
    pdf.text(20, 80, "All numbers are of May.")
    pdf.output(str(folder / "a.pdf"))
    return folder / "a.pdf"


def raised(folder: Path) -> Path:
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("helvetica", size=12)
    for words, script in (
        ("It holds 10", ""),
        ("6", "SUP"),
        (" litres since 1932.", ""),
        ("12", "SUP"),
        (" It is old.", ""),
    ):
        pdf.char_vpos = script or "LINE"
        pdf.write(8, words)
    pdf.output(str(folder / "a.pdf"))
    return folder / "a.pdf"


def form(folder: Path) -> Path:
    """A form with a field, a ticked box and a note, written by hand."""
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R 7 0 R] /DA (/F0 10 Tf) /DR << /Font << /F0 5 0 R >> >> >> >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 400] /Contents 4 0 R /Resources << /Font << /F0 5 0 R >> >> /Annots [6 0 R 7 0 R 8 0 R] >>",
        "STREAM",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (plate) /V (KX 4711) /Rect [120 340 260 356] /P 3 0 R >>",
        "<< /Type /Annot /Subtype /Widget /FT /Btn /T (resident) /V /Yes /AS /Yes /AP << /N << /Yes 9 0 R /Off 9 0 R >> >> /Rect [120 300 132 312] /P 3 0 R >>",
        "<< /Type /Annot /Subtype /Text /Contents (Only with the sticker.) /Rect [300 300 320 320] >>",
        "<< /Type /XObject /Subtype /Form /BBox [0 0 12 12] /Length 0 >>\nstream\n\nendstream",
    ]
    drawn = "BT /F0 12 Tf 30 343 Td (Plate number:) Tj 0 -40 Td (Resident:) Tj ET"
    objects[3] = f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream"
    out, places = "%PDF-1.7\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n" + "".join(
        f"{place:010d} 00000 n \n" for place in places
    )
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return put(folder, "a.pdf", out.encode())


def running(folder: Path) -> Path:
    pages = [[(20.0, 8.0, "Lease of the mill"), (20.0, 60.0, f"Words of page {name}."), (90.0, 290.0, f"Page {at} of 2")]
             for at, name in ((1, "one"), (2, "two"))]  # fmt: skip
    return pdf_of(folder / "a.pdf", pages)


def untitled(folder: Path) -> Path:
    pdf = FPDF()
    pdf.set_title("untitled")
    pdf.add_page()
    pdf.set_font("helvetica", size=11)
    pdf.text(20, 20, "Words.")
    pdf.output(str(folder / "mill.pdf"))
    return folder / "mill.pdf"


add(
    "PDF",
    READ,
    "columns one after the other",
    columns,
    "Their ears hear a mouse under snow.|They have many young ones each year",
)
add("PDF", READ, "ruled tables as records", ruled, "Town: Ulm; 2021: 1200|All numbers are of May.")
add("PDF", READ, "form fields and ticks", form, "Plate number: KX 4711|Resident: yes")
ROWS = [
    (20.0 + 45 * c, 30.0 + 9 * r, cell)
    for r, row in enumerate(("Group Before", "Alpha 12", "Beta 9"))
    for c, cell in enumerate(row.split())
]
add(
    "PDF",
    READ,
    "rows of tables without rules as lines",
    lambda folder: pdf_of(folder / "a.pdf", [ROWS]),
    "Group Before\nAlpha 12\nBeta 9",
)
add("PDF", READ, "notes", form, "Note: Only with the sticker.")
add("PDF", READ, "raised digits and note numbers", raised, "10^6 litres|1932[12].|It is old.")
add("PDF", LEFT_OUT, "running heads and page numbers", running, "Words of page one.", "Lease|Page 1")
add("PDF", LEFT_OUT, 'titles such as "untitled"', untitled, "mill", "untitled")
add("PDF", NOTED, "scanned pages", lambda folder: scanned(folder / "a.pdf"), noted="have no text (scanned)")


def word(folder: Path) -> Path:
    document = new_docx()
    numbering = document.part.numbering_part.element
    numbering.insert(0, parse_xml(
        f'<w:abstractNum {W} w:abstractNumId="90"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="chineseCountingThousand"/><w:lvlText w:val="第%1章"/></w:lvl>'
        '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:isLgl/><w:lvlText w:val="%1.%2"/></w:lvl></w:abstractNum>'
    ))  # fmt: skip
    numbering.append(parse_xml(f'<w:num {W} w:numId="90"><w:abstractNumId w:val="90"/></w:num>'))
    for level, style, words in (
        (0, "Heading 1", "Leave"),
        (1, None, "Ten days."),
        (0, "Heading 1", "Travel"),
        (1, None, "By train."),
    ):
        paragraph = document.add_paragraph(words, style=style)
        paragraph._p.get_or_add_pPr().append(
            parse_xml(f'<w:numPr {W}><w:ilvl w:val="{level}"/><w:numId w:val="90"/></w:numPr>')
        )
    last = document.add_paragraph("Heat to 60 ")
    for run in ('<w:sym w:font="Symbol" w:char="F0B0"/>', "<w:t>C.</w:t>", "<w:rPr><w:vanish/></w:rPr><w:t>Secret.</w:t>",
                "<w:rPr><w:strike/></w:rPr><w:t>Gone.</w:t>",
                "<w:ruby><w:rt><w:r><w:t>mao</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>猫</w:t></w:r></w:rubyBase></w:ruby>"):  # fmt: skip
        last._p.append(parse_xml(f"<w:r {W}>{run}</w:r>"))
    document.save(str(folder / "a.docx"))
    return folder / "a.docx"


DIAGRAM = (
    '<dgm:dataModel xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main">'
    '<dgm:ptLst><dgm:pt modelId="1"><dgm:t><a:p><a:r><a:t>Order comes</a:t></a:r></a:p></dgm:t></dgm:pt></dgm:ptLst></dgm:dataModel>'
)


def smart(folder: Path) -> Path:
    document = new_docx()
    document.add_paragraph("Steps")._p.append(parse_xml(
        f'<w:r {W}><w:drawing><dgm:relIds xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"'
        ' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" r:dm="rId90"/></w:drawing></w:r>'
    ))  # fmt: skip
    document.save(str(folder / "a.docx"))
    import zipfile

    with zipfile.ZipFile(folder / "a.docx") as archive:
        rels, types = archive.read("word/_rels/document.xml.rels"), archive.read("[Content_Types].xml")
    rel = b'<Relationship Id="rId90" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/diagramData" Target="diagrams/data1.xml"/></Relationships>'
    kind = b'<Override PartName="/word/diagrams/data1.xml" ContentType="application/vnd.openxmlformats-officedocument.drawingml.diagramData+xml"/></Types>'
    changes = {
        "word/diagrams/data1.xml": DIAGRAM.encode(),
        "word/_rels/document.xml.rels": rels.replace(b"</Relationships>", rel),
        "[Content_Types].xml": types.replace(b"</Types>", kind),
    }
    return put(folder, "a.docx", changed_zip((folder / "a.docx").read_bytes(), changes))


def rich(folder: Path) -> Path:
    return rich_docx(folder / "a.docx")


add(
    "Word",
    READ,
    "automatic numbers of headings and lists",
    word,
    "第一章 Leave|1.1 Ten days.|第二章 Travel|2.1 By train.",
)
add("Word", READ, "symbols of symbol fonts", word, "60 °C.")
add("Word", READ, "footnotes", rich, "See the owl book.")
add("Word", READ, "text boxes", rich, "In a box.")
add("Word", READ, "SmartArt", smart, "- Order comes")
add("Word", READ, "tables with merged cells", rich, "kind: tea; price: 4")
add("Word", LEFT_OUT, "deletions under review", rich, absent="gone")
add("Word", LEFT_OUT, "headers and footers", rich, absent="Confidential|Footer")
add("Word", NOTED, "hidden text", word, absent="Secret", noted="1 hidden passage")
add("Word", NOTED, "struck-through text", word, absent="Gone", noted="1 struck-through passage")
add("Word", NOTED, "readings of characters", word, "猫", "mao", "1 reading of characters")


def fields(folder: Path) -> Path:
    document = new_docx()
    box = f'<w:r {W}><w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox><w:checked/></w:checkBox></w:ffData></w:fldChar></w:r>'
    document.add_paragraph("Guest: ")._p.append(parse_xml(box))
    content = f"<w:sdt {W}><w:sdtContent><w:r><w:t>AB 12</w:t></w:r></w:sdtContent></w:sdt>"
    document.add_paragraph("Plate: ")._p.append(parse_xml(content))
    document.save(str(folder / "a.docx"))
    return folder / "a.docx"


add("Word", READ, "form fields and ticks", fields, "Guest: ☒|Plate: AB 12")


def deck(folder: Path) -> Path:
    from pptx import Presentation

    path = pptx_of(folder / "a.pptx")
    deck = Presentation(str(path))
    frame = deck.slides[0].placeholders[1].text_frame
    a = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    for paragraph in frame.paragraphs:
        paragraph._p.get_or_add_pPr().append(parse_pptx(f'<a:buAutoNum {a} type="arabicPeriod" startAt="4"/>'))
    frame._txBody.append(parse_pptx(f'<a:p {a}><a:r><a:rPr strike="sngStrike"/><a:t>Gone.</a:t></a:r></a:p>'))
    chart = next(shape.chart for shape in deck.slides[1].shapes if shape.has_chart)
    chart.has_title = True
    chart.chart_title.text_frame.text = "Sales of tea"
    deck.save(str(path))
    return path


add("PowerPoint", READ, "titles, text, tables", deck, "Owls|They hunt.|kind: tea; price: 3")


def columns(folder: Path) -> Path:
    from pptx import Presentation

    deck = Presentation()
    boxes(deck.slides.add_slide(deck.slide_layouts[6]), [["Day shift", "Eva leads"], ["Night shift", "Max leads"]])
    deck.save(str(folder / "a.pptx"))
    return folder / "a.pptx"


add("PowerPoint", READ, "text boxes in columns", columns, "Day shift\nEva leads\nNight shift\nMax leads")
add("PowerPoint", READ, "speaker notes", deck, "Say it slowly.")
add("PowerPoint", READ, "numbers and title of charts", deck, "Sales of tea|1.5")
add("PowerPoint", READ, "automatic numbers", deck, "4. They hunt.|5. At night.")
add("PowerPoint", LEFT_OUT, "slide numbers", deck, absent="‹#›")
add("PowerPoint", NOTED, "hidden slides", deck, absent="Secret", noted="hidden slides were left out: 3")
add("PowerPoint", NOTED, "struck-through text", deck, absent="Gone", noted="1 struck-through passage")


def book(folder: Path) -> Path:
    book = Workbook()
    sheet = book.active
    sheet.title = "Rates"
    for row in (
        ["City", "Code", "Off", "Secret"],
        ["Ulm", 42, 0.15, "x9"],
        [None, 7, 0.075, "x8"],
        ["Kiel", 3, "=1+1", "x7"],
    ):
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    for row in (2, 3, 4):
        sheet[f"B{row}"].number_format, sheet[f"C{row}"].number_format = "00000", "0.0%"
    sheet["B2"].comment = Comment("Not on Sundays.", "A")
    sheet.column_dimensions["D"].hidden = True
    sheet.row_dimensions[5].hidden = True
    sheet["A5"] = "Hidden town"
    book.create_sheet("Old").sheet_state = "hidden"
    book.save(str(folder / "a.xlsx"))
    import zipfile

    with zipfile.ZipFile(folder / "a.xlsx") as archive:
        rels = archive.read("xl/worksheets/_rels/sheet1.xml.rels")
    rel = b'<Relationship Id="rId90" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/drawing" Target="../drawings/drawing9.xml"/></Relationships>'
    box = (
        '<xdr:wsDr xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main">'
        "<xdr:twoCellAnchor><xdr:from><xdr:col>1</xdr:col><xdr:row>7</xdr:row></xdr:from><xdr:sp><xdr:txBody><a:p><a:r><a:t>Ask Mrs Lind.</a:t></a:r></a:p></xdr:txBody></xdr:sp>"
        "</xdr:twoCellAnchor></xdr:wsDr>"
    )
    changes = {
        "xl/drawings/drawing9.xml": box.encode(),
        "xl/worksheets/_rels/sheet1.xml.rels": rels.replace(b"</Relationships>", rel),
    }
    return put(folder, "a.xlsx", changed_zip((folder / "a.xlsx").read_bytes(), changes))


add("Excel", READ, "values as Excel shows them", book, "Code: 00042; Off: 15.0%")
add("Excel", READ, "merged cells in every row", book, "City: Ulm; Code: 00007")
add("Excel", READ, "comments", book, "Comment on B2 (Ulm, 00042): Not on Sundays.")
add("Excel", READ, "text boxes", book, "Ask Mrs Lind.")
add("Excel", NOTED, "hidden sheets", book, noted="its hidden sheet 'Old' was left out")
add("Excel", NOTED, "hidden rows and columns", book, absent="Hidden town|x9", noted="1 hidden column, 1 hidden row")
add("Excel", NOTED, "formulas without a value", book, noted="1 of its formulas hold no computed value")

add("csv", READ, "any usual delimiter", text("a.csv", "a^b\n1^2\n3^4\n"), "a: 1; b: 2")
add(
    "csv",
    READ,
    "a head below lines of text",
    text("a.csv", "Report\nof May\n\nWare,Units\nDesk,12\nLamp,3\n"),
    "Report|Ware: Desk; Units: 12",
)
add("csv", READ, "a name that comes twice", text("a.csv", "Name,Phone,Phone\nAnn,111,222\n"), "Phone: 111; Phone: 222")
add("csv", NOTED, "a missing head", text("a.csv", "Ulm,12\nKiel,13\n"), noted="does not look like a head")
add(
    "csv",
    NOTED,
    "quotes that do not match",
    text("a.csv", 'a,b\n1,"open\n' + f"2,{'x' * 200}\n" * 1000),
    noted="quotes do not match",
)

EPUB = text("a.epub", zip_of(dict(BOOK)))
add("e-book", READ, "chapters in order", EPUB, "Owls hunt.|猫头鹰白天睡觉。")
add("e-book", READ, "headings from the table of contents", EPUB, "Day")
add("e-book", LEFT_OUT, "the table of contents itself", EPUB, absent="Day")
add("e-book", NOTED, "missing chapters", EPUB, noted="1 of its chapters are listed but missing")


def old_sheet(folder: Path) -> Path:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Prices")
    for row, cells in enumerate((("Ware", "Price"), ("tea", 3), ("cup", 4))):
        for column, value in enumerate(cells):
            sheet.write(row, column, value)
    book.save(str(folder / "a.xls"))
    return folder / "a.xls"


add("old Office files", READ, "sheets of .xls", old_sheet, "Ware: tea; Price: 3")
OLD = {kind: text(f"mill.{kind}", packed(f"mill.{kind}")) for kind in ("doc", "ppt")}
add("old Office files", READ, "headings, lists and tables of .doc", OLD["doc"], "The mill|- oats|Ware: Price|tea: 3")
add("old Office files", READ, "slides and speaker notes of .ppt", OLD["ppt"], "The mill|每年磨面|Thank the miller.")
add("old Office files", NOTED, "lists without their numbers", OLD["doc"], noted="lists were read without their numbers")
add("old Office files", NOTED, "struck-through text", OLD["doc"], absent="Gone", noted="1 struck-through passage")
OPEN = text(
    "a.odt",
    zip_of(
        {
            "content.xml": ODT.replace(
                "<text:list ",
                "<text:p>x<office:annotation><text:p>Remark</text:p></office:annotation></text:p><text:list ",
                1,
            )
        }
    ),
)
add("OpenDocument", READ, "headings, lists with numbers, tables", OPEN, "The mill|b) rye|City: Ulm; Store: West")
add("OpenDocument", READ, "notes", OPEN, "[1] By the plan.")
add("OpenDocument", LEFT_OUT, "comments", OPEN, absent="Remark")
add("OpenDocument", NOTED, "struck-through text", OPEN, absent="Gone", noted="1 struck-through passage")
RICH = text("a.rtf", RTF.replace(r"\pard Last.", r"\pard Last.{\pict\pngblip 89504e47}"))
add("rich text", READ, "headings, tables", RICH, "The mill|Ware: tea; Price: 3")
add("rich text", READ, "numbers of lists", RICH, "1. It was built")
add("rich text", LEFT_OUT, "pictures", RICH, "Last.", "89504e47")
add("rich text", NOTED, "hidden text", RICH, absent="secret", noted="1 hidden passage")
add("rich text", NOTED, "struck-through text", RICH, absent="Gone", noted="1 struck-through passage")
MAIL = text("a.eml", mail().as_bytes())
add("mail", READ, "subject, sender, date, body", MAIL, "磨坊 lease|Ann Lind|2024-05-03|The lease begins in May.")
add("mail", READ, "attachments as documents", MAIL, "a: 1; b: 2")
