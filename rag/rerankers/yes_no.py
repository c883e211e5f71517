"""Qwen3-Reranker: a language model that answers in its own template whether a document fits, "yes" or "no".

The score is the log-probability of "yes" against "no" for the next token (https://huggingface.co/Qwen/Qwen3-Reranker-8B,
"Usage"). Padding is on the left, so that the last position predicts the answer; only its logits are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llama_index.core.bridge.pydantic import PrivateAttr

from indexes.encoders.torch_runtime import choose_device, choose_dtype, quiet_loading, weights_digest
from indexes.errors import RerankerError
from rag.rerankers.base import fingerprint_of
from rag.rerankers.cross_encoder import CrossEncoder, cannot_load, longest
from rag.settings import RerankSettings

INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


def question_text(query: str, instruction: str) -> str:
    """Return the part of the template before the document.

    >>> print(question_text("When does the harbour open?", ""))
    <Instruct>: Given a web search query, retrieve relevant passages that answer the query
    <Query>: When does the harbour open?
    """
    return f"<Instruct>: {instruction or INSTRUCTION}\n<Query>: {query}\n"


def document_text(text: str) -> str:
    """Return the document's part of the template.

    >>> document_text("The harbour opens at 6.")
    '<Document>: The harbour opens at 6.'
    """
    return f"<Document>: {text}"


class YesNoReranker(CrossEncoder):
    """A causal language model whose logits of "yes" and "no" give the score; load it with ``load_yes_no``.

    Args:
        instruction: what makes a document relevant; "" takes the model card's instruction.
    """

    instruction: str = ""

    _frame: tuple[list[int], list[int]] = PrivateAttr()  # token ids before and after the pair
    _answers: list[int] = PrivateAttr()  # ids of "no" and "yes"

    def __init__(self, network: Any, tokenizer: Any, weights: str, **fields: Any) -> None:
        super().__init__(network, tokenizer, weights, **fields)
        tokenizer.padding_side = "left"
        self._frame = (self._ids(PREFIX, marks=True), self._ids(SUFFIX, marks=True))
        answers = [self._ids(word) for word in ("no", "yes")]
        if any(len(ids) != 1 for ids in answers):
            raise RerankerError(
                f"the vocabulary of '{self.model}' has no single token for 'yes' and 'no'",
                remedy="check that the folder holds a Qwen3-Reranker with its own tokenizer",
            )
        self._answers = [ids[0] for ids in answers]

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(super().fingerprint, self.instruction)

    def _ids(self, text: str, *, marks: bool = False) -> list[int]:
        """Return token ids; control tokens such as <|im_end|> are read as tokens only with ``marks``."""
        found = self._tokenizer(text, add_special_tokens=False, split_special_tokens=not marks, verbose=False)
        ids: list[int] = found["input_ids"]
        return ids

    def _pairs(self, query: str, texts: Sequence[str]) -> tuple[list[dict[str, list[int]]], tuple[int, ...]]:
        before, behind = self._frame
        question_ids = self._ids(question_text(query, self.instruction))
        room = max(self.max_tokens - len(before) - len(behind), 1)
        question_ids = question_ids[: room * 3 // 4]  # as for cross-encoders: the document keeps a quarter
        pairs, truncated = [], []
        for number, text in enumerate(texts):
            ids = self._ids(document_text(text))
            if len(question_ids) + len(ids) > room:
                truncated.append(number)
                ids = ids[: room - len(question_ids)]
            whole = [*before, *question_ids, *ids, *behind]
            pairs.append({"input_ids": whole, "attention_mask": [1] * len(whole)})
        return pairs, tuple(truncated)

    def _scores(self, batch: Any) -> Any:
        logits = self._network(**batch, logits_to_keep=1).logits[:, -1, self._answers]
        return logits[:, 1] - logits[:, 0]


def load_yes_no(folder: Path, settings: RerankSettings) -> YesNoReranker:
    """Load a Qwen3-Reranker from a folder.

    Raises:
        RerankerError: its weights or tokenizer cannot be read.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = choose_device(settings.device, error=RerankerError)
    dtype = choose_dtype(settings.dtype, device, error=RerankerError)
    try:
        with quiet_loading():
            network: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as exc:
        raise cannot_load(settings.model, exc) from exc
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return YesNoReranker(
        network.to(device).eval(),
        tokenizer,
        weights_digest(folder),
        model=settings.model,
        max_tokens=min(settings.max_tokens, longest(network.config, tokenizer)),
        batch_tokens=settings.batch_tokens,
        read=settings.read,
        instruction=settings.instruction,
    )
