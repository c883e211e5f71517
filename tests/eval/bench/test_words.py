"""The table of readings: each one finds a document that is lost without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.bench.reading.words import ALL, LEFT_OUT, main

# reading -> a text, and a question that finds it by this reading alone; a text for a wrong answer, where one is needed.
CASES = {
    "numbers without separators": ("The bridge cost 1,250,000 crowns.", "1250000", ""),
    "1.2 million, 125万": ("Sales reached 3.5 million.", "3500000", ""),
    "Chinese numerals": ("这份文件写于二〇二三年。", "2023", ""),
    "dates": ("It was signed on 7 March 2021.", "2021-03-07", "7 in 2021, 7 in 2021, 7 in 2021."),
    "codes as one term": ("Order the XK-4410 pump.", "XK4410", "XK 4410, XK 4410, XK 4410."),
    "units and camel case apart": ("The sack weighs 15kg.", "15 kg", ""),
    "C++, C#, .NET": ("He writes C++ at night.", "C++", "C, C and C."),
    "IT in capitals": ("The IT team is small.", "IT", ""),
    "accents folded": ("The café closes early.", "cafe", ""),
    "full-width and compatible forms": ("ＱＲＳ的手册。", "QRS", ""),
    "simplified beside traditional": ("軟體開發的流程。", "软件开发", "开发，开发，开发。"),
    "parts of Chinese compounds": ("劳动合同法规定了期限。", "劳动合同", ""),
}


def test_each_reading_finds_what_is_lost_without_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {ALL, *CASES} == set(LEFT_OUT)
    folder = tmp_path / "forms"
    (folder / "qrels").mkdir(parents=True)
    texts = {f"d{i}": text for i, (text, _, _) in enumerate(CASES.values())}
    texts |= {f"w{i}": wrong for i, (_, _, wrong) in enumerate(CASES.values()) if wrong}
    rows = [{"_id": name, "title": "", "text": text} for name, text in texts.items()]
    questions = [{"_id": f"q{i}", "text": question} for i, (_, question, _) in enumerate(CASES.values())]
    for name, lines in (("corpus", rows), ("queries", questions)):
        (folder / f"{name}.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    judged = [f"q{i}\td{i}\t1" for i in range(len(CASES))]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]), encoding="utf-8")
    assert main(["--data", str(folder), "--json"]) == 0
    found = {row["without"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    whole = found.pop("(nothing)")
    assert (whole["nDCG@10"], whole["entries_%"], whole["visited_%"]) == (1.0, 100.0, 100.0)
    assert [name for name, row in found.items() if row["nDCG@10"] > whole["nDCG@10"] - 0.02] == []
