"""FlagEmbedding's LLM-based rerankers behind our interface.

bge-reranker-v2-gemma and other causal models (``FlagLLMReranker``: the logit of "Yes"),
bge-reranker-v2-minicpm-layerwise (``LayerWiseFlagLLMReranker``: the score may come from an inner layer) and
bge-reranker-v2.5-gemma2-lightweight (``LightWeightFlagLLMReranker``: inner layers merge tokens). They have billions
of parameters and need a GPU. Qwen3-Reranker, also a causal model, uses another template: see ``yes_no``.

The layerwise and lightweight networks of FlagEmbedding 1.4.2 were written for transformers 4; under transformers 5 both
fail while they are built (KeyError 'type', 'list' object has no attribute 'keys'), and the error says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from llama_index.core.bridge.pydantic import PrivateAttr

from indexes.encoders.loading.probe import refuse_code
from indexes.encoders.torch_runtime import choose_device, choose_dtype, model_folder, weights_digest
from indexes.errors import RerankerError
from rag.rerankers.base import (
    Reranker,
    RerankScores,
    check_scores,
    empty_scores,
    fingerprint_of,
    refuse_t5,
    sigmoid,
)
from rag.settings import RerankSettings

Kind = Literal["decoder", "layerwise", "lightweight", "yes_no"]
# LLM-based rerankers whose prompts neither class here writes.
_OTHERS = re.compile(r"mxbai-rerank|jina-reranker|zerank|rank1-|rankzephyr|rankvicuna|ctxl-rerank|nemotron.*rerank")

# The layers that the two model cards on the hub recommend.
LAYERWISE_CUTOFF = 28
LIGHTWEIGHT_CUTOFF, LIGHTWEIGHT_COMPRESS, LIGHTWEIGHT_RATIO = 28, (24, 40), 2


class LLMReranker(Reranker):
    """One of FlagEmbedding's decoder-only rerankers; load it with ``load_llm_reranker``.

    >>> from types import SimpleNamespace
    >>> scorer = SimpleNamespace(compute_score=lambda pairs, **_: [2.0, -2.0])  # in the place of FlagEmbedding's class
    >>> reranker = LLMReranker(scorer, "", model="gemma", kind="decoder", max_tokens=512, batch_size=8)
    >>> scores = reranker.score("When does the harbour open?", ["It opens at 6.", "Fees are due in May."])
    >>> scores.raw.tolist(), (scores.probability > 0.5).tolist()
    ([2.0, -2.0], [True, False])

    Args:
        kind: which FlagEmbedding class scores.
        max_tokens: maximum tokens of the question, and of a passage.
        batch_size: pairs per forward pass.
    """

    kind: Kind
    max_tokens: int
    batch_size: int

    _scorer: Any = PrivateAttr()
    _weights: str = PrivateAttr()

    def __init__(self, scorer: Any, weights: str, **fields: Any) -> None:
        super().__init__(**fields)
        self._scorer = scorer
        self._weights = weights

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self._weights or self.model, self.kind, self._scorer.model.dtype, self.max_tokens)

    def score(self, query: str, texts: Sequence[str]) -> RerankScores:
        if not texts:
            return empty_scores()
        try:
            with self._turn:
                answer = self._scorer.compute_score(
                    [(query, text) for text in texts], batch_size=self.batch_size, max_length=self.max_tokens
                )
        except Exception as exc:  # FlagEmbedding's batch probe turns any fault into AttributeError, IndexError, ...
            raise RerankerError(
                f"the reranker '{self.model}' failed ({type(exc).__name__}: {exc})",
                remedy="lower rerank.batch_tokens or rerank.max_tokens, or take BAAI/bge-reranker-v2-m3",
            ) from exc
        if answer and isinstance(answer[0], list):  # one list per layer: take the deepest
            answer = answer[-1]
        raw = np.asarray(answer, np.float32)
        return check_scores(RerankScores(raw, sigmoid(raw)), len(texts), self.model)


def load_llm_reranker(settings: RerankSettings) -> Reranker:
    """Load the LLM-based reranker that ``settings.model`` names; its config.json, then its name, decide the class.

    Raises:
        RerankerError: the model does not exist, or is not a causal language model.
    """
    folder = model_folder(settings.model, hub=settings.hub, error=RerankerError)
    trusted = settings.trust_remote_code
    refuse_code(folder, settings.model, trusted=trusted, section="rerank", error=RerankerError)
    config = _config(folder, settings.model)
    kind = kind_of(config, settings.model)
    if kind == "yes_no":
        from rag.rerankers.yes_no import load_yes_no

        return load_yes_no(folder, settings)
    device = choose_device(settings.device, error=RerankerError)
    dtype = str(choose_dtype(settings.dtype, device, error=RerankerError))
    arguments: dict[str, Any] = {
        "use_fp16": dtype == "torch.float16",
        "use_bf16": dtype == "torch.bfloat16",
        "devices": str(device),
        "trust_remote_code": trusted,
        **_layers(kind, int(config.get("num_hidden_layers", 0))),
    }
    from FlagEmbedding import FlagLLMReranker, LayerWiseFlagLLMReranker, LightWeightFlagLLMReranker

    scorers = {
        "decoder": FlagLLMReranker,
        "layerwise": LayerWiseFlagLLMReranker,
        "lightweight": LightWeightFlagLLMReranker,
    }
    try:
        scorer = scorers[kind](str(folder), **arguments)
    except (Exception, SystemExit) as exc:  # the lightweight class calls sys.exit when its import fails
        raise _cannot_load(settings.model, kind, exc) from exc
    return LLMReranker(
        scorer,
        weights_digest(folder),
        model=settings.model,
        kind=kind,
        max_tokens=settings.max_tokens,
        batch_size=max(1, settings.batch_tokens // settings.max_tokens),
        read=settings.read,
    )


def _cannot_load(model: str, kind: Kind, exc: BaseException) -> RerankerError:
    import transformers

    what = (
        f"the LLM-based reranker '{model}' cannot be loaded ({type(exc).__name__}: {' '.join(str(exc).split())[:200]})"
    )
    if kind != "decoder" and not transformers.__version__.startswith("4."):
        return RerankerError(
            f"{what}: FlagEmbedding's {kind} class was written for transformers 4, not {transformers.__version__}",
            remedy="use BAAI/bge-reranker-v2-gemma or BAAI/bge-reranker-v2-m3",
        )
    return RerankerError(what, remedy="check the folder, or use the cross-encoder BAAI/bge-reranker-v2-m3")


def kind_of(config: dict[str, Any], model: str) -> Kind:
    """Return which of FlagEmbedding's classes a checkpoint needs, or "yes_no" for a Qwen3-Reranker.

    >>> kind_of({"architectures": ["GemmaForCausalLM"], "model_type": "gemma"}, "BAAI/bge-reranker-v2-gemma")
    'decoder'
    >>> kind_of({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}, "Qwen/Qwen3-Reranker-0.6B")
    'yes_no'

    Raises:
        RerankerError: it is not a causal language model, or its prompt is not supported.
    """
    if other := _OTHERS.search(Path(model).name.lower()):
        raise RerankerError(
            f"the prompt of '{model}' ({other.group()}) is not supported",
            remedy="serve it and set rerank.provider = 'api', or use Qwen/Qwen3-Reranker-0.6B or "
            "BAAI/bge-reranker-v2-gemma",
        )
    marks = " ".join([config.get("model_type") or "", *(config.get("architectures") or []), Path(model).name]).lower()
    if "cost_wise" in marks or "costwise" in marks or "lightweight" in marks:
        return "lightweight"
    if "layerwise" in marks:
        return "layerwise"
    if any(name.endswith("ForCausalLM") for name in config.get("architectures") or []):
        return "yes_no" if config.get("model_type") == "qwen3" else "decoder"
    refuse_t5(config.get("architectures"), model)
    raise RerankerError(
        f"'{model}' is not a causal language model (architecture {config.get('architectures')})",
        remedy="set rerank.provider = 'cross_encoder' for encoder-only rerankers",
    )


def _layers(kind: Kind, depth: int) -> dict[str, Any]:
    """Return the layers that the model cards recommend, at most the model's depth."""
    if kind == "layerwise":
        return {"cutoff_layers": [min(LAYERWISE_CUTOFF, depth)]}
    if kind == "lightweight":
        return {
            "cutoff_layers": [min(LIGHTWEIGHT_CUTOFF, depth)],
            "compress_layers": [layer for layer in LIGHTWEIGHT_COMPRESS if layer < depth],
            "compress_ratio": LIGHTWEIGHT_RATIO,
        }
    return {}


def _config(folder: Path, model: str) -> dict[str, Any]:
    """Read config.json as plain JSON: AutoConfig would ask to run the code that some of these checkpoints bring."""
    try:
        return json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise RerankerError(
            f"'{model}' has no readable config.json ({type(exc).__name__})", remedy="check the folder"
        ) from exc
