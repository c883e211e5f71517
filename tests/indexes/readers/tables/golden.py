# ruff: noqa: E501 - a table reads best row by row
"""Golden tables: what each says, row by row, however a format writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | tuple[str, int, int]  # words; or words, columns, rows


@dataclass(frozen=True)
class Golden:
    """A table and its records.

    Args:
        head: rows that the format marks as the head (th, header row, bold), 0: none.
        records: what comes out.
        sheet: the same where a sheet is taken to have a head and other formats are not.
    """

    name: str
    rows: Sequence[Sequence[Cell]]
    records: Sequence[str]
    head: int = 0
    sheet: Sequence[str] | None = None


def grid(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


GOLDEN = [
    Golden("marked head over words", grid("Store | Lead\nHarbour | Ann\nMarket | Bo"),
           ["Store: Harbour; Lead: Ann", "Store: Market; Lead: Bo"], head=1),
    Golden("numbers below words in three columns", grid("Town | People | Area\nAville | 1200 | 3.5\nBtown | 800 | 2"),
           ["Town: Aville; People: 1200; Area: 3.5", "Town: Btown; People: 800; Area: 2"]),
    Golden("years in sequence", grid("Town | 2021 | 2022\nAville | 1200 | 1250\nBtown | 800 | 790"),
           ["Town: Aville; 2021: 1200; 2022: 1250", "Town: Btown; 2021: 800; 2022: 790"]),
    Golden("years downwards", grid("Item | 2023 | 2021 | 2019\nRent | 12 | 11 | 9\nFood | 5 | 4 | 3"),
           ["Item: Rent; 2023: 12; 2021: 11; 2019: 9", "Item: Food; 2023: 5; 2021: 4; 2019: 3"]),
    Golden("months by number", grid("Ware | 1月 | 2月 | 3月\n茶 | 10 | 12 | 9\n米 | 7 | 8 | 6"),
           ["Ware: 茶; 1月: 10; 2月: 12; 3月: 9", "Ware: 米; 1月: 7; 2月: 8; 3月: 6"]),
    Golden("dates as head", grid("Gauge | 2024-05-01 | 2024-06-01\nNorth | 3.1 | 3.4\nSouth | 2.2 | 2.0"),
           ["Gauge: North; 2024-05-01: 3.1; 2024-06-01: 3.4", "Gauge: South; 2024-05-01: 2.2; 2024-06-01: 2.0"]),
    Golden("no head: numbers in the first row", grid("Desk | 80 | oak\nLamp | 30 | tin\nChair | 45 | ash"),
           ["Desk; 80; oak", "Lamp; 30; tin", "Chair; 45; ash"]),
    Golden("no head: words that recur below", grid("yes | red | old\nno | red | new\nyes | blue | old"),
           ["yes; red; old", "no; red; new", "yes; blue; old"]),
    Golden("names and values, first value a measure", grid("Voltage | 230 V\nWeight | 1.1 kg\nColour | red"),
           ["Voltage: 230 V", "Weight: 1.1 kg", "Colour: red"]),
    Golden("names and values in words", grid("Legs | four\nSeat | oak\nMaker | Lind & Son"),
           ["Legs: four", "Seat: oak", "Maker: Lind & Son"], sheet=["Legs: Seat; four: oak", "Legs: Maker; four: Lind & Son"]),
    Golden("a form of four columns", grid("姓名 | 李四 | 性别 | 女\n部门 | 仓储部 | 工号 | 0815\n电话 | 5521 | 入职日期 | 2020年5月1日"),
           ["姓名: 李四", "性别: 女", "部门: 仓储部", "工号: 0815", "电话: 5521", "入职日期: 2020年5月1日"]),
    Golden("a form with colons", grid("Owner: | Mrs Lind | Plot: | 12\nUse: | garden | Water: | no"),
           ["Owner: Mrs Lind", "Plot: 12", "Use: garden", "Water: no"]),
    Golden("a form with a wide value",
           [["Name", "Ann", "Phone", "4711"], ["Address", ("Mill Lane 3, Ulm", 3, 1)]],
           ["Name: Ann", "Phone: 4711", "Address: Mill Lane 3, Ulm"]),
    Golden("two-row head", [[("Zone", 1, 2), ("Letter", 2, 1)], ["small", "large"], ["A", "1.10", "2.20"], ["B", "3.30", "4.40"]],
           ["Zone: A; Letter small: 1.10; Letter large: 2.20", "Zone: B; Letter small: 3.30; Letter large: 4.40"], head=2),
    Golden("two-row head, unmarked",
           [[("Plant", 1, 2), ("2023", 2, 1), ("2024", 2, 1)], ["H1", "H2", "H1", "H2"], ["East", "1", "2", "3", "4"],
            ["West", "5", "6", "7", "8"]],
           ["Plant: East; 2023 H1: 1; 2023 H2: 2; 2024 H1: 3; 2024 H2: 4",
            "Plant: West; 2023 H1: 5; 2023 H2: 6; 2024 H1: 7; 2024 H2: 8"]),
    Golden("merged over rows", [["City", "Store", "Staff"], [("Leeds", 1, 2), "Harbour", "3"], ["Market", "4"], ["York", "Abbey", "5"]],
           ["City: Leeds; Store: Harbour; Staff: 3", "City: Leeds; Store: Market; Staff: 4", "City: York; Store: Abbey; Staff: 5"]),
    Golden("merged over columns", [["Ferry", "Mon", "Tue", "Wed"], ["Elk", ("closed", 2, 1), "9:00"], ["Seal", "8:00", "8:30", "9:30"]],
           ["Ferry: Elk; Mon: closed; Tue: closed; Wed: 9:00", "Ferry: Seal; Mon: 8:00; Tue: 8:30; Wed: 9:30"], head=1),
    Golden("a name twice", grid("Name | Phone | Phone\nAnn | 111 | 222\nBo | 333 | 444"),
           ["Name: Ann; Phone: 111; Phone: 222", "Name: Bo; Phone: 333; Phone: 444"]),
    Golden("gaps", grid("Ware | Price | Note\ntea | 3 | \ncup |  | new\npot | 9 | old"),
           ["Ware: tea; Price: 3", "Ware: cup; Note: new", "Ware: pot; Price: 9; Note: old"], head=1),
]  # fmt: skip
