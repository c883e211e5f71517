"""Decide whether a message needs the documents: rules for small talk, and an LLM if there is one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexes.display import Bilingual
from rag.answer.language import Language
from rag.answer.prompt.prompts import routing_messages

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

    from rag.ways import Way


@dataclass(frozen=True, slots=True)
class Routing:
    """Whether to retrieve for a message.

    >>> Routing(False, "the message is a greeting or thanks", by_rule=True).retrieve
    False

    Args:
        retrieve: whether the documents are searched.
        reason: one sentence for the trace.
        failed: whether the LLM could not be asked.
        by_rule: whether it is a greeting or thanks, which no search overrules.
    """

    retrieve: bool
    reason: str
    failed: bool = False
    by_rule: bool = False


_SMALL_TALK = re.compile(
    r"(?:(?:hi|hello|hey|hiya|howdy|yo|greetings|thanks|thank you|thx|ty|cheers|bye|goodbye|ok|okay|great|cool|nice|"
    r"good (?:morning|afternoon|evening|day|night|bye)|how are you(?: doing)?(?: today)?|nice to meet you|see you|"
    r"there|everyone|all|again|(?:very|so) much|a lot|"
    r"你好|您好|大家好|嗨|哈喽|早上好|早安|上午好|中午好|下午好|晚上好|晚安|早|在吗|谢谢|谢谢你|谢谢您|多谢|感谢|非常感谢|"
    r"谢了|再见|拜拜|回头见|好的|好|嗯|辛苦了|你好吗|最近好吗|"
    r"(?:你|您|最近|今天){1,3}(?:心情|过得)?(?:怎么样|好吗)呢?|啊|呀|了)[\s,.!?~，。！？～、…]*)+",
    re.IGNORECASE,
)
_YES = re.compile(r"^\W*(?:(?:yes|y|true)\b|是|需要)", re.IGNORECASE)
_NO = re.compile(r"^\W*(?:(?:no|n|false)\b|否|不|无需|没有必要)", re.IGNORECASE)


def is_small_talk(text: str) -> bool:
    """Return whether a text is a greeting or thanks and nothing else.

    >>> is_small_talk("Good morning!"), is_small_talk("谢谢"), is_small_talk("Good morning, when does it open?")
    (True, True, False)
    """
    return _SMALL_TALK.fullmatch(text.strip()) is not None


async def needs_retrieval(question: str, language: Language, way: Way, llm: LLM | None = None) -> Routing:
    """Decide whether a message needs the documents.

    Empty messages, greetings and thanks do not. For others the LLM, if there is one, says yes or no; without an LLM,
    or if it fails or answers neither, the documents are searched.

    >>> from rag.ways import BLOCKING, run_now
    >>> run_now(needs_retrieval("Thank you!", "en", BLOCKING)).reason
    'the message is a greeting or thanks'
    >>> run_now(needs_retrieval("When does the harbour open?", "en", BLOCKING)).retrieve
    True
    """
    text = question.strip()
    if not any(char.isalnum() for char in text):
        return Routing(False, Bilingual("the message has no words", "消息里没有文字"), by_rule=True)
    if is_small_talk(text):
        return Routing(False, Bilingual("the message is a greeting or thanks", "这是问候或致谢"), by_rule=True)
    if llm is None:
        return Routing(True, "the message is not small talk by any rule")
    try:
        reply = (await way.chat(llm, routing_messages(text, language))).message.content or ""
    except Exception as error:  # noqa: BLE001  routing is a convenience: after any failure the documents are searched
        what = f"{type(error).__name__}: {error}"
        return Routing(
            True,
            Bilingual(
                f"the LLM could not be asked whether to retrieve ({what})", f"无法询问语言模型是否需要检索（{what}）"
            ),
            True,
        )
    if _NO.match(reply):
        return Routing(
            False, Bilingual("the LLM says that the message needs no documents", "语言模型认为这条消息不需要文档")
        )
    if _YES.match(reply):
        return Routing(True, "the LLM says that the message needs the documents")
    return Routing(
        True,
        Bilingual(
            f"the LLM answered neither yes nor no ({reply[:40]!r}), so the documents are searched",
            f"语言模型没有回答是或否（{reply[:40]!r}），因此检索了文档",
        ),
        True,
    )
