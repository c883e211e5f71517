"""Recipes: shown, changeable, and run end to end by the commands: KL divergence, MarginMSE, accumulated gradients."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from eval.cli.main import main
from eval.datasets import load_dataset
from eval.finetune.embedder.options import EmbedderOptions
from eval.finetune.embedder.rows import pair_columns
from eval.finetune.lessons.training_set import Example, TrainingSet
from eval.finetune.reranker.options import RerankerOptions
from eval.finetune.training.recipes import RECIPES, described, recipe_options, recipes_of
from indexes.errors import SettingsError
from tests.eval.finetune.embedder.harbour import tiny_encoder
from tests.eval.finetune.embedder.harbour import write_harbour as write_notes
from tests.eval.finetune.harbour import tiny_bert, write_harbour

KINDS: tuple[type[Any], ...] = (EmbedderOptions, RerankerOptions)
ENVIRON = {
    "RAG_PROFILE": "offline",
    "RAG_ENCODER_PROVIDER": "minilm",
    "RAG_ENCODER_DEVICE": "cpu",
    "RAG_RERANK_DEVICE": "cpu",
    "RAG_RERANK_DEPTH": "12",
}


def call(*arguments: object) -> Result:
    return CliRunner(env=ENVIRON).invoke(main, ["finetune", *map(str, arguments)])


def begun_with(out: Path) -> dict[str, Any]:
    settings = json.loads((out / "run.json").read_text())["settings"]
    return {**settings, **settings.get("options", {})}


def test_every_recipe_names_options_that_there_are_and_what_they_become() -> None:
    assert {name for kind in KINDS for name in recipes_of(kind)} == set(RECIPES)
    for kind in KINDS:
        for name, recipe in recipes_of(kind).items():
            assert recipe.values.keys() <= {one.name for one in fields(kind)}
            options = recipe_options(kind, name)
            assert all(getattr(options, field) == value for field, value in recipe.values.items())
            assert f"recipe {name}" in described(name, options) and "otherwise" not in described(name, options)
    text = described("kanhaoning-reranker", recipe_options(RerankerOptions, "kanhaoning-reranker", batch=2))
    assert "--no-residual" in text and "--raw-scores" in text and "--accumulate 32" in text
    assert text.endswith("overridden: --batch 2")
    with pytest.raises(SettingsError, match="unknown recipe 'kanhaoning-reranker' for EmbedderOptions"):
        recipe_options(EmbedderOptions, "kanhaoning-reranker")


def test_kl_distillation_by_the_command(tmp_path: Path) -> None:
    """The reference's embedder: its shape of teacher file, an option set otherwise, the rest as the recipe has it."""
    notes, base = write_notes(tmp_path / "notes"), tiny_encoder(tmp_path / "tiny")
    read = load_dataset(notes, "train")
    texts = {name: passage.content for name, passage in read.corpus.items()}
    rows = [
        {"query": question, "positive": texts[answer], "negative": text, "label": [9.0, 1.0 + place % 3]}
        for query, question in read.queries.items()
        for answer in read.relevant(query)
        for place, (name, text) in enumerate(texts.items())
        if name != answer
    ]
    teacher = tmp_path / "train_distill.jsonl"
    teacher.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    out = tmp_path / "out"
    given = ("embedder", notes, "--recipe", "kanhaoning-embedder", "--base", base, "--out", out)
    refused = call(*given)
    assert refused.exit_code == 2 and "needs a teacher's scores" in refused.stderr
    result = call(*given, "--teacher", f"file:{teacher}", "--accumulate", 4, "--cache", tmp_path / "cache")
    assert result.exit_code in (0, 4), result.output
    assert "recipe kanhaoning-embedder" in result.stderr and "--loss kl" in result.stderr
    assert "overridden: --accumulate 4" in result.stderr
    assert "MAP" in result.stdout and "MRR@10" in result.stdout and "among the first five (Hit@5)" in result.stdout
    used = begun_with(out)
    assert used["loss"] == "kl" and used["lr"] == 6e-5 and used["accumulate"] == 4
    steps = max(int(row.split(",")[0]) for row in (out / "loss.csv").read_text().splitlines()[1:])
    pairs = sum(len(row["negatives"]) for row in map(json.loads, (out / "mined.jsonl").open()) if "negatives" in row)
    assert steps == -(-pairs // (16 * 4))  # every positive with every negative, 16 rows in 4 batches a step


def test_margin_mse_by_the_command(tmp_path: Path, harbour_cache: Path) -> None:
    harbour, base = write_harbour(tmp_path / "harbour"), tiny_bert(tmp_path / "base", labels=1)
    teacher = tiny_bert(tmp_path / "teacher", labels=1)
    given = ("reranker", harbour, "--recipe", "kanhaoning-reranker", "--base", base, "--out", tmp_path / "out")
    result = call(*given, "--teacher", f"cross_encoder:{teacher}", "--batch", 4, "--cache", harbour_cache)
    assert result.exit_code in (0, 4), result.output
    assert "overridden: --batch 4" in result.stderr and "--max-tokens 4096" in result.stderr
    assert "MAP" in result.stdout and "NDCG@10" in result.stdout
    used = begun_with(tmp_path / "out")
    assert used["loss"] == "margin_mse" and used["raw_scores"] and used["bonus"] == 0 and used["weight"] == 1.0
    logged = [row.split(",")[2] for row in (tmp_path / "out/loss.csv").read_text().splitlines()[1:]]
    assert any(float(loss) > 0 for loss in logged if loss)


def test_the_recipes_base_is_used_where_none_is_named(tmp_path: Path) -> None:
    missing = call("embedder", tmp_path, "--recipe", "kanhaoning-embedder", "--out", tmp_path / "out")
    assert missing.exit_code == 2 and "Missing option '--base'" in missing.stderr
    offline = CliRunner(env={**ENVIRON, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")})
    result = offline.invoke(
        main, ["finetune", "embedder", str(tmp_path), "--recipe", "chaoql-embedder", "--out", str(tmp_path / "out")]
    )
    assert result.exit_code != 0 and "BAAI/bge-large-en-v1.5" in result.stderr
    assert "--batch 10" in result.stderr and "--negatives 0" in result.stderr


def test_every_positive_stands_with_every_negative_and_both_their_scores() -> None:
    texts = {"a": "one", "b": "two", "c": "three", "d": "one", "e": "four"}
    training = TrainingSet([Example("q", "which?", ("a", "b"), ("c", "d", "e"))], texts)
    rows = pair_columns(training, {"q": {"a": 5.0, "b": 4.0, "c": 1.0, "d": 3.0}}, most=8)
    assert rows["positive"] == ["one", "two"] and rows["negative_1"] == ["three", "three"]  # d says what a says
    assert rows["label"] == [[5.0, 1.0], [4.0, 1.0]]


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(SettingsError, match="the loss 'kl' needs a teacher's scores"):
        EmbedderOptions(loss="kl").check(with_teacher=False)
    with pytest.raises(SettingsError, match="--mini-batch 8 and --accumulate"):
        EmbedderOptions(mini_batch=8, accumulate=2).check(with_teacher=False)
    with pytest.raises(SettingsError, match="--raw-scores"):
        RerankerOptions(raw_scores=True).with_defaults(with_teacher=False)


def test_the_loss_is_the_librarys_own_over_cosines(tmp_path: Path) -> None:
    from eval.finetune.embedder.losses import losses_of

    options = recipe_options(EmbedderOptions, "kanhaoning-embedder")
    loss = losses_of(None, {"document": {"label": [[1.0, 0.0]]}}, options)["document"]
    rows = [torch.tensor([[3.0, 0.0]]), torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]])]
    student = torch.log_softmax(torch.tensor([[1.0, 0.0]]) / 2, 1)
    teacher = torch.softmax(torch.tensor([[6.0, 2.0]]) / 2, 1)
    expected = 4 * torch.nn.functional.kl_div(student, teacher, reduction="batchmean")
    assert loss.compute_loss_from_embeddings(rows, torch.tensor([[6.0, 2.0]])).item() == pytest.approx(expected.item())
