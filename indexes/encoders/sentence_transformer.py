"""sentence-transformers checkpoints: E5, BGE v1.5, Qwen3-Embedding, mxbai, MiniLM and their like.

sentence-transformers loads them; we run them: tokenised once, length-sorted batches under a token budget, the
network in bfloat16 where the processor computes in it, pooling and everything after it in float32.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import Encoded
from indexes.encoders.loading.probe import UNLIKE, check_tells_apart, check_vocabulary, refuse_code
from indexes.encoders.prompts import choose_prompts
from indexes.encoders.tokens import Tokens, forward_pass, padded_batches
from indexes.encoders.torch_runtime import choose_device, choose_dtype, model_folder, quiet_loading, weights_digest
from indexes.encoders.vectors import unit_rows, with_prompt
from indexes.errors import EncoderError
from indexes.settings.sections import EncoderSettings

_UNLOADABLE = (OSError, ValueError, KeyError, RuntimeError, AttributeError, ImportError, UnpicklingError)


class SentenceTransformerModel:
    """A ``DenseModel``.

    Args:
        settings: ``model`` is a folder or a hub name; ``max_tokens`` defaults to the checkpoint's max_seq_length.
        folder: the files, when the caller already knows them.
        name: what the model is called in errors and the fingerprint; default ``settings.model``.

    Raises:
        EncoderError: not a sentence-transformers folder, the hub cannot be reached, or a kind of model whose first
            module is not a transformer.
    """

    def __init__(self, settings: EncoderSettings, *, folder: Path | None = None, name: str | None = None) -> None:
        folder = folder or model_folder(settings.model, hub=settings.hub, revision=settings.revision)
        self.model = name or settings.model
        refuse_code(folder, self.model, trusted=settings.trust_remote_code, section="encoder")
        self.device = choose_device(settings.device)
        self.dtype = choose_dtype(settings.dtype, self.device)
        self.budget = settings.batch_tokens
        self.dimensions = settings.dimensions
        self._modules = self._load(folder, settings.trust_remote_code)
        self._modules[0].to(self.dtype)  # what comes after the network is small: it stays in float32
        config = self._modules[0].auto_model.config
        self.prompts = choose_prompts(
            [self.model, _remembered_name(folder)],
            checkpoint=_checkpoint_prompts(self._modules),
            query=settings.query_prompt,
            document=settings.document_prompt,
        )
        self.pooling, skips_prompt = _pooling(self._modules)
        if skips_prompt:
            raise EncoderError(
                f"'{self.model}' leaves its prompt out of the pooling, which is not supported",
                remedy="use another model, or serve it and set encoder.provider = 'openai'",
            )
        self.weights = weights_digest(folder)
        self.max_tokens = _longest(settings.max_tokens, self._modules, config)
        self._tokens = Tokens(self._modules.tokenizer, self.max_tokens)
        self._width = int(_width(self._modules))
        self.dim = self.dimensions or self._width
        self._lock = threading.Lock()
        kinds = [type(module).__name__ for module in self._modules]
        plain = self.pooling == "mean" and set(kinds[1:]) <= {"Pooling", "Normalize"} and self._tokens.gives_offsets
        if not plain:  # what it pools are not its vectors yet, or nobody says which token stands where
            self.token_states = None  # type: ignore[method-assign, assignment]
        rows = self._modules[0].auto_model.get_input_embeddings().num_embeddings
        check_vocabulary(self._modules.tokenizer, rows, model=self.model)
        check_tells_apart(self.embed(UNLIKE, query=False), model=self.model)

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        if not texts:
            return Encoded(np.empty((0, self.dim), np.float32))
        prompted = with_prompt(self.prompts["query" if query else "document"], texts)
        dense = np.empty((len(texts), self._width), np.float32)
        with self._lock, forward_pass(self.model, self.budget):
            ids, truncated = self._tokens(prompted)
            batches = padded_batches(ids, budget=self.budget, pad_id=self._tokens.pad_id, device=self.device)
            for positions, input_ids, mask in batches:
                features: dict[str, Any] = {"input_ids": input_ids, "attention_mask": mask}
                features = self._modules[0](features)
                features["token_embeddings"] = features["token_embeddings"].float()
                for module in list(self._modules)[1:]:
                    features = module(features)
                dense[positions] = features["sentence_embedding"].float().cpu().numpy()
        return Encoded(unit_rows(dense, model=self.model, dimensions=self.dimensions), None, truncated)

    def token_states(self, texts: Sequence[str]) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.int64]]]:
        """As ``GivesStates.token_states``."""
        prompt = self.prompts["document"]
        with self._lock, forward_pass(self.model, self.budget):
            ids, offsets = self._tokens.with_offsets(with_prompt(prompt, texts))
            batches = padded_batches(ids, budget=self.budget, pad_id=self._tokens.pad_id, device=self.device)
            for positions, input_ids, mask in batches:
                features = self._modules[0]({"input_ids": input_ids, "attention_mask": mask})
                states = features["token_embeddings"].float().cpu().numpy()
                for row, position in enumerate(positions):
                    yield position, states[row, : len(ids[position])], offsets[position] - len(prompt)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As ``CountsTokens.count_tokens``, exact."""
        return self._tokens.count(with_prompt(self.prompts["document"], texts)) if texts else []

    def _load(self, folder: Path, trusted: bool) -> Any:
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer

        try:
            with quiet_loading():
                modules = SentenceTransformer(
                    str(folder), device=str(self.device), local_files_only=True, trust_remote_code=trusted
                )
        except (*_UNLOADABLE, SafetensorError) as exc:
            reason = (str(exc).strip().splitlines() or [""])[0]
            raise EncoderError(
                f"'{self.model}' ({folder}) cannot be loaded as a sentence-transformers model "
                f"({type(exc).__name__}: {reason})",
                remedy="give the folder that holds modules.json or config.json, the weights and the tokenizer",
            ) from exc
        if not hasattr(modules[0], "auto_model") or modules.tokenizer is None:
            raise EncoderError(
                f"'{self.model}' begins with a {type(modules[0]).__name__} module, not with a transformer",
                remedy="use a transformer model",
            )
        return modules.eval()


def _checkpoint_prompts(modules: Any) -> dict[str, str]:
    """The checkpoint's prompts; its default prompt, if it names one, goes before documents too."""
    prompts = {key: value for key, value in modules.prompts.items() if value}
    default = prompts.get(modules.default_prompt_name or "")
    return {"query": default, "document": default, **prompts} if default else prompts


def _remembered_name(folder: Path) -> str:
    """The name the checkpoint was saved under, for a folder that somebody renamed."""
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8")).get("_name_or_path") or "")
    except (OSError, ValueError):
        return ""


def _pooling(modules: Any) -> tuple[str, bool]:
    """("cls" | "mean" | "last" | ..., whether prompt tokens are left out of it)."""
    for module in modules:
        if type(module).__name__ == "Pooling":
            # sentence-transformers 5 says get_pooling_mode_str(), 6 pooling_mode
            mode = module.get_pooling_mode_str() if hasattr(module, "get_pooling_mode_str") else module.pooling_mode
            mode = mode if isinstance(mode, str) else "+".join(mode)
            return {"lasttoken": "last"}.get(mode, mode), not getattr(module, "include_prompt", True)
    return "model", False


def _width(modules: Any) -> int:
    """Values in a full vector (the method has another name in sentence-transformers 5)."""
    ask = getattr(modules, "get_embedding_dimension", None) or modules.get_sentence_embedding_dimension
    return ask()


def _longest(configured: int | None, modules: Any, config: Any) -> int:
    """The checkpoint's max_seq_length; a setting may go up to the positions of the network."""
    positions = int(getattr(config, "max_position_embeddings", 0) or 0) or 8192
    if config.model_type in ("xlm-roberta", "roberta", "camembert", "mpnet"):
        positions -= (config.pad_token_id or 0) + 1
    if configured is not None and configured > positions:
        raise EncoderError(
            f"max_tokens = {configured}, but the model has positions for {positions} tokens",
            remedy=f"set encoder.max_tokens to {positions} or less",
        )
    return configured or min(positions, int(modules.max_seq_length or positions))
