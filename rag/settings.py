"""The whole settings tree: the sections of ``indexes.settings.sections`` and those of asking."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from indexes.settings.model import ConfigDict, Field
from indexes.settings.sections import IndexSettings, SectionModel


class RetrievalSettings(SectionModel):
    """From question to fused candidates.

    >>> RetrievalSettings(top_k=20).window
    3
    """

    top_k: int = Field(50, ge=1, description="candidates per leg (dense and sparse search); all are kept after fusion")
    top_n: int = Field(5, ge=1, description="passages in the prompt")
    window: int = Field(3, ge=0, le=50, description="sentences on each side of a hit that the answer reads")
    fusion: Literal["minmax", "rrf", "dense", "sparse"] = Field(
        "minmax", description="how the two legs are fused: by score (minmax), by rank (rrf), or one leg alone"
    )
    per_document: int = Field(
        0, ge=0, description="maximum sentences of a document that are reranked and become passages; 0: no limit"
    )
    dense_weight: float = Field(0.7, ge=0, description="weight of the dense leg in minmax fusion")
    sparse_weight: float = Field(0.3, ge=0, description="weight of the sparse leg in minmax fusion")
    score_both: bool = Field(True, description="minmax: score each leg's candidates with the other leg too")
    long_sparse: float = Field(
        0.0,
        ge=0,
        le=1,
        description="minmax: share that the sparse leg gains in questions of 16 terms or more; up to 8 terms: none",
    )
    long_near: float = Field(
        0.0,
        ge=0,
        le=1,
        description="minmax: weight that a candidate's best other one within ten sentences has in such questions, "
        "relative to its own score",
    )
    rrf_k: int = Field(60, ge=1, description="the constant of reciprocal rank fusion")
    rrf_dense_weight: float = Field(0.5, ge=0, description="weight of the dense leg in rrf fusion")
    rrf_sparse_weight: float = Field(0.5, ge=0, description="weight of the sparse leg in rrf fusion")
    ef: int | None = Field(
        None,
        ge=64,
        description="candidates that a search keeps in the collection's graph (HNSW); default: the fewest that find "
        "retrieval.recall",
    )
    recall: float = Field(
        0.98,
        ge=0,
        le=1,
        description="share of the 10 nearest that the graph must find, as measured on the collection with a filter and "
        "without; below it searches of that kind stay exact",
    )
    feedback: int = Field(
        0,
        ge=0,
        le=50,
        description="number of first hits whose vectors are added to the question's for a second search (Rocchio); "
        "0: none",
    )
    feedback_share: float = Field(
        1.0, ge=0, le=4, description="weight of the mean of those hits relative to the question"
    )
    translate: Literal["off", "auto"] = Field(
        "off",
        description="auto: if the collection also has text in the other language (Chinese or English), the "
        "language model translates the question, and both are searched",
    )
    phrasings: int = Field(
        0, ge=0, le=8, description="rephrasings of the question, by the language model, that are searched too; 0: none"
    )
    diversity: float = Field(
        0.0,
        ge=0,
        le=1,
        description="weight of dissimilarity to the passages already chosen (MMR); 0: none",
    )

    @property
    def fusing(self) -> dict[str, Any]:
        """Arguments of ``Collection.hybrid_search`` that fuse the legs."""
        ranks = self.fusion == "rrf"  # with 0.7 and 0.3 no sentence of the sparse leg alone would be among the first
        return {
            "method": self.fusion,
            "dense_weight": self.rrf_dense_weight if ranks else self.dense_weight,
            "sparse_weight": self.rrf_sparse_weight if ranks else self.sparse_weight,
            "score_both": self.score_both,
            "long_sparse": self.long_sparse,
            "long_near": self.long_near,
            "rrf_k": self.rrf_k,
            "ef": self.ef,
            "recall": self.recall,
        }


class HydeSettings(SectionModel):
    """HyDE: search with hypothetical documents that the language model writes (arXiv 2212.10496).

    >>> HydeSettings().mode, HydeSettings(mode="auto").documents
    ('off', 1)
    """

    mode: Literal["off", "on", "auto"] = Field(
        "off", description="off, on or auto; auto: only if the first retrieval looks weak"
    )
    documents: int = Field(1, ge=1, le=8, description="hypothetical documents per question")
    keep_question: bool = Field(True, description="include the question's own vector in the mean")
    weak_below: float | None = Field(
        None, description="auto: use HyDE if the best dense cosine is below this; default: if the two legs disagree"
    )
    max_tokens: int = Field(200, ge=16, description="maximum tokens of a hypothetical document")


class RerankSettings(SectionModel):
    """The reranker, which puts the fused candidates into a new order.

    >>> RerankSettings().model, RerankSettings().depth
    ('BAAI/bge-reranker-v2-m3', 50)
    """

    provider: Literal["none", "cross_encoder", "llm", "api"] = Field(
        "cross_encoder",
        description="cross_encoder (such as bge-reranker-v2-m3), llm (FlagEmbedding's LLM-based rerankers, "
        "Qwen3-Reranker), api (a server with the rerank API of vLLM, Jina or Cohere), none",
    )
    model: str = Field(
        "BAAI/bge-reranker-v2-m3", description="hub name, ModelScope name, folder, or the server's model name"
    )
    hub: Literal["huggingface", "modelscope"] = Field(
        "huggingface", description="hub from which a model name that is not a folder is downloaded"
    )
    trust_remote_code: bool = Field(False, description="run code from the model's folder; read that code first")
    device: str = Field("auto", description="device to run on: auto, cpu, cuda, cuda:1 or mps")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="auto: as for encoder.dtype")
    depth: int = Field(50, ge=1, description="fused candidates to rerank")
    weight: float = Field(
        1.0,
        ge=0,
        le=1,
        description="weight of the reranker's score against the fused score, each stretched to [0, 1] over the "
        "candidates; 1: the reranker alone",
    )
    scale: float | None = Field(
        None,
        gt=0,
        description="with weight below 1: divisor of the reranker's raw scores, instead of stretching them over the "
        "candidates",
    )
    read: Literal["window", "sentence"] = Field(
        "window", description="what the reranker reads of a candidate: its window, or only the sentence"
    )
    instruction: str = Field(
        "",
        description="task description for rerankers that take one (Qwen3-Reranker); default: the model's own",
    )
    max_tokens: int = Field(512, ge=16, description="maximum tokens of a question and passage pair")
    batch_tokens: int = Field(4096, ge=64, description="tokens per forward pass, padding included")
    template: Literal["none", "qwen3"] = Field(
        "none",
        description="api: template around questions and documents, for servers that do not add one",
    )
    base_url: str | None = Field(None, description="server address for api")
    api_key_env: str = Field("RAG_API_KEY", description="environment variable that holds the server's key")
    timeout: float = Field(60.0, gt=0, description="seconds to wait for the server")
    parallel: int = Field(16, ge=1, le=256, description="api: parallel requests, one per question")


class LLMSettings(SectionModel):
    """The model that writes the answer.

    >>> LLMSettings().model, LLMSettings(provider="none").provider
    ('qwen3:8b', 'none')
    """

    provider: Literal["ollama", "openai", "llama_cpp", "none"] = Field(
        "ollama",
        description="ollama, openai (any OpenAI-compatible server such as vLLM), llama_cpp (in process), none",
    )
    model: str = Field(
        "qwen3:8b",
        description="model name as the server lists it; for llama_cpp a GGUF file, a name that 'rag model list' shows, "
        "or auto (the best fetched one)",
    )
    base_url: str | None = Field(None, description="server address; ollama: OLLAMA_HOST, else http://127.0.0.1:11434")
    api_key_env: str = Field("RAG_API_KEY", description="environment variable that holds the server's key")
    timeout: float = Field(120.0, gt=0, description="seconds without a token before giving up; servers only")
    parallel: int | None = Field(
        None,
        ge=1,
        le=256,
        description="answers that the server writes in parallel, also for 'rag serve'; default: 32 for openai, "
        "OLLAMA_NUM_PARALLEL or 1 for ollama; llama_cpp writes one at a time",
    )
    context_window: int = Field(8192, ge=256, description="tokens of prompt and answer together (num_ctx)")
    max_tokens: int = Field(1024, ge=1, description="maximum tokens of an answer (num_predict)")
    temperature: float = Field(0.1, ge=0, description="sampling temperature; 0 is the most repeatable")
    thinking: bool = Field(False, description="let reasoning models think before they answer")
    keep_alive: str = Field("30m", description="ollama: how long the model stays loaded")
    threads: int | None = Field(
        None, ge=1, description="llama_cpp: processor threads; default: the number of idle processors"
    )
    languages: tuple[Literal["en", "zh"], ...] = Field(
        ("en", "zh"), min_length=1, description="languages the model can answer in"
    )


class AnswerSettings(SectionModel):
    """From passages to the cited answer.

    >>> AnswerSettings(routing=True).routing, AnswerSettings().routing
    ('general', 'off')
    """

    language: Literal["auto", "en", "zh"] = Field("auto", description="prompt language; auto follows the question")
    response_mode: Literal[
        "compact",
        "refine",
        "tree_summarize",
        "simple_summarize",
        "accumulate",
        "compact_accumulate",
        "generation",
        "context_only",
        "no_text",
    ] = Field(
        "compact",
        description="LlamaIndex response mode; generation asks the model without documents, context_only returns the "
        "passages, no_text returns no text",
    )
    repack: Literal["forward", "reverse", "sides"] = Field(
        "reverse", description="order of passages in the prompt; reverse puts the best last"
    )
    layout: Literal["auto", "rules", "plain", "both"] = Field(
        "auto",
        description="prompt: rules (a list of rules first), plain (passages, then the question), both (the question "
        "before and after the passages); auto: plain for models of up to 4 billion parameters",
    )
    prompt_file: Path | None = Field(None, description="TOML file with your own prompts, in tables en and zh")
    context_tokens: int | None = Field(
        None, ge=32, description="maximum tokens of the passages in the prompt; default: what the context window leaves"
    )
    tables: Literal["markdown", "records"] = Field(
        "records", description="rows of tables in the prompt: as Markdown, or as records of column: value"
    )
    refusal: Literal["auto", "signals", "model"] = Field(
        "auto",
        description="what decides that the passages do not answer the question: signals (several, combined) or model "
        "(its own words); auto: signals for models for which they are fitted",
    )
    refusal_file: Path | None = Field(
        None, description="fitted signals of your own model, written by 'rag-eval calibrate --answers'"
    )
    abstain_below: float | None = Field(
        None, description="best score below which the answer is 'not in these documents'"
    )
    abstain_fingerprint: str | None = Field(
        None, description="models that abstain_below was calibrated for; 'rag-eval calibrate' writes both"
    )
    routing: Literal["off", "smalltalk", "general"] = Field(
        "off",
        description="messages answered without the documents: smalltalk (greetings and thanks, by rules), general "
        "(also those that the model says need none); true is general, false is off",
    )
    unsupported: Literal["mark", "drop", "extract"] = Field(
        "mark",
        description="sentences that no passage supports: mark or drop them, or answer with the documents' own "
        "sentences (extract)",
    )
    extractive_sentences: int = Field(3, ge=1, description="maximum sentences of an answer without an LLM")
    support_threshold: float = Field(
        0.5, ge=0, le=1, description="share of a sentence's terms that a passage must hold to support it"
    )
    memory_tokens: int = Field(3000, ge=256, description="tokens of the conversation that a chat keeps")

    @classmethod
    def prepared(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Read true and false, as in earlier settings."""
        if "routing" in values:
            words = {"true": "general", "false": "off"}
            routing = values["routing"]
            values["routing"] = words.get(str(routing).lower(), routing)
        return values


class ServeSettings(SectionModel):
    """``rag serve``: where it listens, who has access, what it shows. Keys are not stored here: see ``rag key``.

    >>> ServeSettings().host, ServeSettings().port, ServeSettings().unsupported
    ('127.0.0.1', 8321, 'drop')
    """

    host: str = Field("127.0.0.1", description="address to listen on; any address but this machine's requires a key")
    port: int = Field(8321, ge=0, le=65535, description="port to listen on")
    collections: tuple[str, ...] = Field((), description="collections to serve; empty: all of the store")
    hosts: tuple[str, ...] = Field((), description="further names allowed in the Host header on a loopback address")
    origins: tuple[str, ...] = Field((), description="web origins that a browser may call the API from (CORS)")
    metrics_open: bool = Field(False, description="serve /metrics without a key")
    trace_content: bool = Field(False, description="write questions, passages and answers into OpenTelemetry spans")
    sources_in_text: bool = Field(
        False, description="append the cited sources to a chat completion, for clients that do not show sources"
    )
    unsupported: Literal["mark", "drop", "extract"] = Field(
        "drop", description="answer.unsupported for the server, which cannot take back what it has sent"
    )
    downloads: bool = Field(False, description="offer the original files on the page")
    runs: Path = Field(Path("runs"), description="folder of the evaluation runs that the page shows")
    feedback: bool = Field(False, description="keep users' feedback on answers, beside the store")
    dify_seconds: float = Field(
        4.5, gt=0, description="deadline of Dify's /retrieval in seconds; Dify gives up after 5"
    )
    dify_hyde: bool = Field(False, description="use HyDE in Dify's /retrieval as hyde.mode says, within its deadline")
    search_seconds: float = Field(10.0, gt=0, description="deadline of a search in seconds")
    first_word_seconds: float = Field(120.0, gt=0, description="deadline of an answer's first word in seconds")
    answer_seconds: float = Field(300.0, gt=0, description="deadline of a whole answer in seconds")
    drain_seconds: float = Field(30.0, ge=0, description="seconds for running requests when the server stops")
    upload_mb: int = Field(64, ge=1, description="maximum size of an uploaded file in MB")
    mcp_search_description: str | None = Field(
        None, description="description of the MCP tool search, by which a model decides when to call it"
    )


class Settings(IndexSettings):
    """The whole tree; ``rag config`` prints it with the origin of each value.

    >>> settings = Settings.model_validate({"retrieval": {"top_n": 3}})
    >>> settings.retrieval.top_n, settings.rerank.model
    (3, 'BAAI/bge-reranker-v2-m3')
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    collection: str = Field("default", description="collection to build and ask")
    profile: str = Field("default", description="default, offline, vllm, or one of your own in rag.toml")
    retrieval: RetrievalSettings = RetrievalSettings()
    hyde: HydeSettings = HydeSettings()
    rerank: RerankSettings = RerankSettings()
    llm: LLMSettings = LLMSettings()
    answer: AnswerSettings = AnswerSettings()
    serve: ServeSettings = ServeSettings()


def load_settings(path: Path | str | None = None, profile: str | None = None, **arguments: object) -> Settings:
    """Load the settings from profile, rag.toml, ``RAG_*`` variables and ``arguments``; later layers win.

    ``indexes.settings.loader.load`` says where files are looked for.

    >>> load_settings(profile="offline", retrieval={"top_n": 3}).retrieval.top_n
    3
    >>> load_settings(**{"llm.model": "qwen3:4b"}).llm.model
    'qwen3:4b'

    Args:
        path: a settings file; default: rag.toml of this folder.
        profile: name of a profile.
        arguments: sections or dotted names.

    Raises:
        SettingsError: an unknown name or an unusable value, with its place and the closest known name.
    """
    from indexes.settings.loader import load

    return load(Settings, path=path, profile=profile, arguments=arguments).settings
