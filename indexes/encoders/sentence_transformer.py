"""sentence-transformers checkpoints: E5, BGE v1.5, Qwen3-Embedding, mxbai, MiniLM and their like.

Most are loaded without that library (``networks.checkpoint``), and all are run by our own loop: texts are tokenised
once and batched by length under a token budget, the network runs in bfloat16 if the processor supports it, pooling and
later steps in float32.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import Encoded
from indexes.encoders.loading.probe import UNLIKE, check_tells_apart, check_vocabulary, refuse_code
from indexes.encoders.networks.checkpoint import Checkpoint, load
from indexes.encoders.networks.questions import ALONE, QuestionNetwork, machine_key
from indexes.encoders.prompts import choose_prompts
from indexes.encoders.tokens import Tokens, forward_pass, padded_batches, within
from indexes.encoders.torch_runtime import choose_device, choose_dtype, model_folder, weights_digest
from indexes.encoders.vectors import unit_rows, with_prompt
from indexes.errors import EncoderError
from indexes.settings.sections import EncoderSettings


class SentenceTransformerModel:
    """A sentence-transformers checkpoint as a ``DenseModel``.

    Args:
        settings: ``model`` is a folder or a hub name; ``max_tokens`` defaults to the checkpoint's max_seq_length.
        folder: the model's folder, if already known.
        name: name in errors and in the fingerprint; default: ``settings.model``.

    Raises:
        EncoderError: not a sentence-transformers folder, the hub cannot be reached, or the first module is not a
            transformer.
    """

    def __init__(self, settings: EncoderSettings, *, folder: Path | None = None, name: str | None = None) -> None:
        folder = folder or model_folder(settings.model, hub=settings.hub, revision=settings.revision)
        self.model = name or settings.model
        refuse_code(folder, self.model, trusted=settings.trust_remote_code, section="encoder")
        self.device = choose_device(settings.device)
        self.dtype = choose_dtype(settings.dtype, self.device)
        self.budget = settings.batch_tokens
        self.dimensions = settings.dimensions
        self._net = load(folder, self.model, device=self.device, dtype=self.dtype, trusted=settings.trust_remote_code)
        self.prompts = choose_prompts(
            [self.model, _remembered_name(folder)],
            checkpoint=checkpoint_prompts(self._net.prompts, self._net.default_prompt),
            query=settings.query_prompt,
            document=settings.document_prompt,
        )
        self.pooling = self._net.pooling
        if self._net.skips_prompt:
            raise EncoderError(
                f"'{self.model}' leaves its prompt out of the pooling, which is not supported",
                remedy="use another model, or serve it and set encoder.provider = 'openai'",
            )
        self.weights = weights_digest(folder)
        self.max_tokens = within(settings.max_tokens, self._net.positions, self._net.longest)
        self._tokens = Tokens(self._net.tokenizer, self.max_tokens)
        self._width = self._net.width
        self.dim = self.dimensions or self._width
        self._lock = threading.Lock()
        if not (self._net.is_plain and self._tokens.gives_offsets):
            # Its vectors are more than pooled states, or the positions of its tokens are unknown.
            self.token_states = None  # type: ignore[method-assign, assignment]
        check_vocabulary(self._net.tokenizer, self._net.rows, model=self.model)
        self._questions = QuestionNetwork(
            settings.question_runtime,
            self._net,
            bert=lambda: self._net.bert if self.device.type == "cpu" else None,
            by=self._net.by,
            read=lambda net, text: list(self._read(net, self._tokens([text])[0], ALONE)),
            model=self.model,
            key=lambda: machine_key(self.weights, self.dtype),
        )
        check_tells_apart(self.embed(UNLIKE, query=False), model=self.model)

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        if not texts:
            return Encoded(np.empty((0, self.dim), np.float32))
        prompted = with_prompt(self.prompts["query" if query else "document"], texts)
        with self._lock, forward_pass(self.model, self.budget):
            ids, truncated = self._tokens(prompted)
            net = self._questions(len(ids)) if query else self._net
            dense = self._read(net, ids, self.budget if net is self._net else ALONE)
        return Encoded(unit_rows(dense, model=self.model, dimensions=self.dimensions), None, truncated)

    def _read(self, net: Checkpoint, ids: list[list[int]], budget: int) -> NDArray[np.float32]:
        """Vectors as they are pooled, (texts, width)."""
        dense = np.empty((len(ids), self._width), np.float32)
        for positions, input_ids, mask in padded_batches(
            ids, budget=budget, pad_id=self._tokens.pad_id, device=self.device
        ):
            dense[positions] = net.pooled(net.states(input_ids, mask), input_ids, mask).float().cpu().numpy()
        return dense

    @property
    def question_runtime(self) -> str | None:
        """What reads questions, "torch", "packed" or "int8"; None before the first one where it is to be measured."""
        return self._questions.runtime

    @property
    def question_kind(self) -> str:
        """Under which kind the cache keeps questions."""
        return self._questions.kind

    def token_states(self, texts: Sequence[str]) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.int64]]]:
        """As ``GivesStates.token_states``."""
        prompt = self.prompts["document"]
        with self._lock, forward_pass(self.model, self.budget):
            ids, offsets = self._tokens.with_offsets(with_prompt(prompt, texts))
            batches = padded_batches(ids, budget=self.budget, pad_id=self._tokens.pad_id, device=self.device)
            for positions, input_ids, mask in batches:
                states = self._net.states(input_ids, mask).cpu().numpy()
                for row, position in enumerate(positions):
                    yield position, states[row, : len(ids[position])], offsets[position] - len(prompt)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As ``CountsTokens.count_tokens``, exact."""
        return self._tokens.count(with_prompt(self.prompts["document"], texts)) if texts else []


def checkpoint_prompts(named: Mapping[str, str | None], default_name: str | None) -> dict[str, str]:
    """Return a checkpoint's prompts; its default prompt, if any, applies to questions and documents.

    >>> checkpoint_prompts({"query": "query: ", "document": ""}, None)
    {'query': 'query: '}
    """
    prompts = {key: value for key, value in named.items() if value}
    default = prompts.get(default_name or "")
    return {"query": default, "document": default, **prompts} if default else prompts


def _remembered_name(folder: Path) -> str:
    """Return the name under which a checkpoint was saved, for a folder that was renamed."""
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8")).get("_name_or_path") or "")
    except (OSError, ValueError):
        return ""
