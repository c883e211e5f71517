"""Names in the two writing systems: read aloud, alike in sound, known, translated, or another's."""

from __future__ import annotations

import pytest

from rag.answer.words.names_across import compare_names
from rag.answer.words.polarity import begins_with_yes_or_no
from rag.answer.words.romanised import consonants, in_pinyin, readings, spells

PAIRS = [
    ("The bridge was drawn by Li Xiaoming in 1950.", "这座桥是李小明在1950年设计的。", "held"),
    ("Xiaoming Li drew the bridge.", "李小明设计了这座桥。", "held"),
    ("这座桥是李小明设计的。", "The bridge was drawn by Li Xiaoming.", "held"),
    ("The house of Lü Guihua is old.", "吕桂华的房子很旧。", "held"),  # ü, and one of two readings
    ("The works moved to Chongqing.", "工厂迁到了重庆。", "held"),
    ("The works moved to Wuhan.", "工厂迁到了重庆。", "other"),
    ("The bridge was drawn by Sun Weiguo.", "这座桥是李小明设计的。", "other"),
    ("The choir sings in Lisbon.", "合唱团在里斯本演唱。", "held"),
    ("It was painted by Monica Larsen.", "它由莫妮卡·拉森绘制。", "held"),
    ("Tea is grown in India.", "印度种植茶叶。", "held"),
    ("The boiler is kept by Birch Energy.", "锅炉由Birch Energy维护。", "held"),
    ("The boiler is kept by Maple Heating.", "锅炉由Birch Energy维护。", "other"),
    ("The boiler is insured by Golden Crown Insurance.", "锅炉由金冠保险承保。", "unknown"),
    ("The boiler is old.", "锅炉由金冠保险承保。", "none"),
]


@pytest.mark.parametrize(("claim", "sentence", "found"), PAIRS)
def test_names_across_scripts(claim: str, sentence: str, found: str) -> None:
    assert compare_names(claim, sentence) == found


def test_every_reading_of_a_character_counts() -> None:
    assert {"zhong", "chong"} <= set(readings("重"))
    assert spells("chongqing", "在重庆") and spells("lyuguihua", "吕桂华") and spells("luguihua", "吕桂华")
    assert not spells("wuhan", "重庆") and not spells("li", "李")  # two letters stand in too many words


def test_pinyin_and_sounds() -> None:
    assert in_pinyin("xiaoming") == ("xiao", "ming") and in_pinyin("lisbon") == ()
    assert consonants("Milan") == "".join(consonants(one, pinyin=True) for one in ("mi", "lan"))
    assert consonants("Müller") == consonants("Muller") == "ml"


def test_a_verdict_and_its_reason_are_told_from_a_word_of_the_sentence() -> None:
    assert begins_with_yes_or_no("No, because the shop is shut.") and begins_with_yes_or_no("可以，但要提前申请。")
    assert not begins_with_yes_or_no("No shop is open.") and not begins_with_yes_or_no("不得吸烟，违者罚款。")
