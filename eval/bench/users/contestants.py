"""One contestant of the race ``peers``, in a separate process: build a collection, or answer questions from it.

    python -m eval.bench.users.contestants NAME build|ask|cold FOLDER

``FOLDER/data.json`` has the documents, the questions and the folder of the embedding model, which all contestants use.
Each follows the first page of its own documentation, with hybrid search if it has one.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEPTH = 50  # number of hits
Hits = list[tuple[str, float]]  # (document, score)
Ask = Callable[[str], Hits]


class RagWright:
    """Sentences, both legs, windows: the default path."""

    def __init__(self, folder: Path, model: str) -> None:
        from rag import load_settings

        given: dict[str, Any] = {"encoder.provider": "minilm", "encoder.model": "minilm"}
        given |= {"store.path": str(folder / "store"), "rerank.provider": "none"}
        self.settings = load_settings(profile="offline", **given)

    def build(self, documents: dict[str, str]) -> None:
        from llama_index.core import Document

        from indexes import build_index

        build_index([Document(text=text, id_=name) for name, text in documents.items()], settings=self.settings).close()

    def open(self) -> Ask:
        from indexes import open_index
        from rag.assembly import build_search

        search = build_search(open_index(settings=self.settings), self.settings)

        def ask(question: str) -> Hits:
            found = search.search(question)
            found.windows.fetch([one.id for one in found.candidates[:10]])
            return [(one.record.doc_id, one.score) for one in found.candidates]

        return ask


class LlamaIndexRecipe:
    """SentenceWindowNodeParser, HuggingFaceEmbedding, the default vector store: dense search alone."""

    def __init__(self, folder: Path, model: str) -> None:
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        self.folder, self.embedding = folder / "llama", HuggingFaceEmbedding(model_name=model, device="cpu")

    def build(self, documents: dict[str, str]) -> None:
        from llama_index.core import Document, VectorStoreIndex
        from llama_index.core.node_parser import SentenceWindowNodeParser

        parser = SentenceWindowNodeParser.from_defaults(window_size=3)
        nodes = parser.get_nodes_from_documents([Document(text=t, id_=name) for name, t in documents.items()])
        index = VectorStoreIndex(nodes, embed_model=self.embedding)
        index.storage_context.persist(str(self.folder))

    def open(self) -> Ask:
        from llama_index.core import StorageContext, load_index_from_storage

        context = StorageContext.from_defaults(persist_dir=str(self.folder))
        retriever = load_index_from_storage(context, embed_model=self.embedding).as_retriever(similarity_top_k=DEPTH)
        return lambda question: [
            (str(one.node.ref_doc_id), float(one.score or 0.0)) for one in retriever.retrieve(question)
        ]


class Txtai:
    """Embeddings with hybrid=True, one item per document."""

    def __init__(self, folder: Path, model: str) -> None:
        from txtai import Embeddings

        self.folder = str(folder / "txtai")
        self.embeddings = Embeddings(path=model, hybrid=True, gpu=False)

    def build(self, documents: dict[str, str]) -> None:
        self.embeddings.index((name, text, None) for name, text in documents.items())
        self.embeddings.save(self.folder)

    def open(self) -> Ask:
        self.embeddings.load(self.folder)
        return lambda question: [(str(name), float(score)) for name, score in self.embeddings.search(question, DEPTH)]


class LanceDB:
    """A table with vectors and a full-text index, searched with query_type="hybrid"."""

    def __init__(self, folder: Path, model: str) -> None:
        import lancedb
        from sentence_transformers import SentenceTransformer

        self.db, self.model = lancedb.connect(folder / "lance"), SentenceTransformer(model, device="cpu")

    def build(self, documents: dict[str, str]) -> None:
        vectors = self.model.encode(list(documents.values()), normalize_embeddings=True)
        rows = [
            {"id": name, "text": text, "vector": vector}
            for (name, text), vector in zip(documents.items(), vectors, strict=True)
        ]
        self.db.create_table("documents", rows).create_fts_index("text")

    def open(self) -> Ask:
        table = self.db.open_table("documents")

        def ask(question: str) -> Hits:
            vector = self.model.encode(question, normalize_embeddings=True)
            rows = table.search(query_type="hybrid").vector(vector).text(question).limit(DEPTH).to_list()
            return [(row["id"], float(row["_relevance_score"])) for row in rows]

        return ask


class Chroma:
    """A persistent collection with SentenceTransformerEmbeddingFunction: dense search alone."""

    def __init__(self, folder: Path, model: str) -> None:
        import chromadb
        from chromadb.utils.embedding_functions import SentenceTransformerEmbeddingFunction

        made = SentenceTransformerEmbeddingFunction(model_name=model, device="cpu", normalize_embeddings=True)
        client = chromadb.PersistentClient(str(folder / "chroma"))
        self.collection = client.get_or_create_collection("documents", embedding_function=made)  # type: ignore[arg-type]

    def build(self, documents: dict[str, str]) -> None:
        names = list(documents)
        for start in range(0, len(names), 1000):
            part = names[start : start + 1000]
            self.collection.add(ids=part, documents=[documents[name] for name in part])

    def open(self) -> Ask:
        def ask(question: str) -> Hits:
            found: dict[str, Any] = self.collection.query(query_texts=[question], n_results=DEPTH)  # type: ignore[assignment]
            return [(name, -far) for name, far in zip(found["ids"][0], found["distances"][0], strict=True)]

        return ask


CONTESTANTS: dict[str, Any] = {
    "ragwright": RagWright,
    "llama-index": LlamaIndexRecipe,
    "txtai": Txtai,
    "lancedb": LanceDB,
    "chromadb": Chroma,
}


def main(name: str, action: str, place: str) -> None:
    """Let a contestant build its collection or answer the questions."""
    folder = Path(place)
    data = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    contestant = CONTESTANTS[name](folder, data["model"])
    if action == "build":
        contestant.build(data["documents"])
        return
    ask: Ask = contestant.open()
    questions = dict(list(data["questions"].items())[: 1 if action == "cold" else None])
    if action == "ask":
        ask("a first question warms everything up")
    times, results = [], {}
    for number, question in questions.items():
        start = time.process_time()
        hits = ask(question)
        times.append(1000 * (time.process_time() - start))
        best: dict[str, float] = {}
        for document, score in hits:
            best[document] = max(score, best.get(document, score))
        results[number] = list(best.items())
    sys.stdout.write("\n" + json.dumps({"ms": times, "results": results}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
