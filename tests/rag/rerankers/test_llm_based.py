"""LLM-based rerankers: FlagEmbedding's classes behind our interface, chosen by the checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from indexes.errors import RerankerError
from rag.rerankers import build_reranker
from rag.rerankers.llm_based import LLMReranker, _layers, kind_of
from rag.settings import RerankSettings
from tests.rag.rerankers.rerank_fixtures import PASSAGES, QUESTIONS


@pytest.fixture(scope="module")
def reranker(llama_folder: Path) -> LLMReranker:
    settings = RerankSettings(
        provider="llm", model=str(llama_folder), device="cpu", dtype="float32", max_tokens=128, batch_tokens=512
    )
    built = build_reranker(settings)
    assert isinstance(built, LLMReranker)
    return built


def test_scores_are_flag_llm_rerankers_own(reranker: LLMReranker, llama_folder: Path) -> None:
    from FlagEmbedding import FlagLLMReranker

    assert reranker.kind == "decoder"
    ours = reranker.score(QUESTIONS[0], PASSAGES[:8])
    theirs = FlagLLMReranker(str(llama_folder), devices="cpu", max_length=128).compute_score(
        [(QUESTIONS[0], text) for text in PASSAGES[:8]]
    )
    np.testing.assert_allclose(ours.raw, np.asarray(theirs), atol=1e-3)
    assert ((ours.probability > 0) & (ours.probability < 1)).all()
    assert len(reranker.score("q", [])) == 0
    assert len(reranker.fingerprint) == 16


def test_an_encoder_is_refused_with_the_way_out(xlmr_folder: Path) -> None:
    with pytest.raises(RerankerError, match=r"rerank.provider = 'cross_encoder'"):
        build_reranker(RerankSettings(provider="llm", model=str(xlmr_folder), device="cpu"))


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("layerwise", {"model_type": "minicpm", "architectures": ["LayerWiseMiniCPMForCausalLM"]}),
        ("lightweight", {"model_type": "cost_wise_gemma", "architectures": ["CostWiseGemmaForCausalLM"]}),
    ],
)
def test_classes_that_transformers_5_breaks_say_so(llama_folder: Path, tmp_path: Path, kind: str, config: dict) -> None:
    """A known fault of FlagEmbedding 1.4.2: when it is mended, this test should load tiny checkpoints instead."""
    import transformers

    if transformers.__version__.startswith("4."):
        pytest.skip("the fault is with transformers 5")
    folder = tmp_path / "model"
    shutil.copytree(llama_folder, folder)
    sizes = {"vocab_size": 400, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16}
    (folder / "config.json").write_text(json.dumps({**config, **sizes, **heads}))
    with pytest.raises(RerankerError, match=rf"FlagEmbedding's {kind} class was written for transformers 4"):
        build_reranker(RerankSettings(provider="llm", model=str(folder), device="cpu"))


@pytest.mark.parametrize(
    ("config", "model", "kind"),
    [
        ({"model_type": "gemma", "architectures": ["GemmaForCausalLM"]}, "BAAI/bge-reranker-v2-gemma", "decoder"),
        ({"model_type": "minicpm", "architectures": ["LayerWiseMiniCPMForCausalLM"]}, "./moved", "layerwise"),
        ({"model_type": "minicpm", "architectures": None}, "BAAI/bge-reranker-v2-minicpm-layerwise", "layerwise"),
        ({"model_type": "cost_wise_gemma", "architectures": ["CostWiseGemmaForCausalLM"]}, "./moved", "lightweight"),
    ],
)
def test_the_class_follows_the_checkpoint(config: dict, model: str, kind: str) -> None:
    assert kind_of(config, model) == kind


def test_layers_never_exceed_the_models_depth() -> None:
    assert _layers("layerwise", 40) == {"cutoff_layers": [28]}
    assert _layers("layerwise", 12) == {"cutoff_layers": [12]}
    assert _layers("lightweight", 42) == {"cutoff_layers": [28], "compress_layers": [24, 40], "compress_ratio": 2}
    assert _layers("lightweight", 30)["compress_layers"] == [24]
    assert _layers("decoder", 18) == {}


@pytest.mark.parametrize("provider", ["cross_encoder", "llm"])
def test_a_t5_reranker_is_refused_by_name_and_with_another_way(tmp_path: Path, provider: str) -> None:
    shape = {"d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2, "vocab_size": 32}
    config = {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5", **shape}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(RerankerError, match=r"is a T5 reranker \(such as monoT5.*rerank\.provider = 'api'"):
        build_reranker(RerankSettings.model_validate({"provider": provider, "model": str(tmp_path), "device": "cpu"}))
