"""Averaged weights, the curve over weights and its choice, the whole command, and the card beside the weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from eval.cli.commands.finetune.merge import command
from eval.datasets import CorpusPassage, Dataset
from eval.finetune.merge.options import shares
from eval.finetune.merge.pair import kind_of, model_of
from eval.finetune.proof.card import flat, licence_of, without_secrets
from eval.finetune.weights.average import weight_files
from eval.finetune.weights.curve import Curve, Point, choose_weight, merge_curve, merge_folders, sample
from eval.measure.runs import Run
from indexes.errors import SettingsError, SourceError
from tests.eval.finetune.harbour import tiny_bert, write_harbour


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A base, and a "tuned" copy of it with other values."""
    import torch
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("models")
    base = tiny_bert(folder / "base")
    tuned = shutil.copytree(base, folder / "tuned")
    torch.manual_seed(1)
    values = {
        name: value + 0.3 * torch.randn_like(value) for name, value in load_file(base / "model.safetensors").items()
    }
    save_file(values, tuned / "model.safetensors", metadata={"format": "pt"})
    (base / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\n# base\n", encoding="utf-8")
    (tuned / "README.md").write_text("the trainer's", encoding="utf-8")
    (tuned / "onnx").mkdir()
    (tuned / "onnx" / "model.onnx").write_bytes(b"stale")
    return base, tuned


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_every_tensor_is_the_weighted_mean_and_the_folder_loads(
    models: tuple[Path, Path], tmp_path: Path, weight: float
) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    base, tuned = models
    out = merge_folders(base, tuned, weight, tmp_path / "out")
    old, new, found = (load_file(folder / "model.safetensors") for folder in (base, tuned, out))
    assert set(found) == set(new)
    for name, value in found.items():
        torch.testing.assert_close(value, (1 - weight) * old[name] + weight * new[name], rtol=1e-6, atol=1e-7)
        assert value.dtype == new[name].dtype
    tokens = AutoTokenizer.from_pretrained(out)("the ship", return_tensors="pt")
    assert AutoModel.from_pretrained(out)(**tokens).last_hidden_state.isfinite().all()
    assert not (out / "README.md").exists() and not (out / "onnx").exists()  # they told of the tuned weights
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_shards_number_formats_modules_heads_and_prefixes(models: tuple[Path, Path], tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    base, tuned = shutil.copytree(models[0], tmp_path / "base"), shutil.copytree(models[1], tmp_path / "tuned")
    values = load_file(base / "model.safetensors")
    names = sorted(values)
    # The base in two files, its names with a prefix; the tuned one in bfloat16, with a counter that is not a weight.
    (base / "model.safetensors").unlink()
    old = {n: n.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta") for n in names}  # as in 2018
    assert sum(old[n] != n for n in names[:5]) == 2
    save_file({f"bert.{old[n]}": values[n] for n in names[:5]}, base / "model-00001-of-00002.safetensors")
    save_file({f"bert.{old[n]}": values[n] for n in names[5:]}, base / "model-00002-of-00002.safetensors")
    half = {n: v.bfloat16() for n, v in load_file(tuned / "model.safetensors").items()}
    half |= {"embeddings.position_ids": torch.arange(3), "scale": torch.tensor(2.0)}
    save_file(half, tuned / "model.safetensors")
    save_file({"bert.scale": torch.tensor(1.0)}, base / "model-00003-of-00002.safetensors")
    for place, fill in ((base, 1.0), (tuned, 2.0)):
        (place / "2_Dense").mkdir()
        save_file({"linear.weight": torch.full((2, 2), fill)}, place / "2_Dense" / "model.safetensors")
        torch.save({"weight": torch.full((1, 32), fill)}, place / "sparse_linear.pt")
    out = merge_folders(base, tuned, 0.25, tmp_path / "out")
    found = load_file(out / "model.safetensors")
    name = names[7]
    assert found[name].dtype == torch.bfloat16
    torch.testing.assert_close(
        found[name].float(), 0.75 * values[name] + 0.25 * half[name].float(), rtol=1e-2, atol=1e-2
    )
    assert found["embeddings.position_ids"].tolist() == [0, 1, 2] and float(found["scale"]) == 1.25
    assert load_file(out / "2_Dense" / "model.safetensors")["linear.weight"].tolist() == [[1.25, 1.25]] * 2
    assert torch.load(out / "sparse_linear.pt", weights_only=True)["weight"][0, 0].item() == 1.25
    assert len(weight_files(out)) == 2


def test_a_base_in_the_old_binary_form_is_read_as_weights_only(models: tuple[Path, Path], tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    base = shutil.copytree(models[0], tmp_path / "base")
    torch.save(load_file(base / "model.safetensors"), base / "pytorch_model.bin")
    (base / "model.safetensors").unlink()
    out = merge_folders(base, models[1], 0.0, tmp_path / "out")
    expected, found = load_file(models[0] / "model.safetensors"), load_file(out / "model.safetensors")
    assert all(torch.equal(expected[name], value) for name, value in found.items())


def test_models_that_do_not_belong_together_are_refused(models: tuple[Path, Path], tmp_path: Path) -> None:
    base, tuned = models
    reranker = tiny_bert(tmp_path / "reranker", labels=1)
    with pytest.raises(SourceError, match=r"not a fine-tuned version.*the base has no tensor classifier"):
        merge_folders(base, reranker, 0.5, tmp_path / "out")
    from safetensors.torch import load_file, save_file

    other = shutil.copytree(tuned, tmp_path / "other")
    values = load_file(other / "model.safetensors")
    values["embeddings.word_embeddings.weight"] = values["embeddings.word_embeddings.weight"][:-1].contiguous()
    save_file(values, other / "model.safetensors")
    with pytest.raises(SourceError, match=r"word_embeddings.weight has the shape \["):
        merge_folders(base, other, 0.5, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(SettingsError, match="not between 0 and 1"):
        merge_folders(base, tuned, 1.5, tmp_path / "out")
    with pytest.raises(SettingsError, match="one of the models"):
        merge_folders(base, tuned, 0.5, tuned)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(SettingsError, match="not a model folder"):
        merge_folders(base, tuned, 0.5, tmp_path / "full")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no safetensors weights"):
        merge_folders(base, tmp_path / "empty", 0.5, tmp_path / "out")


def points(*rows: tuple[float, float, float]) -> list[Point]:
    return [Point(weight, dev, {"elsewhere": other}) for weight, dev, other in rows]


@pytest.mark.parametrize(
    ("rows", "chosen", "words"),
    [
        # 0.5 keeps 95 % and loses nothing; 1 gains most and loses 2 %.
        ([(0, 0.50, 0.80), (0.5, 0.595, 0.80), (1, 0.60, 0.784)], 0.5, "95% of the best gain"),
        # Nothing within 90 % of the best gain is within the limit: the best of what is.
        ([(0, 0.50, 0.80), (0.25, 0.55, 0.80), (0.5, 0.58, 0.79), (1, 0.60, 0.70)], 0.5, "more than the allowed 2.5%"),
        # Whatever gains loses too much: the least loss.
        ([(0, 0.50, 0.80), (0.5, 0.55, 0.70), (1, 0.60, 0.60)], 0.5, "all weights that gain lose more"),
        # The best gain, where all lose nothing.
        ([(0, 0.50, 0.80), (0.5, 0.59, 0.81), (1, 0.60, 0.82)], 1, "100% of the best gain"),
        # Nothing gains: the base.
        ([(0, 0.50, 0.80), (0.5, 0.49, 0.80), (1, 0.40, 0.80)], 0, "no weight is better than the base"),
    ],
)
def test_the_weight_keeps_most_of_the_gain_at_the_least_loss(
    rows: list[tuple[float, float, float]], chosen: float, words: str
) -> None:
    weight, reason = choose_weight(points(*rows))
    assert weight == chosen and words in reason


def test_collections_that_the_base_never_knew_do_not_choose() -> None:
    rows = points((0, 0.5, 0.1), (0.5, 0.55, 0.05), (1, 0.6, 0.05))
    assert choose_weight(rows)[0] == 0.5 and choose_weight(rows, weak=["elsewhere"])[0] == 1
    assert "does not" not in Curve(rows, 1, "weight 1").to_text()


def test_the_curve_is_measured_on_samples_once(models: tuple[Path, Path], tmp_path: Path) -> None:
    calls: list[str] = []

    def dataset(name: str) -> Dataset:
        numbers = range(50)
        return Dataset(
            name,
            {f"d{i}": CorpusPassage(f"d{i}", "", f"{name} {i}") for i in numbers},
            {f"q{i}": f"question {i}" for i in numbers},
            {f"q{i}": {f"d{i}": 1} for i in numbers},
        )

    def measure_of(folder: Path):  # type: ignore[no-untyped-def]
        from safetensors.torch import load_file

        value = float(load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"][0, 0])

        def measure(part: Dataset) -> Run:
            calls.append(f"{part.name} {value:.3f}")
            better = value == pytest.approx(middle, abs=1e-6)
            rank = 1 if part.name == "own" and better else 2
            listed = {q: [(f"x{n}", -n) for n in range(1, rank)] + [(f"d{q[1:]}", -rank)] for q in part.queries}
            return Run("m", listed, dataset=part.hash)

        return measure

    from safetensors.torch import load_file

    ends = [float(load_file(m / "model.safetensors")["embeddings.word_embeddings.weight"][0, 0]) for m in models]
    middle = sum(ends) / 2
    for _ in range(2):
        curve = merge_curve(
            *models,
            measure_of,
            dataset("own"),
            [dataset("foreign")],
            work=tmp_path / "work",
            weights=(0.5, 1.0),
            queries=10,
            documents=20,
        )
        assert curve.chosen == 0.5 and [point.weight for point in curve.points] == [0.0, 0.5, 1.0]
        assert [point.dev for point in curve.points] == [0.5, 1.0, 0.5]
    assert len(calls) == 6  # three weights, two collections, once
    assert not (tmp_path / "work" / "averaged").exists()
    assert any("10 of 50 questions over 20 of 50 documents" in note for note in curve.notes)
    assert "0.5 <" in curve.to_text() and "####" in curve.to_text() and "| 0.5 < |" in curve.to_markdown()
    assert curve.as_dict()["points"][1]["worst"] == 0.0


def test_a_sample_holds_what_its_questions_judge() -> None:
    dataset = Dataset(
        "s",
        {f"d{i}": CorpusPassage(f"d{i}", "", str(i)) for i in range(30)},
        {f"q{i}": str(i) for i in range(10)},
        {f"q{i}": {f"d{i}": 1, f"d{i + 10}": 0} for i in range(10)},
    )
    part = sample(dataset, 4, 12, seed=7)
    assert len(part.queries) == 4 and len(part.corpus) == 12
    assert all(document in part.corpus for judged in part.qrels.values() for document in judged)
    assert sample(dataset, 4, 12, seed=7).hash == part.hash and sample(dataset, 100, 100, seed=7) is dataset


def test_the_command_merges_proves_and_writes_a_card(
    models: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forbid_scoring: Callable[[], None]
) -> None:
    monkeypatch.setenv("RAG_EVAL_CACHE", str(tmp_path / "cache"))
    data = write_harbour(tmp_path / "harbour")
    base, tuned = map(str, models)
    args = [base, tuned, str(data), "--out", str(tmp_path / "out"), "--weights", "0,0.5", "--profile", "offline"]
    first = CliRunner().invoke(command, [*args, "--json"])
    kept = json.loads(first.stdout)
    assert kept["proof"]["better"] is False and first.exception.exit_code == 4  # type: ignore[union-attr]
    assert {row["name"] for row in kept["proof"]["forgetting"]} == {"probe_en", "probe_zh"}
    assert kept["splits"]["queries"]["test"] == 12
    forbid_scoring()
    again = CliRunner().invoke(command, [*args, "--json"])
    assert again.stdout == first.stdout and again.exception.exit_code == 4  # type: ignore[union-attr]
    card = (tmp_path / "out" / "model" / "README.md").read_text(encoding="utf-8")
    head, _, body = card.removeprefix("---\n").partition("---\n")
    assert "license: mit" in head.splitlines() and "base_model" not in head  # a folder is not a hub name
    for part in (
        "Keep the base model",
        "[encoder]",
        "SentenceTransformer(",
        "held-out questions",
        "probe_zh",
        "| seed | 7 |",
    ):
        assert part in body
    assert kept["splits"]["hash"]["train"] in body and (tmp_path / "out" / "proof.md").is_file()
    other = CliRunner().invoke(command, [*args, "--weight", "0.5"])
    assert isinstance(other.exception, SettingsError) and "started with" in str(other.exception)


def test_bad_arguments_are_named(models: tuple[Path, Path], tmp_path: Path) -> None:
    assert shares("0, 0.5 1") == (0.0, 0.5, 1.0)
    for text in ("0,x", "2", "", "0"):
        with pytest.raises(SettingsError, match="--weights"):
            shares(text)
    with pytest.raises(SourceError, match="has no model"):
        model_of(tmp_path)
    run = tmp_path / "run"
    shutil.copytree(models[1], run / "model")
    assert model_of(run) == run / "model" and kind_of(run / "model") == "embedder"
    assert kind_of(tiny_bert(tmp_path / "reranker", labels=1)) == "reranker"


def test_licences_and_secrets(tmp_path: Path) -> None:
    assert licence_of(tmp_path) == "unknown"
    (tmp_path / "README.md").write_text("# a card without front matter\nlicense: gpl\n", encoding="utf-8")
    assert licence_of(tmp_path) == "unknown"
    (tmp_path / "README.md").write_text("---\ntags:\n- x\nlicense: 'apache-2.0'\n---\n", encoding="utf-8")
    assert licence_of(tmp_path) == "apache-2.0"
    assert without_secrets("server:https://me:pw@host/v1#m --api-key=abc") == "server:https://host/v1#m --api-key=***"
    for harmless in ("--max-tokens 128", "--set llm.api_key_env=MY_KEY", "--question-tokens 64"):
        assert without_secrets(harmless) == harmless
    shown = dict(flat({"training": {"lr": 5e-5, "lora": None}, "api_key": "abc", "teacher": ["pipeline"]}))
    assert shown == {"training.lr": "5e-05", "teacher": "pipeline"}
