"""Passages that come again nearly word for word: found by likeness, in one run and across runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexes.near_duplicates.minhash import alike, normalised, packed, signatures
from indexes.near_duplicates.passages import Repeated, RepeatedPassages
from indexes.nodes import iter_records
from indexes.readers.outline import Section, make_document

ENGLISH = (
    "The keeper of the lighthouse climbs the stairs at dusk and trims the wick. "
    "He writes the direction of the wind into the book that lies on the table. "
    "Ships that pass in the night never learn his name, and he does not ask for theirs."
)
CHINESE = (
    "灯塔看守人在黄昏时分登上楼梯，修剪灯芯。他把风向写进桌上的那本册子里，一天也没有落下。"
    "夜里经过的船只从来不知道他的名字，他也从不打听它们的去向和货物。"
)
EDITS = {
    "as it is": (ENGLISH, ENGLISH),
    "a word changed": (ENGLISH, ENGLISH.replace("dusk", "nightfall")),
    "a word left out": (ENGLISH, ENGLISH.replace("never ", "")),
    "punctuation, case and blanks": (
        ENGLISH,
        ENGLISH.replace(", and", " – and").replace(" ", "  ").replace("The keeper", "THE KEEPER"),
    ),
    "another line break": (ENGLISH, ENGLISH.replace("dusk and", "dusk\nand")),
    "a Chinese word changed": (CHINESE, CHINESE.replace("黄昏时分", "傍晚")),
    "Chinese punctuation": (CHINESE, CHINESE.replace("，", ", ").replace("。", "。 ")),
}


def read(passages: RepeatedPassages, name: str, text: str, page: int | None = None) -> None:
    document = make_document(name, text, [Section(0, len(text), ("Notes",), page)], {"source": name})
    passages.add(list(iter_records(document)))


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("across_runs", [False, True])
def test_small_edits(edit: str, across_runs: bool, tmp_path: Path) -> None:
    first, again = EDITS[edit]
    repeated, path = Repeated(), tmp_path / "default.passages"
    passages = RepeatedPassages(repeated, path, lambda doc_id: True)
    read(passages, "/a.txt", "A beginning of its own. " + first, page=3)
    assert repeated.passages == 0
    if across_runs:
        passages.close()
        passages = RepeatedPassages(repeated, path, lambda doc_id: True)
    read(passages, "/b.txt", "Something else stands before it here. " + again + " And more after it.")
    assert repeated.passages == 1
    (example,) = repeated.examples
    assert (example["source"], example["first_source"]) == ("/b.txt", "/a.txt")
    assert 0.7 <= example["similarity"] <= 1
    assert example["first_at"]["page"] == 3 and example["first_at"]["heading"] == "Notes"
    assert (example["first_at"]["start"], example["first_at"]["end"]) == (24, 24 + len(first))
    assert (example["at"]["start"], example["at"]["end"]) == (38, 38 + len(again.rstrip()))
    passages.close()


def test_other_passages_are_not_the_same() -> None:
    repeated = Repeated()
    passages = RepeatedPassages(repeated, None, lambda doc_id: True)
    read(passages, "/a.txt", ENGLISH + CHINESE)
    other = "The baker of the village gets up before dawn and heats the oven. She weighs flour and salt by hand. "
    read(passages, "/b.txt", other + "People who buy her bread know her name well, and she asks for their news.")
    baker = "面包师天不亮就起床生火。她用手称面粉和盐，从不出错。买面包的人都认识她，"
    read(passages, "/c.txt", baker + "她也常常打听村里的消息。她的面包在邻近的城里也有名，每天早上都卖得一块不剩。")
    read(passages, "/d.txt", "Yes. No. Yes. " * 20)  # too short to be a passage
    assert repeated.passages == 0


def test_a_document_is_not_compared_with_what_it_was_or_what_is_gone(tmp_path: Path) -> None:
    there = {"/a.txt", "/b.txt"}
    for expected in (0, 0, 1, 0):
        repeated = Repeated()
        passages = RepeatedPassages(repeated, tmp_path / "p", there.__contains__)
        if expected:
            read(passages, "/b.txt", ENGLISH)
        elif not there:
            read(passages, "/c.txt", ENGLISH)
        else:
            read(passages, "/a.txt", ENGLISH)  # read again
        passages.close()
        assert repeated.passages == expected
        if expected:
            there.clear()


def test_a_damaged_database_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "default.passages"
    path.write_bytes(b"no database at all" * 100)
    repeated = Repeated()
    passages = RepeatedPassages(repeated, path, lambda doc_id: True)
    read(passages, "/a.txt", ENGLISH)
    read(passages, "/b.txt", ENGLISH)
    passages.close()
    assert repeated.passages == 1


def test_signatures_estimate_the_share_of_common_runs() -> None:
    draw = np.random.default_rng(7)
    words = ["".join(draw.choice(list("abcdefghij字词句段"), 6)) for _ in range(3000)]
    for changed in (0, 10, 30, 100):
        one = words[:200]
        two = [*words[1000 : 1000 + changed], *one[changed:]]
        texts = [normalised(" ".join(one)), normalised("，".join(two))]
        runs = [{text[at : at + 4] for at in range(len(text) - 3)} for text in texts]
        exact = len(runs[0] & runs[1]) / len(runs[0] | runs[1])
        first, second = packed(signatures(texts))
        assert abs(float(alike(first, second[None])[0]) - exact) < 0.17
    assert (signatures(["abc", ""]) == signatures(["", ""])).all()  # too short for a run
