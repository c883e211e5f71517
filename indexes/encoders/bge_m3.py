"""BGE-M3 and checkpoints of the same shape: dense vectors and lexical weights from one forward pass, and token vectors.

Loaded like FlagEmbedding does (an AutoModel plus ``sparse_linear.pt``), but run by our own loop: texts are tokenised
once and batched by length under a token budget, without a batch-size probe. The sparse head's maximum per term is
taken over the tokens, so that no batch x vocabulary tensor (250,000 wide) is allocated.
Source: BGE M3-Embedding, arXiv 2402.03216; FlagEmbedding 1.4.2, M3Embedder.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.base import Encoded, Fingerprint, Spans, SparseVector
from indexes.encoders.loading.probe import UNLIKE, check_tells_apart, check_vocabulary, refuse_code
from indexes.encoders.networks.bert import bert_of
from indexes.encoders.networks.questions import ALONE, QuestionNetwork, machine_key
from indexes.encoders.paired import read_twice
from indexes.encoders.tokens import Tokens, forward_pass, padded_batches, within
from indexes.encoders.torch_runtime import choose_device, choose_dtype, model_folder, quiet_loading, weights_digest
from indexes.encoders.vectors import EMPTY_SPARSE, join, join_many, unit_rows, weighted, with_prompt
from indexes.errors import EncoderError, first_line
from indexes.settings.sections import EncoderSettings

if TYPE_CHECKING:
    import torch

Network = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]  # token ids and mask to token states
SPARSE, MULTI = "sparse_linear", "colbert_linear"  # file names of the heads, without suffix


class LearnedLexical:
    """Pooling of BGE-M3's term weights: the maximum over a window's sentences, without IDF.

    >>> window = [SparseVector(np.array([7], np.uint32), np.array([weight], np.float32)) for weight in (0.25, 0.5)]
    >>> LearnedLexical().pool(window).values.tolist()
    [0.5]
    """

    name = "learned"
    idf = False
    neighbours = 1.0  # not measured with the real weights

    def pool(self, window: Sequence[SparseVector], weights: Sequence[float] | None = None) -> SparseVector:
        return join(weighted(window, weights), np.maximum)

    def pool_many(
        self, windows: Sequence[Sequence[SparseVector]], weights: Sequence[Sequence[float]]
    ) -> list[SparseVector]:
        return join_many(windows, weights, np.maximum).vectors()


class BgeM3:
    """BGE-M3 as an ``Encoder`` (both legs) and as a ``DenseModel`` (``embed``, the dense leg only).

    Args:
        settings: ``model`` is a folder or a hub name; ``max_tokens`` defaults to the model's maximum (8192).

    Raises:
        EncoderError: the folder is not a BGE-M3 checkpoint, or the hub cannot be reached.
    """

    pooling = "cls"

    def __init__(self, settings: EncoderSettings) -> None:
        folder = model_folder(settings.model, hub=settings.hub, revision=settings.revision, stems=[SPARSE])
        refuse_code(folder, settings.model, trusted=settings.trust_remote_code, section="encoder")
        self.model = settings.model
        self.device = choose_device(settings.device)
        self.dtype = choose_dtype(settings.dtype, self.device)
        self.budget = settings.batch_tokens
        self.dimensions = settings.dimensions
        self.prompts = {"query": settings.query_prompt or "", "document": settings.document_prompt or ""}
        self.weights = weights_digest(folder)
        self.lexical = LearnedLexical()
        self._network, tokenizer = _load(folder, self.device, self.dtype, settings.trust_remote_code)
        check_vocabulary(tokenizer, self._network.get_input_embeddings().num_embeddings, model=self.model)
        self._folder = folder
        self._head = _load_head(folder, SPARSE, self._network.config.hidden_size, self.device)
        self._token_head: torch.nn.Linear | None = None  # loaded on first use: indexing does not need it
        self.dim = self.dimensions or int(self._network.config.hidden_size)
        self.max_tokens = _longest(settings.max_tokens, tokenizer, self._network.config)
        self._tokens = Tokens(tokenizer, self.max_tokens)
        # The tokens that FlagEmbedding drops; others, such as <mask>, count as terms there as well.
        dropped = (tokenizer.cls_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id)
        self._dropped = np.array([i for i in dropped if i is not None], dtype=np.int64)
        self._lock = threading.Lock()
        self._questions: QuestionNetwork[Network] = QuestionNetwork(
            settings.question_runtime,
            self._plain,
            bert=lambda: bert_of(self._network) if self.device.type == "cpu" else None,
            by=lambda network: network,
            read=self._probe,
            model=self.model,
            key=lambda: machine_key(self.weights, self.dtype),
        )
        check_tells_apart(self.encode_documents(UNLIKE), model=self.model)

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            model=self.model,
            weights=self.weights,
            dim=self.dim,
            pooling=self.pooling,
            prompts=self.prompts,
            sparse=self.lexical.name,
        )

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        return self._encode(texts, "document", lexical=True)

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        return self._encode(texts, "query", lexical=True)

    def encode_passages(self, passages: Sequence[str], spans: Sequence[Spans]) -> Encoded:
        """As ``ReadsPassages.encode_passages``; with CLS pooling sentences and passages are encoded separately."""
        return read_twice(self.encode_documents, passages, spans)

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        return self._encode(texts, "query" if query else "document", lexical=False)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """As ``CountsTokens.count_tokens``, exact."""
        return self._tokens.count(with_prompt(self.prompts["document"], texts)) if texts else []

    def token_vectors(self, texts: Sequence[str], *, query: bool) -> tuple[list[NDArray[np.float32]], tuple[int, ...]]:
        """Return the vectors of the multi-vector (ColBERT) head: one per token except the leading <s>.

        Returns:
            float32 (tokens - 1, head's width) per text, each row L2-normalised; positions of truncated texts.

        Raises:
            EncoderError: the checkpoint has no multi-vector head.
        """
        from torch.nn.functional import normalize

        found: list[NDArray[np.float32]] = [np.empty((0, 0), np.float32)] * len(texts)
        if not texts:
            return found, ()
        with self._lock, forward_pass(self.model, self.budget):
            if self._token_head is None:
                self._token_head = _load_head(self._folder, MULTI, self._network.config.hidden_size, self.device)
            ids, truncated = self._tokens(with_prompt(self.prompts["query" if query else "document"], texts))
            for positions, _, mask, hidden in self._states(ids, self._plain, self.budget):
                vectors = normalize(self._token_head(hidden[:, 1:].float()), dim=-1).cpu().numpy()
                for row, position in enumerate(positions):
                    found[position] = vectors[row, : int(mask[row].sum()) - 1]
        return found, truncated

    def _plain(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Run the checkpoint's own network, as a ``Network``."""
        made: torch.Tensor = self._network(input_ids=ids, attention_mask=mask).last_hidden_state
        return made

    def _states(
        self, ids: list[list[int]], network: Network, budget: int
    ) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Yield (positions, input_ids, mask, last hidden states) of each batch."""
        for positions, input_ids, mask in padded_batches(
            ids, budget=budget, pad_id=self._tokens.pad_id, device=self.device
        ):
            yield positions, input_ids, mask, network(input_ids, mask)

    def _probe(self, network: Network, text: str) -> list[NDArray[np.float32]]:
        """Return the dense vector of a text, and the weights of its tokens."""
        _, _, _, hidden = next(self._states(self._tokens([text])[0], network, ALONE))
        weights = self._head(hidden.float()).squeeze(-1).relu()
        return [hidden[0, 0].float().numpy(), weights[0].numpy()]

    @property
    def question_runtime(self) -> str | None:
        """As of a ``SentenceTransformerModel``."""
        return self._questions.runtime

    @property
    def question_kind(self) -> str:
        """As of a ``SentenceTransformerModel``."""
        return self._questions.kind

    def _encode(self, texts: Sequence[str], kind: str, *, lexical: bool) -> Encoded:
        if not texts:
            return Encoded(np.empty((0, self.dim), np.float32), [] if lexical else None)
        prompted = with_prompt(self.prompts[kind], texts)
        dense = np.empty((len(texts), self._network.config.hidden_size), np.float32)
        sparse: list[SparseVector] | None = [EMPTY_SPARSE] * len(texts) if lexical else None
        with self._lock, forward_pass(self.model, self.budget):
            ids, truncated = self._tokens(prompted)
            network = self._questions(len(ids)) if kind == "query" else self._plain
            budget = self.budget if network == self._plain else ALONE
            for positions, input_ids, mask, hidden in self._states(ids, network, budget):
                dense[positions] = hidden[:, 0].float().cpu().numpy()
                if sparse is None:
                    continue
                weights = self._head(hidden.float()).squeeze(-1).relu().cpu().numpy()
                rows = _term_weights(weights, input_ids.cpu().numpy(), mask.cpu().numpy(), self._dropped)
                for position, row in zip(positions, rows, strict=True):
                    sparse[position] = row
        return Encoded(unit_rows(dense, model=self.model, dimensions=self.dimensions), sparse, truncated)


def _term_weights(
    weights: NDArray[np.float32], ids: NDArray[np.int64], mask: NDArray[np.int64], dropped: NDArray[np.int64]
) -> list[SparseVector]:
    """Return the largest weight per token id and row of a (texts, tokens) batch, without special tokens."""
    keep = (mask > 0) & (weights > 0) & ~np.isin(ids, dropped)
    rows = np.nonzero(keep)[0]
    keys = (rows << 32) | ids[keep]  # row in the high half, term in the low: one sort for the whole batch
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], weights[keep][order]
    if not keys.size:
        return [EMPTY_SPARSE] * len(ids)
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    largest = np.maximum.reduceat(values, starts).astype(np.float32)
    terms = (keys[starts] & 0xFFFFFFFF).astype(np.uint32)
    ends = np.searchsorted(keys[starts] >> 32, np.arange(len(ids) + 1))
    return [SparseVector(terms[a:b], largest[a:b]) for a, b in itertools.pairwise(ends)]


def _load(folder: Path, device: torch.device, dtype: torch.dtype, trusted: bool) -> tuple[Any, Any]:
    from safetensors import SafetensorError
    from transformers import AutoModel, AutoTokenizer

    try:
        with quiet_loading():
            options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": trusted}
            tokenizer = AutoTokenizer.from_pretrained(str(folder), **options)
            network = AutoModel.from_pretrained(str(folder), **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, UnpicklingError) as exc:
        raise EncoderError(
            f"the folder {folder} cannot be loaded as a model ({type(exc).__name__}: {first_line(exc)})",
            remedy="give the folder that holds config.json, the weights and the tokenizer",
        ) from exc
    if getattr(network, "pooler", None) is not None:
        network.pooler = None  # BGE-M3 uses the CLS state itself; the pooler's output would be discarded
    return network.to(device=device, dtype=dtype).eval(), tokenizer


def _load_head(folder: Path, name: str, hidden: int, device: torch.device) -> torch.nn.Linear:
    """Load a head in float32, from safetensors or from a .pt file that holds only tensors.

    The sparse head returns one number per token; the width of the multi-vector head is that of its weight.
    """
    import torch
    from safetensors.torch import load_file

    path = folder / f"{name}.safetensors"
    try:
        if path.exists():
            state = load_file(path)
        else:
            path = folder / f"{name}.pt"
            state = torch.load(path, map_location="cpu", weights_only=True)
        head = torch.nn.Linear(hidden, 1 if name == SPARSE else len(state["weight"]))
        head.load_state_dict(state)
    except FileNotFoundError as exc:
        if name != SPARSE:
            raise EncoderError(
                f"{folder} holds no {path.name}, so it has no multi-vector head", remedy="fetch the whole checkpoint"
            ) from exc
        raise EncoderError(
            f"{folder} holds no {path.name}, so it is not a BGE-M3 checkpoint",
            remedy="set encoder.provider = 'sentence_transformer' (dense, with BM25 beside it)",
        ) from exc
    except Exception as exc:  # unpickling fails in many ways; all mean the same to a user
        width = 1 if name == SPARSE else "width"
        raise EncoderError(
            f"the {'sparse' if name == SPARSE else 'multi-vector'} head {path} cannot be read "
            f"({type(exc).__name__}: {first_line(exc)})",
            remedy=f"fetch the file again; it must hold a weight of shape ({width}, hidden) and a bias",
        ) from exc
    return head.to(device).float().eval()


def _longest(configured: int | None, tokenizer: Any, config: Any) -> int:
    """Return the number of positions of the network (XLM-R reserves pad + 1), or less if configured."""
    positions = int(getattr(config, "max_position_embeddings", 0)) or 8192
    if config.model_type in ("xlm-roberta", "roberta", "camembert"):
        positions -= config.pad_token_id + 1
    return within(configured, positions, int(tokenizer.model_max_length))
