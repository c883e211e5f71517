"""finetune_reranker: train a cross-encoder on what the pipeline finds, and prove it in the pipeline.

Each run has a folder, and runs each step once: score the pipeline, make the start model, mine, warm up, ask the
teacher, train, choose the reranker's share, score the result, prove. A run that was killed is resumed by a call with
the same settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eval.datasets.dataset import Dataset
from eval.finetune.lessons.unlabelled import read_unlabelled
from eval.finetune.proof.scorer import divided, opened
from eval.finetune.reranker.options import RerankerOptions
from eval.finetune.reranker.steps import RerankerWork, TunedReranker
from eval.finetune.training.request import Request, base_folder


def finetune_reranker(
    dataset: str | Path | Dataset, base: str, *, options: RerankerOptions | None = None, **request: Any
) -> TunedReranker:
    """Tune ``base`` as a reranker for ``dataset``, and prove the pipeline with it on held-out questions.

    Args:
        dataset: see ``load_dataset``; without a training split, its test split is divided.
        base: "minilm", a model folder, or a hub name; a cross-encoder with one label keeps its head, any other encoder
            gets a new one.
        request: the other fields of ``Request``: ``out`` (folder of the run; the same call resumes an interrupted
            one), ``also``, ``teacher``, ``settings`` (of the pipeline that finds candidates, and the reranker's
            ``rerank.depth``, ``read``, ``max_tokens``, ``device`` and ``dtype``), ...

    Raises:
        SettingsError: ``out`` holds another run, or an option is not allowed.
        SourceError, RerankerError: the dataset or the model cannot be read.

    >>> from eval import finetune_reranker  # doctest: +SKIP
    >>> finetune_reranker("data/scifact", "minilm", out="reranker").proof.better  # doctest: +SKIP
    True
    """
    given = Request(dataset, base, **request)
    usual = RerankerOptions().with_defaults(with_teacher=bool(given.teacher))
    wanted = (options or RerankerOptions()).with_defaults(with_teacher=bool(given.teacher))
    folder = base_folder(base)
    splits, rest = divided(given, wanted.seed)
    unlabelled = read_unlabelled(wanted.unlabelled, splits.train, [splits.dev, splits.test, *rest])
    settings = {
        "asked": unlabelled.hash,
        **wanted.as_dict(),
        "pipeline": given.sections(encoder=None, split=None, sparse=None, retrieval=None),
        "reads": given.sections(rerank=("depth", "read", "max_tokens"))["rerank"],
    }
    with opened("reranker", given, folder, splits, rest, settings, usual.as_dict()) as run:
        return RerankerWork(run, given, folder, splits, rest, wanted, unlabelled).done()
