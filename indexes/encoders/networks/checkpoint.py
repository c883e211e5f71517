"""Load a sentence-transformers folder: directly if it is BERT with one pooling, else with sentence-transformers.

Most folders are of the first kind: E5, BGE v1.5, MiniLM, mxbai. Loading them directly imports only torch; the library
also imports transformers' models, scikit-learn, pandas and pyarrow, which takes longer than a search.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, Protocol

from indexes.encoders.networks.bert import Bert, bert_of, fits, read_tensors
from indexes.encoders.torch_runtime import quiet_loading
from indexes.errors import EncoderError, first_line

if TYPE_CHECKING:
    import torch

_UNLOADABLE = (OSError, ValueError, KeyError, RuntimeError, AttributeError, ImportError, UnpicklingError)
MODULES = ("Transformer", "Pooling", "Normalize")
PLAIN_TRANSFORMER = {"max_seq_length", "do_lower_case"}  # keys of sentence_bert_config.json
POOLINGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
LONGEST = 1 << 20  # a tokenizer's model_max_length above it means: unknown


class Checkpoint(Protocol):
    """A loaded model: maps token ids to token states, and these to vectors."""

    tokenizer: Any
    prompts: dict[str, str]
    default_prompt: str | None
    pooling: str
    skips_prompt: bool
    model_type: str
    positions: int
    longest: int

    @property
    def is_plain(self) -> bool:
        """Whether the vector is simply the mean of the token states."""

    @property
    def width(self) -> int:
        """Number of values in a vector."""

    @property
    def rows(self) -> int:
        """Number of tokens that have an embedding."""

    def states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return token states, float32 (texts, tokens, width of a state)."""

    def pooled(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return vectors (texts, width)."""

    @property
    def bert(self) -> Bert | None:
        """Return its network as ours, on the same tensors; None where it is of another kind."""

    def by(self, network: Bert) -> Checkpoint:
        """Return the same model with another network."""


class RustTokenizer:
    """``tokenizer.json`` loaded with the tokenizers package, with the attributes used of a transformers tokenizer."""

    is_fast = True

    def __init__(self, folder: Path, pad: str) -> None:
        from tokenizers import Tokenizer

        self.backend_tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.pad_token_id = self.backend_tokenizer.token_to_id(pad)

    def __len__(self) -> int:
        return int(self.backend_tokenizer.get_vocab_size(with_added_tokens=True))


@dataclass(slots=True)
class OwnCheckpoint:
    """A ``Checkpoint`` of BERT with mean or first-token pooling and normalisation, loaded without its library."""

    network: Bert
    tokenizer: Any
    prompts: dict[str, str]
    default_prompt: str | None
    pooling: str
    model_type: str
    positions: int
    longest: int
    skips_prompt: bool = False

    @property
    def is_plain(self) -> bool:
        return self.pooling == "mean"

    @property
    def width(self) -> int:
        return self.network.width

    @property
    def rows(self) -> int:
        return int(self.network.words.shape[0])

    def states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.network(ids, mask).float()

    def pooled(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self.pooling == "cls":
            return states[:, 0]
        there = mask.unsqueeze(-1).to(states.dtype)
        return (states * there).sum(1) / there.sum(1).clamp(min=1e-9)

    @property
    def bert(self) -> Bert:
        return self.network

    def by(self, network: Bert) -> OwnCheckpoint:
        return replace(self, network=network)


class LibraryCheckpoint:
    """A ``Checkpoint`` loaded with sentence-transformers."""

    def __init__(self, modules: Any, dtype: torch.dtype) -> None:
        self._modules = modules
        self._network: Bert | None = None  # in place of the first module's
        modules[0].to(dtype)  # the modules after the network are small: they stay in float32
        config = modules[0].auto_model.config
        self.tokenizer, self.prompts = modules.tokenizer, dict(modules.prompts)
        self.default_prompt = modules.default_prompt_name
        self.pooling, self.skips_prompt = _pooling(modules)
        kinds = [type(module).__name__ for module in modules]
        self.is_plain = self.pooling == "mean" and set(kinds[1:]) <= {"Pooling", "Normalize"}
        ask = getattr(modules, "get_embedding_dimension", None) or modules.get_sentence_embedding_dimension
        self.width = int(ask())  # the method has another name in sentence-transformers 5
        self.rows = int(modules[0].auto_model.get_input_embeddings().num_embeddings)
        self.model_type = str(config.model_type)
        self.positions = _positions(config.model_type, config.to_dict())
        self.longest = int(modules.max_seq_length or self.positions)

    def states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self._network is not None:
            return self._network(ids, mask).float()
        made: torch.Tensor = self._modules[0]({"input_ids": ids, "attention_mask": mask})["token_embeddings"].float()
        return made

    def pooled(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        features: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "token_embeddings": states}
        for module in list(self._modules)[1:]:
            features = module(features)
        made: torch.Tensor = features["sentence_embedding"]
        return made

    @property
    def bert(self) -> Bert | None:
        return bert_of(self._modules[0].auto_model)

    def by(self, network: Bert) -> LibraryCheckpoint:
        made = copy.copy(self)
        made._network = network
        return made


def load(folder: Path, model: str, *, device: torch.device, dtype: torch.dtype, trusted: bool) -> Checkpoint:
    """Load the model of a folder onto a device, in a number format.

    Raises:
        EncoderError: the folder cannot be loaded, or its first module is not a transformer.
    """
    own = own_checkpoint(folder)
    if own is not None:
        own.network.to(dtype, device)
        return own
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    try:
        with quiet_loading():
            modules = SentenceTransformer(
                str(folder), device=str(device), local_files_only=True, trust_remote_code=trusted
            )
    except (*_UNLOADABLE, SafetensorError) as exc:
        reason = first_line(exc)
        raise EncoderError(
            f"'{model}' ({folder}) cannot be loaded as a sentence-transformers model ({type(exc).__name__}: {reason})",
            remedy="give the folder that holds modules.json or config.json, the weights and the tokenizer",
        ) from exc
    if not hasattr(modules[0], "auto_model") or modules.tokenizer is None:
        raise EncoderError(
            f"'{model}' begins with a {type(modules[0]).__name__} module, not with a transformer",
            remedy="use a transformer model",
        )
    return LibraryCheckpoint(modules.eval(), dtype)


def own_checkpoint(folder: Path) -> OwnCheckpoint | None:
    """Load a folder without its library; None if it is of another kind or incomplete (its library reports how)."""
    try:
        modules = _json(folder / "modules.json")
        kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
        if tuple(kinds) not in (MODULES, MODULES[:2]) or modules[0].get("path"):
            return None
        config, said = _json(folder / "config.json"), _json(folder / "sentence_bert_config.json")
        words = _json(folder / "tokenizer_config.json")
        pooling = _one_pooling(_json(folder / modules[1]["path"] / "config.json"))
        plain = set(said) <= PLAIN_TRANSFORMER and not said.get("do_lower_case")
        if pooling is None or not plain or not fits(config) or not _same_words(folder, words):
            return None
        pad = words.get("pad_token") or "[PAD]"
        tokenizer = RustTokenizer(folder, pad["content"] if isinstance(pad, dict) else str(pad))
        tensors = read_tensors(folder)
        if tensors is None or tokenizer.pad_token_id is None:
            return None
        settings = folder / "config_sentence_transformers.json"
        prompted = _json(settings) if settings.is_file() else {}
        positions = _positions(config["model_type"], config)
        limit = said.get("max_seq_length") or words.get("model_max_length") or positions
        return OwnCheckpoint(
            Bert(config, tensors),
            tokenizer,
            dict(prompted.get("prompts") or {}),
            prompted.get("default_prompt_name"),
            pooling,
            str(config["model_type"]),
            positions,
            int(limit) if limit < LONGEST else positions,
        )
    except Exception:  # noqa: BLE001 - tokenizers raises plain Exceptions; the library reports what is wrong
        return None


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _one_pooling(config: dict[str, Any]) -> str | None:
    """Return the pooling if it is a supported one that includes the prompt's tokens, else None."""
    if not config.get("include_prompt", True):
        return None
    if "pooling_mode" in config:  # sentence-transformers 6
        return config["pooling_mode"] if config["pooling_mode"] in POOLINGS.values() else None
    chosen = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
    return POOLINGS.get(chosen[0]) if len(chosen) == 1 else None


def _same_words(folder: Path, config: dict[str, Any]) -> bool:
    """Return whether ``tokenizer.json`` lowercases as ``tokenizer_config.json``, which takes precedence, demands."""
    rules = _json(folder / "tokenizer.json").get("normalizer") or {}
    if rules.get("type") != "BertNormalizer":
        return True
    pairs = (("do_lower_case", "lowercase"), ("strip_accents", "strip_accents"))
    chinese = config.get("tokenize_chinese_chars", True) == rules.get("handle_chinese_chars", True)
    return chinese and all(config[said] == rules.get(is_) for said, is_ in pairs if config.get(said) is not None)


def _pooling(modules: Any) -> tuple[str, bool]:
    """Return the pooling ("cls", "mean", "last", ...) and whether it leaves out the prompt's tokens."""
    for module in modules:
        if type(module).__name__ == "Pooling":
            # sentence-transformers 5 has get_pooling_mode_str(), 6 pooling_mode
            mode = module.get_pooling_mode_str() if hasattr(module, "get_pooling_mode_str") else module.pooling_mode
            mode = mode if isinstance(mode, str) else "+".join(mode)
            return {"lasttoken": "last"}.get(mode, mode), not getattr(module, "include_prompt", True)
    return "model", False


def _positions(model_type: str, config: dict[str, Any]) -> int:
    """Return the number of positions of the network; 8192 if the configuration has none."""
    positions = int(config.get("max_position_embeddings") or 0) or 8192
    if model_type in ("xlm-roberta", "roberta", "camembert", "mpnet"):
        positions -= (config.get("pad_token_id") or 0) + 1
    return positions
