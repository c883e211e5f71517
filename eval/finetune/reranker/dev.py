"""Compare the checkpoints of a reranker by nDCG@10 of the reranked dev lists."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from eval.finetune.reranker.blend_weight import best_share
from eval.finetune.reranker.rows import CandidateList
from eval.finetune.training.loss_curve import DEV


def raw_scores(model: Any, lists: Sequence[CandidateList], *, bfloat16: bool, batch: int = 16) -> list[list[float]]:
    """Return the logits of a sentence-transformers CrossEncoder for each text of each list."""
    import torch
    from torch import nn

    pairs = [(one.question, text) for one in lists for text in one.texts]
    if not pairs:
        return [[] for _ in lists]
    was_training = model.training
    model.eval()
    with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=bfloat16):
        flat = model.predict(pairs, batch_size=batch, activation_fn=nn.Identity(), show_progress_bar=False)
    model.train(was_training)
    values = [float(value) for value in flat]
    edges = itertools.accumulate((len(one.texts) for one in lists), initial=0)
    return [values[a:b] for a, b in itertools.pairwise(edges)]


def list_evaluator(dev: Sequence[CandidateList], scale: float | None, *, bfloat16: bool) -> Any:
    """Return an evaluator: nDCG@10 of the reranked dev lists."""
    from sentence_transformers.base.evaluation import BaseEvaluator

    class ListEvaluator(BaseEvaluator):
        def __call__(self, model: Any, *_: Any, **__: Any) -> dict[str, float]:
            found = best_share(dev, raw_scores(model, dev, bfloat16=bfloat16), DEV, scale)
            return {DEV: found.curve[found.share]}

    evaluator = ListEvaluator()
    evaluator.primary_metric = DEV
    return evaluator
