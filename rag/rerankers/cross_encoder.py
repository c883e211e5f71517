"""FlagEmbedding's encoder-only cross-encoders (bge-reranker-v2-m3, -base, -large) with our own scoring loop.

Any checkpoint that ``AutoModelForSequenceClassification`` loads with one label works. The scores equal those of
FlagEmbedding's ``FlagReranker`` (same tokens, same truncation) at a lower cost: ``FlagReranker`` runs the longest
batch once more as a "batch size probe", so that reranking 50 candidates runs the model twice, pads every pair of a
batch to the longest, and ignores bfloat16 on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from llama_index.core.bridge.pydantic import PrivateAttr
from numpy.typing import NDArray

from indexes.encoders.batching import token_batches
from indexes.encoders.loading.probe import check_vocabulary, refuse_code
from indexes.encoders.torch_runtime import choose_device, choose_dtype, model_folder, quiet_loading, weights_digest
from indexes.errors import RerankerError, first_line
from rag.rerankers.base import Reranker, RerankScores, check_scores, empty_scores, fingerprint_of, refuse_t5, sigmoid
from rag.settings import RerankSettings


class CrossEncoder(Reranker):
    """A cross-encoder that scores length-sorted batches under a token budget; load it with ``load_cross_encoder``.

    Args:
        max_tokens: maximum tokens of a question and passage pair; longer passages are cut and counted.
        batch_tokens: maximum tokens per forward pass, padding included.
    """

    max_tokens: int
    batch_tokens: int

    _network: Any = PrivateAttr()
    _tokenizer: Any = PrivateAttr()
    _weights: str = PrivateAttr()

    def __init__(self, network: Any, tokenizer: Any, weights: str, **fields: Any) -> None:
        super().__init__(**fields)
        self._network = network
        self._tokenizer = tokenizer
        self._weights = weights

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self._weights or self.model, self._network.dtype, self.max_tokens)

    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        return self.score_many([(query, texts)])[0]

    def score_many(self, questions: Sequence[tuple[str, Sequence[str]]]) -> list[RerankScores]:
        """Score several questions, whose pairs share the model's batches."""
        with self._turn:
            made = [self._pairs(query, texts) if texts else ([], ()) for query, texts in questions]
            raw = self._logits([pair for pairs, _ in made for pair in pairs])
        found, start = [], 0
        for (_, texts), (pairs, truncated) in zip(questions, made, strict=True):
            own = raw[start : start + len(pairs)]
            start += len(pairs)
            scores = RerankScores(own, sigmoid(own), truncated) if texts else empty_scores()
            found.append(check_scores(scores, len(texts), self.model))
        return found

    def _logits(self, pairs: Sequence[dict[str, list[int]]]) -> NDArray[np.float32]:
        import torch

        raw = np.empty(len(pairs), np.float32)
        device = self._network.device
        try:
            with torch.inference_mode():
                for batch in token_batches([len(pair["input_ids"]) for pair in pairs], self.batch_tokens):
                    padded = self._tokenizer.pad(
                        {key: [pairs[i][key] for i in batch] for key in pairs[batch[0]]}, return_tensors="pt"
                    )
                    raw[batch] = self._scores(padded.to(device)).float().cpu().numpy()
        except torch.OutOfMemoryError as exc:
            raise RerankerError(
                f"the reranker '{self.model}' ran out of memory on {device} with {self.batch_tokens} tokens a batch",
                remedy="lower rerank.batch_tokens or rerank.max_tokens, or set rerank.device = 'cpu'",
            ) from exc
        return raw

    def _scores(self, batch: Any) -> Any:
        """Return the raw scores of one padded batch, a tensor of shape (pairs,)."""
        return self._network(**batch).logits.view(-1)

    def _pairs(self, query: str, texts: Sequence[str]) -> tuple[list[dict[str, list[int]]], tuple[int, ...]]:
        """Return the token ids of each pair, and the positions of those whose text was cut.

        As in FlagEmbedding (inference/reranker/encoder_only/base.py), the question may take three quarters of the
        limit, and the passage is cut to the rest.
        """
        tokenizer = self._tokenizer
        limit = self.max_tokens * 3 // 4
        ids = tokenizer(query, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        if len(ids) > limit:
            query = tokenizer.decode(ids[:limit], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        encoded = tokenizer(
            [query] * len(texts), list(texts), truncation="only_second", max_length=self.max_tokens, padding=False
        )
        truncated = tuple(i for i, encoding in enumerate(encoded.encodings) if encoding.overflowing)
        keys = list(encoded.keys())
        return [{key: encoded[key][i] for key in keys} for i in range(len(texts))], truncated


def load_cross_encoder(settings: RerankSettings) -> CrossEncoder:
    """Load the checkpoint that ``settings.model`` names (folder, Hugging Face or ModelScope name).

    Raises:
        RerankerError: the model does not exist, is not a sequence classification model, or has several labels.
    """
    folder = model_folder(settings.model, hub=settings.hub, error=RerankerError)
    device = choose_device(settings.device, error=RerankerError)
    dtype = choose_dtype(settings.dtype, device, error=RerankerError)
    trusted = settings.trust_remote_code
    refuse_code(folder, settings.model, trusted=trusted, section="rerank", error=RerankerError)
    network, tokenizer = _load(folder, settings.model, dtype, trusted)
    rows = network.get_input_embeddings().num_embeddings
    check_vocabulary(tokenizer, rows, model=settings.model, error=RerankerError)
    return CrossEncoder(
        network.to(device).eval(),
        tokenizer,
        weights_digest(folder),
        model=settings.model,
        max_tokens=min(settings.max_tokens, longest(network.config, tokenizer)),
        batch_tokens=settings.batch_tokens,
        read=settings.read,
    )


def _load(folder: Path, model: str, dtype: Any, trusted: bool = False) -> tuple[Any, Any]:
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trusted)
        architectures = config.architectures or []
        refuse_t5(architectures, model)
        if not any(name.endswith("ForSequenceClassification") for name in architectures) or config.num_labels != 1:
            raise RerankerError(
                f"'{model}' is not a cross-encoder (architecture {', '.join(architectures) or 'unknown'}, "
                f"{config.num_labels} labels; a sequence classification model with 1 label is needed)",
                remedy="set rerank.model to one such as BAAI/bge-reranker-v2-m3, "
                "or rerank.provider = 'llm' for an LLM-based reranker",
            )
        # Weights are read in the checkpoint's format and converted once; FlagReranker's use_fp16 rounds them first.
        with quiet_loading():
            network = AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype, trust_remote_code=trusted)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trusted)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, UnpicklingError) as exc:
        raise cannot_load(model, exc) from exc
    return network, tokenizer


def cannot_load(model: str, exc: BaseException) -> RerankerError:
    """Return the error that says why a checkpoint cannot be loaded.

    >>> print(cannot_load("bge", OSError("no file model.safetensors")))
    the reranker 'bge' cannot be loaded (OSError: no file model.safetensors); check that the folder holds config.json,
     the weights and the tokenizer
    """
    return RerankerError(
        f"the reranker '{model}' cannot be loaded ({type(exc).__name__}: {first_line(exc)[:200]})",
        remedy="check that the folder holds config.json, the weights and the tokenizer",
    )


def longest(config: Any, tokenizer: Any) -> int:
    """Return how many tokens the model's position table holds; RoBERTa's positions start after the padding index.

    >>> from types import SimpleNamespace
    >>> roberta = SimpleNamespace(max_position_embeddings=514, model_type="xlm-roberta", pad_token_id=1)
    >>> longest(roberta, SimpleNamespace(model_max_length=512))
    512
    """
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None:
        return int(tokenizer.model_max_length)
    roberta = config.model_type in ("xlm-roberta", "roberta", "camembert", "xlm-roberta-xl")
    offset = (config.pad_token_id or 0) + 1 if roberta else 0
    return min(int(tokenizer.model_max_length), int(positions) - offset)
