"""Race: reranking fused candidates, our one-pass loop against FlagEmbedding's ``FlagReranker``.

Both read the same cross-encoder of bge-reranker-v2-m3's width with random weights and score the same question with
the same candidates, each a window of generated sentences; speed does not depend on the weights.
``FlagReranker`` runs at its defaults (batch 128, float32: on a CPU it has nothing faster).

    python -m eval.bench rerank --candidates 50 --layers 24 --rounds 3
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.bench.checkpoints import made_up_sentences, xlmr_shape
from eval.bench.timing import Facts, Rows, alternate, command, pace
from eval.finetune.training.options import option
from indexes.encoders.torch_runtime import cpu_computes_bfloat16
from rag.rerankers.cross_encoder import CrossEncoder, load_cross_encoder
from rag.settings import RerankSettings

RIVAL = "FlagReranker"
QUESTION = "Which chapter compares dense and sparse vectors?"


@dataclass(frozen=True)
class Options:
    """``hidden`` 1024, ``layers`` 24 are bge-reranker-v2-m3's; a window of 3 is up to 7 sentences."""

    candidates: int = option(50, "number of passages to score")
    rounds: int = option(3, "turns each")
    layers: int = option(24, "layers of the network (bge-reranker-v2-m3: 24)")
    hidden: int = option(1024, "width (bge-reranker-v2-m3: 1024)")
    window: int = option(3, "sentences on each side of a hit")
    max_tokens: int = option(512, "maximum tokens per pair")
    batch_tokens: int = option(4096, "maximum tokens per batch of ours")
    threads: int = option(1, "torch threads")


def run(options: Options) -> tuple[Rows, Facts]:
    """Build the checkpoint, check that the scores agree, and run the race."""
    passages = windows(options.candidates, options.window)
    with tempfile.TemporaryDirectory() as name:
        folder = checkpoint(Path(name), hidden=options.hidden, layers=options.layers)
        rival = _flag_reranker(folder, options.max_tokens)
        formats = ["float32", *(["bfloat16"] if cpu_computes_bfloat16() else [])]
        ours = {dtype: _ours(folder, dtype, options) for dtype in formats}

    expected = np.asarray(rival(passages))
    contestants: dict[str, Callable[[], object]] = {RIVAL: lambda: rival(passages)}
    for dtype, reranker in ours.items():
        contestants[dtype] = partial(reranker.score, QUESTION, passages)
    agreement = {dtype: _agreement(reranker, passages, expected) for dtype, reranker in ours.items()}
    seconds = alternate(contestants, options.rounds, warm_up=False)  # each has already run once
    rows = [pace(seconds, RIVAL, name) | agreement.get(name, {}) for name in contestants]
    lengths = [len(pair["input_ids"]) for pair in ours["float32"]._pairs(QUESTION, passages)[0]]
    return rows, {
        "candidates": options.candidates,
        "layers": options.layers,
        "hidden": options.hidden,
        "batch_tokens": options.batch_tokens,
        "tokens_a_pair": f"{min(lengths)} to {max(lengths)}, mean {np.mean(lengths):.0f}",
        "score_spread": round(float(expected.std()), 4),
    }


def windows(count: int, width: int, *, seed: int = 0) -> list[str]:
    """Return passages as the reranker reads them: a sentence with ``width`` neighbours per side, fewer at edges."""
    sentences = made_up_sentences(count * (2 * width + 1), seed=seed)
    passages = []
    for i in range(count):
        start = i * (2 * width + 1)
        cut = i % (width + 1) if i % 5 == 0 else 0  # every fifth is near the edge of its document
        passages.append(" ".join(sentences[start : start + 2 * width + 1 - cut]))
    return passages


def checkpoint(folder: Path, *, hidden: int, layers: int, seed: int = 0) -> Path:
    """Write a checkpoint like bge-reranker-v2-m3: XLM-R with one label.

    Its head has large weights, so that passages get different scores although the weights are random.
    """
    import torch
    from transformers import XLMRobertaForSequenceClassification

    texts = [*made_up_sentences(2000, seed=1), QUESTION]
    torch.manual_seed(seed)
    config = xlmr_shape(folder, texts, 2000, hidden, layers, max(1, hidden // 64), positions=8194)
    config.num_labels = 1
    network = XLMRobertaForSequenceClassification(config).eval()
    with torch.no_grad():
        network.classifier.out_proj.weight.mul_(10)
    network.save_pretrained(folder)
    return folder


def _flag_reranker(folder: Path, max_tokens: int) -> Callable[[Sequence[str]], list[float]]:
    from FlagEmbedding import FlagReranker

    reranker = FlagReranker(str(folder), use_fp16=False, devices="cpu", max_length=max_tokens)
    return lambda passages: reranker.compute_score([(QUESTION, passage) for passage in passages])


def _ours(folder: Path, dtype: str, options: Options) -> CrossEncoder:
    return load_cross_encoder(
        RerankSettings.model_validate(
            {
                "model": str(folder),
                "device": "cpu",
                "dtype": dtype,
                "max_tokens": options.max_tokens,
                "batch_tokens": options.batch_tokens,
            }
        )
    )


def _agreement(reranker: CrossEncoder, passages: Sequence[str], expected: NDArray[np.float64]) -> dict[str, object]:
    """Return the largest differences of raw scores and probabilities, and the overlap of the best ten."""
    scores = reranker.score(QUESTION, passages)
    best = set(np.argsort(-expected)[:10].tolist()) & set(np.argsort(-scores.raw)[:10].tolist())
    probability = 1 / (1 + np.exp(-expected))
    return {
        "raw_max_difference": float(f"{np.abs(scores.raw - expected).max():.2g}"),
        "probability_max_difference": float(f"{np.abs(scores.probability - probability).max():.2g}"),
        "same_in_best_10": len(best),
    }


main = command(Options, run)
