"""The optional LLM pass over parents: whether the children belong together or are separate topics."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from indexes.errors import LLMError
from indexes.nodes.parent_child_cutting import Together

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

SHOWN_CHARS = 400  # characters of each child in the prompt: enough to see its topic

_PROMPT = """Below are the parts of one chapter of a document, numbered.
Decide whether the parts belong together logically, like the steps of one task or the stages of one argument, or are \
separate topics, like a list of unrelated problems or questions.
Answer with one word: TOGETHER or SEPARATE.

{parts}

Answer:"""
_WORDS = re.compile(r"\b(TOGETHER|SEPARATE)\b", re.IGNORECASE)


def ask_llm(llm: LLM) -> Together:
    """Return a ``together`` for ``parents_of`` that asks ``llm`` once per parent.

    >>> from llama_index.core.llms import MockLLM
    >>> ask_llm(MockLLM(max_tokens=3))(["Dry it.", "Keep it dark."])
    Traceback (most recent call last):
        ...
    indexes.errors.LLMError: the model must answer TOGETHER or SEPARATE, but answered 'text text text'; use a larger
    model, or leave the LLM pass out

    Raises (when called):
        LLMError: the answer is neither of the two words. The LLM's own errors are passed on.
    """

    def together(children: Sequence[str]) -> bool:
        parts = "\n\n".join(f"[{number}] {text[:SHOWN_CHARS]}" for number, text in enumerate(children, 1))
        answer = str(llm.complete(_PROMPT.format(parts=parts)))
        found = {word.upper() for word in _WORDS.findall(answer.rpartition("</think>")[2])}
        if len(found) != 1:
            raise LLMError(
                f"the model must answer TOGETHER or SEPARATE, but answered {answer.strip()[:80]!r}",
                remedy="use a larger model, or leave the LLM pass out",
            )
        return found == {"TOGETHER"}

    return together
