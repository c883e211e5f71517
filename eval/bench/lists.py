"""Race: steps of a reranker's list training, with pairs batched by length or in the library's order (ListNet).

Both get the same lists of windows (3 to 11 sentences) and compute the same loss and gradients, with dropout as in
training. ``--sentences`` races lone sentences instead.

    python -m eval.bench lists      (about two minutes)
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from typing import Any

from eval.bench.corpus import documents
from eval.bench.timing import Facts, Rows, alternate, command, pace
from eval.finetune.training.options import option

PAIRS_AT_ONCE = 16  # of the usual recipe in the library's documentation


@dataclass(frozen=True)
class Options:
    """Options of the race."""

    base: str = option("minilm", "minilm, a model folder, or a hub name")
    lists: int = option(8, "questions per step")
    texts: int = option(4, "texts per question")
    sentences: bool = option(False, "lone sentences instead of windows")
    rounds: int = option(3, "steps per contestant")
    threads: int = option(1, "torch threads")
    seed: int = 7


def run(options: Options) -> tuple[Rows, Facts]:
    """Compute steps in turns, and compare their losses without dropout."""
    import torch
    from sentence_transformers.cross_encoder.losses import ListNetLoss

    from eval.finetune.reranker.losses import ByLength
    from eval.finetune.reranker.options import RerankerOptions
    from eval.finetune.reranker.train import WHOLE_STEP, load_cross_encoder
    from eval.finetune.training.request import base_folder
    from indexes.encoders.torch_runtime import choose_dtype

    torch.manual_seed(options.seed)
    training = RerankerOptions(seed=options.seed, device="cpu")
    model = load_cross_encoder(base_folder(options.base), options.base, training)
    dtype = choose_dtype("auto", torch.device("cpu"))
    inputs, labels = _step(options)
    by_length: Any = ByLength(model)
    losses = {
        "recipe": ListNetLoss(model, mini_batch_size=PAIRS_AT_ONCE),
        "ours": ListNetLoss(by_length, mini_batch_size=WHOLE_STEP),
    }

    def step(name: str) -> float:
        model.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
            loss = losses[name](inputs, labels)
        loss.backward()
        return float(loss.item())

    model.train()
    seconds = alternate({name: partial(step, name) for name in losses}, options.rounds)
    model.eval()
    exact = {name: step(name) for name in losses}
    rows = [pace(seconds, "recipe", name) | {"loss": round(exact[name], 5)} for name in losses]
    pairs = sum(len(texts) for texts in inputs[1])
    return rows, {"pairs": pairs, "reads": "sentences" if options.sentences else "windows", "dtype": str(dtype)}


def _step(options: Options) -> tuple[list[list[Any]], list[Any]]:
    """Return questions with their texts, and labels with one positive each."""
    import torch

    draw = random.Random(options.seed)
    count = options.lists * (1 + options.texts)
    made = [text.split(". ") for text in documents(12 * count, sentences_each=12, seed=options.seed)]
    questions = [" ".join(made.pop()[0].split()[:8]) for _ in range(options.lists)]
    texts = [sentences[: 1 if options.sentences else draw.randint(3, 11)] for sentences in made]
    lists = [
        [". ".join(text) for text in texts[place * options.texts : (place + 1) * options.texts]]
        for place in range(options.lists)
    ]
    return [questions, lists], [torch.tensor([1.0, *[0.0] * (len(row) - 1)]) for row in lists]


main = command(Options, run)
