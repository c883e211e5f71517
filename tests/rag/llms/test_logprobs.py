"""Log-probabilities as three servers send them."""

from __future__ import annotations

import json
import math

from llama_index.core.base.llms.types import ChatMessage

from rag.llms import build_llm
from rag.llms.llama_cpp import LlamaCpp
from rag.llms.logprobs import logprob_options, mean_logprob, read_logprobs
from rag.settings import LLMSettings
from tests.rag.llms.fake_llm_servers import FakeOllama

ASK = [ChatMessage(role="user", content="What is the capital of France? Answer in one word.")]


def test_llama_cpp_gives_them_streamed_and_whole(smollm2: LlamaCpp) -> None:
    tokens = [
        token for piece in smollm2.stream_chat(ASK, **logprob_options(smollm2)) for token in read_logprobs(piece.raw)
    ]
    assert "Paris" in "".join(token.token for token in tokens)
    mean = mean_logprob(tokens)
    assert mean is not None and -3 < mean < 0
    first = read_logprobs(smollm2.chat(ASK, max_tokens=1, **logprob_options(smollm2, 5)).raw)[0]
    assert len(first.top) == 5 and sum(math.exp(value) for _, value in first.top) <= 1.001


def test_ollama_is_asked_for_them_only_where_they_are_wanted(ollama: FakeOllama) -> None:
    token = {"token": "Paris", "logprob": -0.25, "top_logprobs": [{"token": "Paris", "logprob": -0.25}]}
    line = {"model": "m", "message": {"role": "assistant", "content": "Paris"}, "done": True, "logprobs": [token]}
    ollama.reply = lambda handler, body: (
        handler.stream([json.dumps(line)], "application/x-ndjson") if body["stream"] else handler.send(200, line)
    )
    llm = build_llm(LLMSettings(model="m", base_url=ollama.url))
    assert llm is not None
    streamed = list(llm.stream_chat(ASK, **logprob_options(llm, 3)))
    whole = llm.chat(ASK, **logprob_options(llm))
    llm.chat(ASK)
    asked = [(request["body"].get("logprobs"), request["body"].get("top_logprobs")) for request in ollama.requests]
    assert asked == [(True, 3), (True, 1), (None, None)]
    for response in (streamed[-1], whole):
        (found,) = read_logprobs(response.raw)
        assert (found.token, found.logprob, found.top) == ("Paris", -0.25, (("Paris", -0.25),))


def test_models_that_give_none() -> None:
    from llama_index.core.llms import MockLLM

    assert logprob_options(MockLLM()) == {}
    assert read_logprobs(None) == [] and read_logprobs({}) == [] and mean_logprob([]) is None
