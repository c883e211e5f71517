"""Refusals of small models: the signals, their sum, and what an engine does with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.llms import MockLLM

from indexes.errors import SettingsError
from indexes.nodes.record import SentenceRecord
from rag.answer.prompt.templates import AnswerPrompts
from rag.answer.refusal.fitted import FITTED
from rag.answer.refusal.refusing import Written, decide, signals_of
from rag.answer.refusal.signals import RefusalModel, log_odds, read_refusal_file, refusal_model, share_in_passages
from rag.llms.llama_cpp import LlamaCpp
from rag.llms.logprobs import logprob_options
from rag.retrieval.candidate import Passage
from rag.settings import AnswerSettings, LLMSettings, Settings
from rag.ways import BLOCKING, in_step, run_now

MODEL = RefusalModel(
    weights={"allowed": 0.5, "logprob": -2.0, "support": -3.0, "asked": -1.0},
    means={"allowed": -2.0, "logprob": -0.4, "support": 0.7, "asked": 0.6},
    bias=0.0,
    bound=0.6,
)
PASSAGES = [Passage(1, [SentenceRecord("d", 0, "The notice period is three months.")], [], 1.0)]


def settings(model: str = "qwen3:8b", **answer: Any) -> Settings:
    return Settings(llm=LLMSettings(model=model), answer=AnswerSettings.model_validate(answer))


def test_signals_are_weighed_together_and_a_missing_one_is_average() -> None:
    sure = MODEL.weigh({"allowed": -6.0, "logprob": -0.1, "support": 1.0, "asked": 0.8})
    assert not sure.refused and sure.probability < 0.1
    invented = MODEL.weigh({"allowed": 2.0, "logprob": -0.9, "support": 0.0, "asked": 0.5})
    assert invented.refused and invented.decided_by == "support"
    assert MODEL.weigh({"allowed": None, "logprob": None}).probability == pytest.approx(0.5)


def test_the_trace_says_which_signal_decided() -> None:
    signals = {"allowed": 5.0, "logprob": -0.4, "support": 0.7, "asked": 0.6}
    found = decide(MODEL, Written("Ann Lee."), signals, "en")
    assert (found["refused"], found["decided_by"], found["why"]) == (True, "allowed", "the model refuses when it may")
    assert found["text"] == "Ann Lee." and found["signals"] == signals
    itself = decide(None, Written("The passages do not mention it."), {}, "en")
    assert (itself["refused"], itself["decided_by"]) == (True, "itself")


def test_shares() -> None:
    def share(text: str, question: str = "") -> float | None:
        return share_in_passages(text, PASSAGES, question)

    assert share("The notice period is three months.") == 1.0
    assert share("Ann Lee leads finance.") == 0.0
    assert share("The notice period is 4 months.") == 0.0
    assert share("The notice period of 2024 is three months.", "How long is it in 2024?") == pytest.approx(2 / 3)
    assert share("...") is None
    assert share("通知期是三个月。") is None  # a Chinese answer from an English passage
    assert share("3") is not None
    both = [*PASSAGES, Passage(2, [SentenceRecord("d", 1, "茶馆每天上午十点开门。")], [], 1.0)]
    assert (
        share_in_passages("The tea house opens at 10 every morning.", both, "") is None
    )  # the Chinese passage may say it
    assert share_in_passages("The notice period is three months.", both, "") == 1.0
    assert (log_odds(0.5), log_odds(0.0), log_odds(1.0)) == (0.0, -6.0, 6.0)


def test_which_models_have_fitted_signals(tmp_path: Path) -> None:
    assert refusal_model(settings("qwen3:8b")) is None
    with pytest.raises(SettingsError, match="none are fitted for the model 'qwen3:8b'"):
        refusal_model(settings("qwen3:8b", refusal="signals"))
    for name in FITTED:
        assert refusal_model(settings(f"models/{name}-instruct-q4_k_m.gguf")) is not None
        assert refusal_model(settings(name, refusal="model")) is None
    file = tmp_path / "refusal.json"
    file.write_text(json.dumps(MODEL.as_dict()), encoding="utf-8")
    assert refusal_model(settings("qwen3:8b", refusal_file=file)) == MODEL
    file.write_text('{"weights": {"nonsense": 1}, "means": {}, "bias": 0, "bound": 0.5}', encoding="utf-8")
    with pytest.raises(SettingsError, match="cannot be used"):
        read_refusal_file(file)


@pytest.mark.slow
def test_a_real_model_gives_all_signals_over_one_prefix(smollm2: LlamaCpp) -> None:
    messages = AnswerPrompts(settings("x-0.1b")).messages("How long is the notice period?", PASSAGES, "en")
    written = Written()
    stream = BLOCKING.stream(smollm2, messages, **logprob_options(smollm2))
    text = "".join(in_step(written.read(stream, lambda response: None)))
    assert text == written.text and written.tokens
    found = run_now(signals_of(BLOCKING, smollm2, messages, written, "How long is the notice period?", PASSAGES, "en"))
    assert set(found) == {"allowed", "logprob", "support", "asked", "near"} and found.pop("near") is None
    assert all(value is not None for value in found.values())


def test_a_model_without_log_probabilities_is_read_by_its_words() -> None:
    class Refuses(MockLLM):
        def chat(self, messages: Any, **kwargs: Any) -> Any:
            reply = super().chat(messages, **kwargs)
            reply.message.content = "Not in these documents."
            return reply

    messages = AnswerPrompts(settings("x-1b")).messages("Who?", PASSAGES, "en")
    found = run_now(signals_of(BLOCKING, Refuses(), messages, Written("Ann"), "Who?", PASSAGES, "en"))
    assert found["logprob"] is None and (found["allowed"] or 0) > 2
