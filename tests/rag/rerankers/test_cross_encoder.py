"""The cross-encoder scores as FlagReranker does, and counts what it could not read."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from llama_index.core.schema import NodeWithScore, TextNode

from indexes.errors import RerankerError
from rag.rerankers import build_reranker
from rag.rerankers.base import sigmoid
from rag.rerankers.cross_encoder import CrossEncoder
from rag.settings import RerankSettings
from tests.rag.rerankers.rerank_fixtures import PASSAGES, QUESTIONS, SENTENCES


def load(folder: Path, **changes: object) -> CrossEncoder:
    values = {"model": str(folder), "device": "cpu", "dtype": "float32", **changes}
    reranker = build_reranker(RerankSettings.model_validate(values))
    assert isinstance(reranker, CrossEncoder)
    return reranker


def flag_scores(folder: Path, query: str, texts: list[str], max_length: int = 512) -> np.ndarray:
    from FlagEmbedding import FlagReranker

    reference = FlagReranker(str(folder), use_fp16=False, devices="cpu", max_length=max_length)
    return np.asarray(reference.compute_score([(query, text) for text in texts]))


@pytest.mark.parametrize("question", QUESTIONS)
def test_scores_equal_flag_reranker(xlmr_folder: Path, question: str) -> None:
    ours = load(xlmr_folder).score(question, PASSAGES)
    theirs = flag_scores(xlmr_folder, question, PASSAGES)
    assert theirs.std() > 1e-2, "the random head must tell passages apart, or the comparison proves nothing"
    np.testing.assert_allclose(ours.raw, theirs, atol=1e-3)
    assert ours.truncated == ()


def test_several_questions_at_once_score_as_each_alone(xlmr_folder: Path) -> None:
    reranker = load(xlmr_folder)
    many = reranker.score_many([(QUESTIONS[0], PASSAGES), (QUESTIONS[1], []), (QUESTIONS[1], PASSAGES[:3])])
    assert [len(scores) for scores in many] == [len(PASSAGES), 0, 3]
    np.testing.assert_allclose(many[0].raw, reranker.score(QUESTIONS[0], PASSAGES).raw, atol=1e-4)
    np.testing.assert_allclose(many[2].raw, reranker.score(QUESTIONS[1], PASSAGES[:3]).raw, atol=1e-4)


def test_truncation_equals_flag_reranker(xlmr_folder: Path) -> None:
    """Passages over the limit lose their end; a question over three quarters of the limit loses its own."""
    from transformers import AutoTokenizer

    reranker, tokenizer = load(xlmr_folder, max_tokens=96), AutoTokenizer.from_pretrained(xlmr_folder)
    for question in (QUESTIONS[0], " ".join(SENTENCES[:5])):
        ours = reranker.score(question, PASSAGES)
        np.testing.assert_allclose(ours.raw, flag_scores(xlmr_folder, question, PASSAGES, 96), atol=1e-3)
        first = min(72, len(tokenizer(question, add_special_tokens=False)["input_ids"]))
        lengths = [first + 4 + len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in PASSAGES]
        assert max(lengths) > 96
        assert set(ours.truncated) == {i for i in range(len(PASSAGES)) if lengths[i] > 96}


def test_unknown_characters_stay_where_they_are(xlmr_folder: Path) -> None:
    """The one difference: on transformers 5 FlagReranker decodes the ids and encodes the text again, which loses the
    blank before an unknown character. Ours are the ids that it was trained on: <s> question </s></s> text </s>."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    question, text = "Quand part le 🙂 ferry?", "龘 leaves at ∞"
    tokenizer = AutoTokenizer.from_pretrained(xlmr_folder)
    first, second = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in (question, text))
    assert tokenizer.unk_token_id in first and tokenizer.unk_token_id in second
    network = AutoModelForSequenceClassification.from_pretrained(xlmr_folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        theirs = network(input_ids=torch.tensor([[0, *first, 2, 2, *second, 2]])).logits[0, 0].item()
    assert load(xlmr_folder).score(question, [text]).raw[0] == pytest.approx(theirs, abs=1e-5)


def test_batch_budget_changes_nothing(xlmr_folder: Path) -> None:
    small, large = load(xlmr_folder, batch_tokens=64), load(xlmr_folder, batch_tokens=100_000)
    np.testing.assert_allclose(
        small.score(QUESTIONS[0], PASSAGES).raw, large.score(QUESTIONS[0], PASSAGES).raw, atol=1e-4
    )


def test_probability_is_one_items_sigmoid(xlmr_folder: Path) -> None:
    reranker = load(xlmr_folder)
    together = reranker.score(QUESTIONS[0], PASSAGES)
    alone = reranker.score(QUESTIONS[0], PASSAGES[:1])
    np.testing.assert_allclose(together.probability, 1 / (1 + np.exp(-together.raw.astype(float))), atol=1e-6)
    np.testing.assert_allclose(alone.probability[0], together.probability[0], atol=1e-5)


def test_bfloat16_keeps_the_order_of_clear_differences(xlmr_folder: Path) -> None:
    from indexes.encoders.torch_runtime import cpu_computes_bfloat16

    if not cpu_computes_bfloat16():
        pytest.skip("this processor does not compute in bfloat16")
    half = load(xlmr_folder, dtype="bfloat16")
    full = load(xlmr_folder)
    a, b = half.score(QUESTIONS[0], PASSAGES).raw, full.score(QUESTIONS[0], PASSAGES).raw
    assert not np.array_equal(a, b), "it was computed in bfloat16"
    assert np.corrcoef(a, b)[0, 1] > 0.99
    assert half.fingerprint != full.fingerprint


def test_nothing_to_score(xlmr_folder: Path) -> None:
    scores = load(xlmr_folder).score("anything", [])
    assert scores.raw.shape == scores.probability.shape == (0,)


def test_empty_texts_and_strange_texts_have_scores(xlmr_folder: Path) -> None:
    scores = load(xlmr_folder).score("", ["", " ", "\x00", "🙂" * 2000, "一" * 3000])
    assert np.isfinite(scores.raw).all()
    assert scores.truncated == (4,)  # a run of a character that the vocabulary lacks is one unknown token


def test_fingerprint_follows_the_weights_not_the_place(xlmr_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(xlmr_folder, tmp_path / "elsewhere")
    first = load(xlmr_folder)
    assert load(tmp_path / "elsewhere").fingerprint == first.fingerprint
    assert load(xlmr_folder, max_tokens=64).fingerprint != first.fingerprint
    assert len(first.fingerprint) == 16


def test_limit_stays_within_the_position_table(xlmr_folder: Path) -> None:
    assert load(xlmr_folder, max_tokens=8192).max_tokens == 512


def test_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RerankerError, match="neither a folder nor a hub name"):
        load(tmp_path / "nowhere")


def test_a_causal_model_is_refused_with_the_way_out(llama_folder: Path) -> None:
    with pytest.raises(RerankerError, match=r"LlamaForCausalLM.*rerank.provider = 'llm'"):
        load(llama_folder)


def test_broken_weights_are_refused(xlmr_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(xlmr_folder, folder)
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(RerankerError, match="cannot be loaded"):
        load(folder)


def test_scores_that_are_no_numbers_are_refused(xlmr_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "nan"
    shutil.copytree(xlmr_folder, folder)
    weights = load_file(folder / "model.safetensors")
    weights["classifier.out_proj.bias"].fill_(float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RerankerError, match="returned nan for text 0"):
        load(folder).score(QUESTIONS[0], PASSAGES[:2])


def test_sigmoid_has_no_overflow() -> None:
    with np.errstate(all="raise", under="ignore"):
        values = sigmoid(np.array([-1000, -5, 0, 5, 1000], np.float32))
    np.testing.assert_allclose(values, [0, 0.0066929, 0.5, 0.9933071, 1], atol=1e-6)


def test_flag_embedding_reranker_as_llamaindex_users_write_it(xlmr_folder: Path) -> None:
    from rag.rerankers import FlagEmbeddingReranker

    reranker = FlagEmbeddingReranker(top_n=1, model=str(xlmr_folder), use_fp16=False)
    nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in ("a lamp", "a boat", "tea")]
    (best,) = reranker.postprocess_nodes(nodes, query_str="lamp")
    scores = reranker.score("lamp", ["a lamp", "a boat", "tea"])
    assert best.score == pytest.approx(float(scores.probability.max()))
