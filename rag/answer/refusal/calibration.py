"""Bind a score threshold to its models: ``answer.abstain_below`` means nothing with another model."""

from __future__ import annotations

from typing import Any

from indexes.errors import SettingsError
from rag.settings import Settings

RELATIVE = ("minmax", "rrf")  # fused scores are relative to the question's candidates: the best is near 1


def score_fingerprint(index: Any, reranker: Any, settings: Settings) -> str:
    """Return what the best passage's score depends on: encoder, reranker and what it reads, or our share of terms.

    >>> from types import SimpleNamespace
    >>> encoder = SimpleNamespace(fingerprint=SimpleNamespace(model="models/minilm", digest="2f0c6c1be9c5f3aa"))
    >>> score_fingerprint(SimpleNamespace(encoder=encoder), None, Settings())
    'encoder=minilm#2f0c6c1be9c5f3aa confidence=share-of-terms-3'
    """
    encoder = index.encoder.fingerprint
    parts = [f"encoder={_word(encoder.model)}#{encoder.digest}"]
    if reranker is None:
        # Raised since relative fusions used other scores before, with which earlier thresholds were compared.
        fusion = settings.retrieval.fusion
        parts.append("confidence=share-of-terms-3" if fusion in RELATIVE else f"fusion={fusion}")
        return " ".join(parts)
    name = getattr(reranker, "fingerprint", None) or getattr(reranker, "model", None) or type(reranker).__name__
    parts += [
        f"reranker={_word(str(name))}",
        f"read={settings.rerank.read}",
        f"max_tokens={settings.rerank.max_tokens}",
    ]
    if settings.rerank.read == "window":
        parts.append(f"window={settings.retrieval.window}")
    return " ".join(parts)


def check_calibration(index: Any, reranker: Any, settings: Settings) -> None:
    """Refuse a threshold that was calibrated for another model; one without a fingerprint is accepted.

    >>> from types import SimpleNamespace
    >>> index = SimpleNamespace(encoder=SimpleNamespace(fingerprint=SimpleNamespace(model="minilm", digest="2f0c")))
    >>> other = {"answer": {"abstain_below": 0.3, "abstain_fingerprint": "encoder=bge-m3#91aa"}}
    >>> check_calibration(index, None, Settings.model_validate(other))
    Traceback (most recent call last):
        ...
    indexes.errors.SettingsError: answer.abstain_below = 0.3 was calibrated for 'encoder=bge-m3#91aa', but the scores
     now come from 'encoder=minilm#2f0c confidence=share-of-terms-3'; run 'rag-eval calibrate DATASET' again, or remove
     answer.abstain_below and answer.abstain_fingerprint

    Raises:
        SettingsError: ``answer.abstain_fingerprint`` is not that of the models in use.
    """
    wanted = settings.answer.abstain_fingerprint
    if wanted is None or settings.answer.abstain_below is None:
        return
    found = score_fingerprint(index, reranker, settings)
    if wanted != found:
        raise SettingsError(
            f"answer.abstain_below = {settings.answer.abstain_below:g} was calibrated for '{wanted}', but the scores "
            f"now come from '{found}'",
            remedy="run 'rag-eval calibrate DATASET' again, or remove answer.abstain_below and "
            "answer.abstain_fingerprint",
        )


def _word(name: str) -> str:
    """Return the last part of a model's name: a folder may be moved, and its path is private."""
    return name.rstrip("/").rsplit("/", 1)[-1].replace(" ", "_")
