"""Remove a model's thinking: the one output filter of every language model.

Known forms: ``<think>``, ``<thinking>`` and similar tags in any case and with attributes, a closing tag whose opening
tag was in the prompt, an unclosed tag (the answer was cut while the model thought), the channels of gpt-oss with and
without their control tokens, and reasoning that a server sends in a separate field. Tags between backticks are text.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    TextBlock,
    ThinkingBlock,
)

if TYPE_CHECKING:
    from rag.settings import LLMSettings

# Models that think unless their chat template is told not to. The switch travels as chat_template_kwargs, which vLLM,
# SGLang and llama.cpp read; strict services refuse unknown fields, so nobody else is sent it.
HYBRID_THINKERS = re.compile(r"qwen-?3|glm-?4\.[5-9]|hunyuan|smollm3|deepseek-v3\.[1-9]|granite-?[34]", re.IGNORECASE)
_NAMES = (
    r"think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|inner[_ -]?monologue|chain[_ -]?of[_ -]?thought|"
    r"seed:think|analysis|思考(?:过程)?|思维|推理(?:过程)?"
)
# Each group is the slash of a closing tag: <think>, </THINKING>, < / think >, [THINK], ◁think▷, <|begin_of_thought|>.
_TAG = re.compile(
    rf"<\s*(?P<a>/?)\s*(?:{_NAMES})\b[^<>\n]{{0,60}}>"
    rf"|＜\s*(?P<b>/?)\s*(?:{_NAMES})\s*＞"
    r"|\[(?P<c>/?)THINK\]"
    r"|◁\s*(?P<d>/?)\s*think\s*▷"
    r"|<\|(?:begin|(?P<e>end))_of_(?:thought|thinking|reasoning)\|>"
    r"|<\|(?P<f>/?)(?:think|thinking)\|>",
    re.IGNORECASE,
)
# The thinking that some pages fold away, and thinking under a label: "Here is my thought process: ... response: ...".
_FOLDED = re.compile(r"<details\s+type=[\"']reasoning[\"'].*?(?:</details>|\Z)", re.IGNORECASE | re.DOTALL)
_LABELLED = re.compile(
    r"\s*[*_#]*\s*(?:here(?: is|'s) my )?(?:thinking|thoughts?|thought process|reasoning|"
    r"思考(?:过程)?|推理(?:过程)?)[*_]*\s*[:：]",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    r"\n\s*[*_#]*\s*(?:here(?: is|'s) my |the |my )?(?:final )?(?:answer|response|reply|"
    r"最终答案|答案|回答)[*_]*\s*[:：][*_]*[ \t]*",
    re.IGNORECASE,
)
# What encloses an answer: control tokens that a server did not remove, <answer>, <response>.
_LEFT = r"<\|[a-z_]{2,30}\|>|</?s>|</?(?:start|end)_of_turn>"
_OPENS = re.compile(rf"(?:\s*(?:{_LEFT}|<(?:answer|response|solution|final_answer|output)>))+\s*", re.IGNORECASE)
_CLOSES = re.compile(rf"(?:\s*(?:{_LEFT}|</(?:answer|response|solution|final_answer|output)>))+\s*\Z", re.IGNORECASE)
_CLOSING = ("a", "b", "c", "d", "e", "f")
# A tag that may be incomplete at the end of a stream so far.
_PARTIAL = re.compile(r"(?:[<＜◁](?:[^<>＜＞▷\n]{0,80})|\[/?T?H?I?N?K?)$", re.IGNORECASE)

_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+).{0,80}?<\|message\|>")
_CONTROL = re.compile(r"<\|(?:start|end|return|channel|message|call|constrain)\|>")
_FINAL = "final"
# The same channels if the server removed the control tokens: "analysisThe user asks ...assistantfinalPears ...".
_BARE_CHANNEL = re.compile(r"\s*(?:analysis|commentary)(?=[^\sa-z]|\n|(?:We|The|User|I) )")
_BARE_MARK = "assistantfinal"

# A reply that begins like this may be thinking whose opening tag was in the prompt.
_SELF_TALK = re.compile(
    r"\s*(?:okay|alright|hmm+|wait|let me\b|let's (?:see|look|think)|i (?:need|should|have) to\b|i should\b|i look\b|"
    r"we (?:need|should|have) to\b|the user\b|user (?:asks|wants)|the question (?:is about|asks)|looking at\b|"
    r"here(?:'s| is) my (?:thought|thinking|reasoning)|first, (?:i|let|we)\b|so,? the (?:user|question)|thinking\b|"
    r"嗯|好的[，,]|让我|我(?:需要|应该|先|们?来)|我们(?:需要|应该|先)|用户|首先[，,]?(?:我|看|需要)|这个问题|问题是|先看)",
    re.IGNORECASE,
)
_FIRST_WORDS = 24  # characters: the longest of these beginnings
_THINKERS = re.compile(
    r"\bqwq|(?:^|[-_/:.])r1(?:$|[-_/:.])|reason|think|magistral|marco-o1|skywork-o1|glm-?z1|exaone-deep|openthinker|"
    r"s1\.1|deephermes|nemotron|gpt-oss|cogito",
    re.IGNORECASE,
)


def thinking_switch(settings: LLMSettings) -> dict[str, Any]:
    """Return the part of a request's body that turns off the thinking of a hybrid model; {} if none is needed.

    >>> from rag.settings import LLMSettings
    >>> thinking_switch(LLMSettings(model="qwen3:8b"))
    {'chat_template_kwargs': {'enable_thinking': False, 'thinking': False}}
    >>> thinking_switch(LLMSettings(model="llama3.1:8b"))
    {}
    """
    if settings.thinking or not HYBRID_THINKERS.search(settings.model):
        return {}
    return {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}


def without_thinking(text: str) -> str:
    """Return the part of ``text`` that is meant for the reader.

    >>> without_thinking("<think>The price is in 1.</think>Pears cost 3 dollars.")
    'Pears cost 3 dollars.'
    """
    return _visible(text, final=True)


class SpeechStream:
    """``without_thinking`` for a reply that arrives in pieces: ``text`` is what may be shown so far.

    ``text`` only grows, unless a closing tag without an opening one comes: then everything before was thinking, and
    ``text`` starts again. If the model's name or the reply's first words make that likely, nothing is shown before the
    tag or the end.

    >>> stream = SpeechStream()
    >>> [stream.feed(piece) for piece in ("<thi", "nk>Hm.</think>Pears ", "cost 3.")]
    ['', 'Pears ', 'Pears cost 3.']

    Args:
        model: the model's name.
    """

    def __init__(self, model: str = "") -> None:
        self.text = ""
        self._raw = ""
        self._wary = bool(_THINKERS.search(model or ""))

    def feed(self, piece: str) -> str:
        """Take the next piece and return ``text``."""
        self._raw += piece
        shown = _visible(self._raw, final=False)
        self.text = "" if self._may_be_thinking(shown) else shown
        return self.text

    def feed_elsewhere(self) -> None:
        """Note that the server sends thinking in a separate field, so that nothing must be held back."""
        self._wary = False

    def finish(self) -> str:
        """End the reply and return ``text``."""
        self.text = _visible(self._raw, final=True)
        return self.text

    def _may_be_thinking(self, shown: str) -> bool:
        if any(any(tag.group(name) for name in _CLOSING) for tag in _TAG.finditer(self._raw)):
            return False
        if _CHANNEL.search(self._raw) or _BARE_MARK in self._raw:
            return False
        return self._wary or len(shown.lstrip()) < _FIRST_WORDS or bool(_SELF_TALK.match(shown))


def _visible(text: str, *, final: bool) -> str:
    text = _FOLDED.sub("", text) if "reasoning" in text else text
    if _LABELLED.match(text):
        answers = list(_ANSWER.finditer(text))
        if answers:
            text = text[answers[-1].end() :]
        elif not final:
            return ""
    shown = _spoken(text, final=final)
    if "<" not in shown:
        return shown
    opened = _OPENS.match(shown)
    return _CLOSES.sub("", shown[opened.end() :] if opened else shown)


def _spoken(text: str, *, final: bool) -> str:
    if _CHANNEL.search(text):
        return _final_channel(text, final=final)
    if _CONTROL.search(text) and "<|channel|>" in text:
        return ""  # the channel's name is incomplete
    bare = _BARE_CHANNEL.match(text)
    if bare:
        place = text.rfind(_BARE_MARK)
        if place >= 0:
            return text[place + len(_BARE_MARK) :].strip()
        return ""
    if not final and any(word.startswith(text.strip()) for word in ("analysis", "commentary", "assistantfinal")):
        return ""
    if text.lstrip().startswith(_BARE_MARK):
        text = text.lstrip()[len(_BARE_MARK) :]
    return _outside_tags(text, final=final)


def _final_channel(text: str, *, final: bool) -> str:
    said = []
    marks = list(_CHANNEL.finditer(text))
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        if mark.group(1) == _FINAL:
            body = text[mark.end() : following.start() if following else len(text)]
            body = _CONTROL.split(body)[0]
            said.append(body if final else re.sub(r"<\|?\w*\|?$", "", body))
    return "\n".join(part.strip() for part in said if part.strip())


def _outside_tags(text: str, *, final: bool) -> str:
    kept: list[str] = []
    place, depth, thinking, seen = 0, 0, False, False
    for tag in _TAG.finditer(text):
        if _in_code(text, tag.start()):
            continue
        closing = any(tag.group(name) for name in _CLOSING)
        if not thinking:
            kept.append(text[place : tag.start()])
        if closing and not thinking:
            kept.clear()  # its opening tag was in the prompt: everything before was thinking
        thinking = not closing and not tag.group().rstrip("> ").endswith("/")
        depth = max(0, depth + (1 if thinking else -1 if closing else 0))
        place, seen = tag.end(), True
    # Opened twice and closed once: a stream waits for the other closing tag, which may never come.
    if not thinking and (final or not depth):
        rest = text[place:]
        if not final:
            partial = _PARTIAL.search(rest)
            rest = rest[: partial.start()] if partial else rest
        kept.append(rest)
    shown = "".join(kept)
    return shown.lstrip() if seen else shown


def _in_code(text: str, place: int) -> bool:
    """Return whether ``place`` is between backticks, inline or in a fence."""
    line = text.rfind("\n", 0, place) + 1
    fences = len(re.findall(r"(?m)^\s*```", text[:line]))
    return text.count("`", line, place) % 2 == 1 or fences % 2 == 1


# -- responses of LlamaIndex ---------------------------------------------------------------------------------------


def spoken_message(message: ChatMessage, text: str) -> ChatMessage:
    """Return a message with ``text`` as its words and without its thinking.

    >>> spoken_message(ChatMessage(content="<think>Hm.</think>3"), "3").content
    '3'
    """
    blocks = [block for block in message.blocks if not isinstance(block, ThinkingBlock | TextBlock)]
    extra = {
        name: value
        for name, value in message.additional_kwargs.items()
        if name not in ("thinking", "reasoning", "reasoning_content", "thinking_delta")
    }
    return ChatMessage(role=message.role, blocks=[TextBlock(text=text), *blocks], additional_kwargs=extra)


def spoken_chat(response: ChatResponse) -> ChatResponse:
    """Return a complete reply without thinking.

    >>> spoken_chat(ChatResponse(message=ChatMessage(content="<think>Hm.</think>3 dollars."))).message.content
    '3 dollars.'
    """
    message = spoken_message(response.message, without_thinking(response.message.content or ""))
    return response.model_copy(update={"message": message, "additional_kwargs": _spoken_extra(response)})


def spoken_completion(response: CompletionResponse) -> CompletionResponse:
    """Return a complete completion without thinking.

    >>> spoken_completion(CompletionResponse(text="<think>Hm.</think>3 dollars.")).text
    '3 dollars.'
    """
    text = without_thinking(response.text or "")
    return response.model_copy(update={"text": text, "additional_kwargs": _spoken_extra(response)})


def _spoken_extra(response: Any) -> dict[str, Any]:
    return {name: value for name, value in (response.additional_kwargs or {}).items() if name != "thinking_delta"}


class _Deltas:
    """Turn the cumulative text of a ``SpeechStream`` into LlamaIndex's pieces, one response behind the stream.

    The last response, which carries the server's counts, is sent again with the text that was held back.
    """

    def __init__(self, model: str) -> None:
        self._speech = SpeechStream(model)
        self._shown = ""
        self.last: Any = None

    def next(self, response: Any) -> Any:
        if _thinks_elsewhere(response):
            self._speech.feed_elsewhere()
        text = self._speech.feed(response.delta or "")
        self.last = response
        return self._respond(response, text)

    def end(self) -> Any:
        text = self._speech.finish()
        return self._respond(self.last, text) if self.last is not None and text != self._shown else None

    def _respond(self, response: Any, text: str) -> Any:
        delta = text[len(self._shown) :] if text.startswith(self._shown) else text
        self._shown = text
        changes: dict[str, Any] = {"delta": delta, "additional_kwargs": _spoken_extra(response)}
        if isinstance(response, ChatResponse):
            changes["message"] = spoken_message(response.message, text)
        else:
            changes["text"] = text
        return response.model_copy(update=changes)


def _thinks_elsewhere(response: Any) -> bool:
    if (response.additional_kwargs or {}).get("thinking_delta"):
        return True
    message = getattr(response, "message", None)
    return message is not None and any(isinstance(block, ThinkingBlock) for block in message.blocks)


def spoken_stream(stream: Iterator[Any], model: str) -> Iterator[Any]:
    """Yield a stream of chat or completion responses without thinking.

    ``message.content`` (or ``text``) holds what may be shown. If it no longer begins with what it held before, all of
    that was thinking, and the reader starts again.

    >>> pieces = [CompletionResponse(text="", delta=delta) for delta in ("<think>Hm.</think>", "3 ", "dollars.")]
    >>> [response.delta for response in spoken_stream(iter(pieces), "qwen3")]
    ['', '3 ', 'dollars.']
    """
    deltas = _Deltas(model)
    for response in stream:
        yield deltas.next(response)
    if (rest := deltas.end()) is not None:
        yield rest


async def spoken_stream_async(stream: AsyncIterator[Any], model: str) -> AsyncIterator[Any]:
    """Do what ``spoken_stream`` does for an asynchronous stream.

    >>> import asyncio
    >>> async def pieces():
    ...     for delta in ("<think>Hm.</think>", "3 ", "dollars."):
    ...         yield CompletionResponse(text="", delta=delta)
    >>> async def read():
    ...     return [response.delta async for response in spoken_stream_async(pieces(), "qwen3")]
    >>> asyncio.run(read())
    ['', '3 ', 'dollars.']
    """
    deltas = _Deltas(model)
    async for response in stream:
        yield deltas.next(response)
    if (rest := deltas.end()) is not None:
        yield rest
