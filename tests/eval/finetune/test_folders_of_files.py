"""The files of two projects, as they are: a folder of LlamaIndex's JSON files, and one of MTEB's reranking rows.

From the folder to the tables, by the commands of the guide.
"""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from eval.cli.main import main
from tests.eval.finetune.harbour import SHIPS, documents, questions, tiny_bert

ENVIRON = {
    "RAG_PROFILE": "offline",
    "RAG_ENCODER_PROVIDER": "minilm",
    "RAG_ENCODER_DEVICE": "cpu",
    "RAG_RERANK_DEVICE": "cpu",
    "RAG_RERANK_DEPTH": "8",
}
TABLE = ("MAP", "MRR@10", "NDCG@10", "relative", "interval", "p")


def call(cache: Path, *arguments: object) -> Result:
    environ = {**ENVIRON, "RAG_EVAL_CACHE": str(cache)}
    return CliRunner(env=environ).invoke(main, [str(part) for part in arguments])


def text_of(note: str) -> str:
    title, text = documents()[note]
    return f"{title}. {text}"


def write_qa(path: Path, part: slice) -> None:
    """What EmbeddingQAFinetuneDataset.save_json writes."""
    asked = dict(list(questions().items())[part])
    content = {
        "queries": {name: text for name, (text, _) in asked.items()},
        "corpus": {name: text_of(name) for name in documents()},
        "relevant_docs": {name: [note] for name, (_, note) in asked.items()},
        "mode": "text",
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def write_lists(path: Path, part: slice) -> list[tuple[str, str, list[str]]]:
    """MTEB's rows: a question, its answer, the other notes on the ship."""
    rows = []
    for ship, (question, note) in list(zip(SHIPS, questions().values(), strict=True))[part]:
        others = [text_of(name) for name in documents() if name.startswith(f"{ship.lower()}-") and name != note]
        rows.append((question, text_of(note), others))
    lines = [json.dumps({"query": q, "positive": [p], "negative": n}) for q, p, n in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return rows


def test_a_folder_of_two_qa_files_trains_an_embedder_and_proves_it(tmp_path: Path, harbour_cache: Path) -> None:
    folder = tmp_path / "qa"
    folder.mkdir()
    write_qa(folder / "train_dataset.json", slice(0, 20))
    write_qa(folder / "val_dataset.json", slice(20, None))
    base = tiny_bert(tmp_path / "base")
    out = ("--base", base, "--out", tmp_path / "out", "--epochs", 1)
    result = call(harbour_cache, "finetune", "embedder", folder, *out)
    assert result.exit_code in (0, 4), result.output
    assert all(word in result.stdout for word in TABLE), result.stdout
    assert "10 held-out questions" in result.output  # those of the second file
    assert "there is no split 'test': the questions of 'dev' are the test" in result.stdout


def test_a_folder_of_reranking_rows_and_a_teacher_file_ranks_and_trains(tmp_path: Path, harbour_cache: Path) -> None:
    folder = tmp_path / "stack"
    folder.mkdir()
    rows = write_lists(folder / "validation.jsonl", slice(0, 20))
    write_lists(folder / "test.jsonl", slice(20, None))
    # Each negative lies as far below the answer as the teacher says: the shape of the reference's reranker rows.
    taught = [
        {"query": question, "positive": positive, "negative": negative, "score": 4.0 + place}
        for question, positive, negatives in rows
        for place, negative in enumerate(negatives)
    ]
    teacher = folder / "validation_kldiv_distill.jsonl"
    teacher.write_text("\n".join(map(json.dumps, taught)), encoding="utf-8")
    one, other = (tiny_bert(tmp_path / name, labels=1) for name in ("one", "other"))
    ranked = call(harbour_cache, "rerank", folder, "--models", one, other, "--out", tmp_path / "runs")
    assert ranked.exit_code == 0, ranked.output
    assert all(word in ranked.stdout for word in (*TABLE, "over")), ranked.stdout
    assert len(list((tmp_path / "runs").iterdir())) == 2 and teacher.name in ranked.stderr
    lists = ("--train-split", "validation", "--teacher", f"file:{teacher}", "--epochs", 1)
    result = call(harbour_cache, "finetune", "reranker", folder, "--base", one, "--out", tmp_path / "out", *lists)
    assert result.exit_code in (0, 4), result.output
    assert all(word in result.stdout for word in TABLE), result.stdout
    assert "10 held-out questions" in result.output
