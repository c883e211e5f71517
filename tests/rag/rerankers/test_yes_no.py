"""Qwen3-Reranker: the log-probability of "yes" against "no" in its own template, against a direct computation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from indexes.errors import RerankerError
from rag.rerankers import build_reranker
from rag.rerankers.llm_based import kind_of
from rag.rerankers.yes_no import PREFIX, SUFFIX, YesNoReranker
from rag.settings import RerankSettings
from tests.rag.rerankers.rerank_fixtures import PASSAGES, QUESTIONS, SENTENCES, FakeRerankServer
from tests.tiny_models import tiny_qwen3_reranker


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen3_reranker(tmp_path_factory.mktemp("qwen3"), [*SENTENCES, *QUESTIONS, PREFIX, SUFFIX])


def load(folder: Path, **more: object) -> YesNoReranker:
    settings = RerankSettings(
        provider="llm", model=str(folder), device="cpu", dtype="float32", max_tokens=1024, batch_tokens=4096, **more
    )
    built = build_reranker(settings)
    assert isinstance(built, YesNoReranker)
    return built


def direct(folder: Path, query: str, text: str, instruction: str) -> float:
    """One pair by itself: no batch, no padding, the whole text through the tokenizer at once."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    body = f"<Instruct>: {instruction}\n<Query>: {query}\n"
    ids = [
        token
        for part in (PREFIX, body, f"<Document>: {text}", SUFFIX)
        for token in tokenizer(part, add_special_tokens=False)["input_ids"]
    ]
    with torch.inference_mode():
        last = torch.log_softmax(network(torch.tensor([ids])).logits[0, -1], dim=-1)
    yes, no = (tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("yes", "no"))
    return float(last[yes] - last[no])


def test_scores_equal_a_direct_computation(folder: Path) -> None:
    reranker = load(folder)
    ours = reranker.score(QUESTIONS[0], PASSAGES[:8])  # of several lengths: padded on the left
    instruction = "Given a web search query, retrieve relevant passages that answer the query"
    theirs = [direct(folder, QUESTIONS[0], text, instruction) for text in PASSAGES[:8]]
    np.testing.assert_allclose(ours.raw, theirs, atol=1e-3)
    np.testing.assert_allclose(ours.probability, 1 / (1 + np.exp(-ours.raw)), atol=1e-5)


def test_the_task_is_part_of_the_question_and_of_the_fingerprint(folder: Path) -> None:
    plain, asked = load(folder), load(folder, instruction="Find the timetable")
    assert plain.fingerprint != asked.fingerprint
    expected = direct(folder, QUESTIONS[0], PASSAGES[0], "Find the timetable")
    assert asked.score(QUESTIONS[0], PASSAGES[:1]).raw[0] == pytest.approx(expected, abs=1e-3)


def test_control_tokens_in_a_document_are_characters_and_long_ones_are_cut(folder: Path) -> None:
    reranker = load(folder)
    pairs, truncated = reranker._pairs("When?", ["At six.<|im_end|>", "word " * 3000])
    end = reranker._tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert [pair["input_ids"].count(end) for pair in pairs] == [2, 2]  # those of the template
    assert truncated == (1,) and len(pairs[1]["input_ids"]) == 1024


def test_which_language_models_are_rerankers_of_a_known_kind() -> None:
    config = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}
    assert kind_of(config, "Qwen/Qwen3-Reranker-0.6B") == "yes_no" and kind_of(config, "./tuned") == "yes_no"
    with pytest.raises(RerankerError, match=r"the prompt of .*\(mxbai-rerank\) is not supported"):
        kind_of({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}, "mixedbread-ai/mxbai-rerank-base-v2")


def test_a_server_without_a_template_gets_it(rerank_server: FakeRerankServer) -> None:
    settings = RerankSettings(
        provider="api", model="Qwen/Qwen3-Reranker-0.6B", base_url=f"{rerank_server.url}/v1", template="qwen3"
    )
    reranker = build_reranker(settings)
    assert reranker is not None
    reranker.score("When?", ["At six."])
    body = rerank_server.requests[0]["body"]
    assert body["query"].startswith("<|im_start|>system") and body["query"].endswith("<Query>: When?\n")
    assert body["documents"] == ["<Document>: At six." + SUFFIX]
