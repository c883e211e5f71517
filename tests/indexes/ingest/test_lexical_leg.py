"""What the lexical leg alone finds, in files as people have them: codes, numbers, names, compounds, headings."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from indexes import Index, build_index
from indexes.readers import read_file
from indexes.settings.sections import IndexSettings, StoreSettings
from tests.indexes.words_model import words_model

TEXTS = {
    "harvest.txt": "The harvest of barley was 3,480,000 tonnes. That of oats was 3,840,000 tonnes. That of rye was "
    "480,000 tonnes.",
    "rules.txt": "《食品安全法》规定，食品须有标签。\n\n《海上交通法》规定，船舶须有证书。\n\n天文馆周一闭馆。",
    "office.txt": "雷射印表機放在二樓。\n\n會議記錄由秘書保管。",
    "courses.txt": "The C# course has nine lessons.\n\nThe C++ course has six lessons.\n\nThe C course has four "
    "lessons.\n\nR&D pays for it.\n\nRemarks of the IT staff are welcome.",
    "people.txt": "Zoë Núñez waters the plants.\n\nZo Nunn feeds the fish.",
}
PUMPS = {"Kestrel 40": "Two", "Heron 90": "Five", "Egret 15": "Three"}


@pytest.fixture(scope="module")
def codes() -> list[str]:
    numbers = random.Random(5).sample(range(1000, 9999), 60)
    return [f"{['KX', 'QT', 'PL'][n % 3]}-{n}" for n in numbers]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, codes: list[str]) -> Iterator[Index]:
    docs = tmp_path_factory.mktemp("lexical")
    for name, text in TEXTS.items():
        (docs / name).write_text(text, encoding="utf-8")
    parts = ["bearing", "shaft", "hinge"]
    rows = [f"{code},{parts[n % 3]},{n % 7}" for n, code in enumerate(codes)]
    (docs / "stock.csv").write_text("\n".join(["code,part,shelf", *rows]), encoding="utf-8")
    for name, years in PUMPS.items():
        text = f"# {name}\n\n## Care\n\nDry it after use.\n\n## Guarantee\n\n{years} years.\n"
        (docs / f"{name.split()[0].lower()}.md").write_text(text, encoding="utf-8")
    documents = [read_file(path, doc_id=path.name) for path in sorted(docs.iterdir())]
    settings = IndexSettings(store=StoreSettings(path=docs / "store"))
    with build_index([d for found in documents for d in found], settings=settings, encoder=words_model(1)) as built:
        yield built


def first(index: Index, question: str) -> str:
    [sparse] = index.encoder.encode_queries([question]).sparse or []
    [hit, *_] = index.store.hybrid_search(None, sparse, limit=5)
    return str(hit.payload["text"]) + f" ({hit.payload['doc_id']})"


def test_each_code_is_found_in_its_own_row(index: Index, codes: list[str]) -> None:
    assert [code for code in codes if f"code: {code};" not in first(index, code)] == []
    assert [code for code in codes if f"code: {code};" not in first(index, code.replace("-", "").lower())] == []


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("3480000", "3,480,000"),
        ("3 480 000 tonnes", "3,480,000"),
        ("348万吨", "3,480,000"),
        ("食品安全", "食品须有标签"),
        ("天文", "天文馆"),
        ("激光打印机", "印表機"),
        ("会议记录", "會議記錄"),
        ("C++", "C++"),
        ("C#", "C#"),
        ("C", "The C course"),
        ("IT", "Remarks"),
        ("Zoe Nunez", "plants"),
        ("guarantee of the Heron 90", "Five years. (heron.md)"),
        ("How long is the Egret guarantee?", "Three years. (egret.md)"),
    ],
)
def test_what_is_meant_comes_first(index: Index, question: str, found: str) -> None:
    assert found in first(index, question)
