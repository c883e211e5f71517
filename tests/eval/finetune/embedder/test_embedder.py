"""The whole of ``finetune embedder`` on a tiny checkpoint: trained, proved, killed, continued to the same figures."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from eval.finetune.embedder.options import EmbedderOptions
from eval.finetune.embedder.rows import columns, dev_pool
from eval.finetune.embedder.run import finetune_embedder
from eval.finetune.embedder.train import train
from eval.finetune.lessons.training_set import Example, TrainingSet
from eval.finetune.training.loss_curve import DEV, exhausted, never_better
from eval.finetune.training.trainer import TrainingFolder
from rag.settings import RerankSettings
from tests.eval.finetune.embedder.harbour import tiny_encoder, write_harbour
from tests.eval.finetune.stopping import Stop, stopping

QUICK = EmbedderOptions(epochs=3, batch=8, lr=2e-3, dtype="float32", device="cpu", evaluations=2, patience=0)
KILLED_AT = 5  # of 9 steps; checkpoints are made after 2, 4, ...


def data(folder: Path) -> tuple[dict[str, Any], Any]:
    from eval.datasets import load_dataset

    read = load_dataset(folder, "train")
    texts = {name: passage.content for name, passage in read.corpus.items()}
    names = list(texts)
    found = [
        Example(query, text, tuple(read.relevant(query)), (names[(place * 7) % 50],))
        for place, (query, text) in enumerate(read.queries.items())
        if names[(place * 7) % 50] not in read.relevant(query)
    ]
    rows = {"document": columns(TrainingSet(found[:24], texts), negatives=1, seed=7)}
    return rows, dev_pool(TrainingSet(found[24:], texts), names, texts, size=40, seed=7)


def run_training(place: Path, out: Path, options: EmbedderOptions = QUICK, kill_at: int = 0) -> Any:
    rows, pool = data(place / "harbour")

    def tick(step: int, steps: int) -> None:
        if step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    out.mkdir(exist_ok=True)
    return train(place / "tiny", "tiny", rows, pool, TrainingFolder(out, out / "model"), options, progress=tick)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedder")
    write_harbour(folder / "harbour")
    tiny_encoder(folder / "tiny")
    return folder


def test_a_killed_training_continues_to_the_same_figures(place: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    code = "from pathlib import Path; from tests.eval.finetune.embedder.test_embedder import *; "
    code += f"run_training(Path({str(place)!r}), "
    code += f"Path({str(tmp_path / 'killed')!r}), kill_at={KILLED_AT})"
    paths = os.pathsep.join([*filter(None, sys.path)])
    killed = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    there = sorted(path.name for path in (tmp_path / "killed/checkpoints").glob("checkpoint-*"))
    assert there and "checkpoint-9" not in there and not (tmp_path / "killed/model").exists()
    assert not list((tmp_path / "killed/checkpoints").rglob("README.md"))  # a card takes longer than the weights
    whole = run_training(place, tmp_path / "whole")
    continued = run_training(place, tmp_path / "killed")
    assert continued.curve == whole.curve and whole.steps == 9
    assert (continued.best_step, continued.best_dev) == (whole.best_step, whole.best_dev)
    assert (tmp_path / "killed/loss.csv").read_text() == (tmp_path / "whole/loss.csv").read_text()
    one, other = (load_file(tmp_path / name / "model/model.safetensors") for name in ("whole", "killed"))
    assert all((one[name] == other[name]).all() for name in one)
    # Killed between the last step and saving: nothing is trained again.
    shutil.rmtree(tmp_path / "whole/model")
    ended = run_training(place, tmp_path / "whole", kill_at=1)
    assert (ended.curve, ended.best_step) == (whole.curve, whole.best_step)
    last = load_file(tmp_path / "whole/model/model.safetensors")
    assert all((one[name] == last[name]).all() for name in one)


def test_patience_counts_steps_and_not_log_lines() -> None:
    history = [{"step": step, f"eval_{DEV}": dev} for step, dev in ((0, 0.9), (2, 0.5), (4, 0.6), (6, 0.55))]
    assert not exhausted(history, 2) and exhausted(history, 1) and not exhausted(history, 0)
    assert not exhausted([*history, history[-1]], 2)  # the checkpoint that a continued training starts from
    assert exhausted([*history, {"step": 8, f"eval_{DEV}": 0.6}], 2)


def test_a_training_that_never_got_above_its_start_says_so() -> None:
    rows: list[dict[str, float]] = [{"step": 0, "dev": 0.8}, {"step": 5, "loss": 1.0}, {"step": 10, "dev": 0.75}]
    (note,) = never_better(rows)
    assert "nDCG@10 0.8000, then at best 0.7500" in note
    assert never_better([*rows, {"step": 20, "dev": 0.81}]) == [] == never_better(rows[:2]) == never_better(rows[1:])


def test_adapters_matryoshka_and_cached_loss_end_in_an_ordinary_checkpoint(place: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from safetensors.torch import load_file

    from indexes.encoders.sentence_transformer import SentenceTransformerModel
    from indexes.settings.sections import EncoderSettings

    options = replace(QUICK, epochs=1, lora=4, matryoshka=(16,), mini_batch=4, query_prompt="query: ", max_tokens=24)
    found = run_training(place, tmp_path / "run", options)
    assert len([row for row in found.curve if "loss" in row]) >= 1
    names = load_file(tmp_path / "run/model/model.safetensors")
    assert not any("lora" in name for name in names) and not list((tmp_path / "run/model").glob("adapter*"))
    base = load_file(place / "tiny/model.safetensors")
    assert set(base) - set(names) <= {name for name in base if "pooler" in name}
    changed = {name for name in names if name in base and not (names[name] == base[name]).all()}
    assert changed and all("weight" in name and "embeddings" not in name and "Norm" not in name for name in changed)
    serving = SentenceTransformerModel(EncoderSettings(model=str(tmp_path / "run/model"), device="cpu"))
    assert serving.prompts == {"query": "query: ", "document": ""} and serving.max_tokens == 64
    assert serving.embed(["Where did the Heron land salt?"], query=True).dense.shape == (1, 32)


def test_the_command_proves_what_it_trained(place: Path, tmp_path: Path, forbid_scoring: Callable[[], None]) -> None:
    from eval.cli.commands.finetune.embedder import command
    from eval.finetune.proof.proof import NotBetterError

    out = tmp_path / "out"
    arguments = [str(place / "harbour"), "--base", str(place / "tiny"), "--out", str(out), "--epochs", "2"]
    arguments += ["--lr", "2e-3", "--batch", "8", "--cache", str(tmp_path / "cache"), "--teacher", "pipeline"]
    arguments += ["--merge", "auto", "--list", "4", "--pairs", "20", "--patience", "0", "--json"]
    arguments += ["--set", "encoder.dtype=float32", "--set", "encoder.device=cpu"]
    first = CliRunner().invoke(command, arguments)
    found = json.loads(first.stdout)
    assert isinstance(first.exception, NotBetterError) is not found["proof"]["better"], first.output
    assert (out / "model/README.md").is_file() and (out / "proof.md").is_file() and not (out / "checkpoints").exists()
    assert found["mining"]["queries"] + found["splits"]["queries"]["dev"] == 30
    assert found["rag_toml"][1:] == ['provider = "sentence_transformer"', f'model = "{(out / "model").resolve()}"']
    assert (first.exit_code == 0) == found["proof"]["better"]
    assert found["proof"]["in_domain"]["queries"] == 20
    assert found["merge"]["chosen"] in [point["weight"] for point in found["merge"]["points"]]
    # The same call again measures nothing, and says the same; another setting is refused.
    before = (out / "model/model.safetensors").stat().st_mtime_ns
    forbid_scoring()
    again = CliRunner().invoke(command, arguments)
    assert again.stdout == first.stdout and type(again.exception) is type(first.exception)
    assert "scoring" in first.stderr and "scoring" not in again.stderr
    shown = CliRunner().invoke(command, [one for one in arguments if one != "--json"])
    assert ("put these lines into rag.toml and reindex" in shown.stderr) is found["proof"]["better"]
    assert (out / "model/model.safetensors").stat().st_mtime_ns == before
    assert "score tuned" in json.loads((out / "run.json").read_text())["steps"]
    other = CliRunner().invoke(command, [*arguments, "--seed", "8"])
    assert "started with" in str(other.exception)


def test_a_soup_is_the_mean_of_its_trainings(place: Path, tmp_path: Path) -> None:
    """Trainings with seeds of their own, averaged, then merged with the base; interrupted or not."""
    from contextlib import contextmanager
    from dataclasses import replace

    import numpy as np
    from safetensors.numpy import load_file

    options = replace(QUICK, epochs=1, evaluations=1, pairs=20, merge=0.5, soup=3)
    same: dict[str, Any] = {"options": options, "cache": tmp_path / "cache"}
    kept: dict[str, dict[str, np.ndarray]] = {}

    @contextmanager
    def keeping(name: str) -> Iterator[Any]:
        """Look at the members before they are cleared away."""
        for folder in [tmp_path / "whole" / one for one in ("trained", "trained-0", "trained-1", "trained-2")]:
            if (folder / "model.safetensors").is_file():
                kept[folder.name] = load_file(folder / "model.safetensors")
        yield None

    base = str(place / "tiny")
    with pytest.raises(Stop):
        finetune_embedder(place / "harbour", base, out=tmp_path / "parts", stage=stopping("train 1 of 3", 0), **same)
    shutil.copytree(tmp_path / "parts", tmp_path / "whole")
    found = finetune_embedder(place / "harbour", base, out=tmp_path / "whole", stage=keeping, **same)
    assert sorted(kept) == ["trained", "trained-0", "trained-1", "trained-2"]
    model, first = load_file(found.model / "model.safetensors"), load_file(place / "tiny/model.safetensors")
    for name, value in kept["trained"].items():
        members = [kept[f"trained-{place}"][name] for place in range(3)]
        np.testing.assert_allclose(value, np.mean(members, axis=0), atol=1e-5)
        np.testing.assert_allclose(model[name], (value + first[name]) / 2, atol=1e-5)
    assert any((kept["trained-0"][name] != kept["trained-1"][name]).any() for name in model)
    assert any(note.startswith("the weights are the mean of 3 trainings") for note in found.proof.notes)
    left = {path.name for path in (tmp_path / "whole").iterdir()}
    assert {"loss.csv", "loss-2.csv", "loss-3.csv", "trained"} <= left
    assert not [name for name in left if name.startswith(("trained-", "checkpoints"))]
    with pytest.raises(Stop):
        finetune_embedder(place / "harbour", base, out=tmp_path / "parts", stage=stopping("train 2 of 3"), **same)
    assert (tmp_path / "parts/trained-0").is_dir() and not (tmp_path / "parts/trained-2").exists()
    with pytest.raises(Stop):
        finetune_embedder(place / "harbour", base, out=tmp_path / "parts", stage=stopping("score tuned", 0), **same)
    again = load_file(tmp_path / "parts/model/model.safetensors")
    assert all((again[name] == model[name]).all() for name in model)


def test_mined_negatives_are_guarded(place: Path, tmp_path: Path) -> None:
    from eval.datasets import load_dataset
    from eval.finetune.lessons.mining import MiningOptions, MiningReport, mine
    from eval.measure.session import Session
    from rag import load_settings

    train_set = load_dataset(place / "harbour", "train")
    changes = {
        "encoder.provider": "sentence_transformer",
        "encoder.model": str(place / "tiny"),
        "rerank.provider": "none",
    }
    settings = load_settings(**changes)
    with Session(train_set, cache=tmp_path / "cache") as session:
        retriever = session.retriever(settings)
        found, report = mine(retriever, train_set, MiningOptions(negatives=5, margin=0.2, unit="mixed"))
        loose, _ = mine(retriever, train_set, MiningOptions(negatives=5, margin=None))
        late, _ = mine(retriever, train_set, MiningOptions(negatives=5, margin=None, skip=3))
    assert len(found.examples) == 2 * len(train_set.queries) == 2 * report.queries
    for example in found.examples:
        relevant = set(train_set.relevant(example.query))
        assert {name.partition("#")[0] for name in example.positives} == relevant
        assert not relevant & {name.partition("#")[0] for name in example.negatives}
    by_kind = {"#" in example.positives[0] for example in found.examples}
    assert by_kind == {True, False}
    sentence = next(example.positives[0] for example in found.examples if "#" in example.positives[0])
    document = sentence.partition("#")[0]
    assert found.texts[sentence] in train_set.corpus[document].content
    assert report.left_out["too near to the positive"] > 0 and max(report.ratios) <= 0.8 + 1e-6
    (tmp_path / "mining.json").write_text(report.to_json(), encoding="utf-8")
    assert MiningReport.load(tmp_path / "mining.json") == report
    assert sum(len(e.negatives) for e in loose.examples) == 5 * len(loose.examples)
    for near, far in zip(loose.examples, late.examples, strict=True):
        assert not set(near.negatives[:2]) & set(far.negatives)  # with one positive, their ranks are 3 at most


def test_what_is_relevant_to_a_wording_is_mined_for_no_question_of_it(place: Path, tmp_path: Path) -> None:
    """Two ask the same and are content with different notes, one of which stands there twice."""
    from dataclasses import replace

    from eval.datasets import CorpusPassage, load_dataset
    from eval.finetune.lessons.mining import MiningOptions, mine
    from eval.measure.session import Session
    from rag import load_settings

    read = load_dataset(place / "harbour", "train")
    first, second = list(read.corpus)[:2]
    again = CorpusPassage("again", read.corpus[first].title.upper(), read.corpus[first].text.upper())
    train_set = replace(
        read,
        corpus={**read.corpus, "again": again},
        queries={"one": "Which note tells of it?", "two": "which note tells of it"},
        qrels={"one": {first: 1}, "two": {second: 1}},
    )
    settings = load_settings(**{"encoder.provider": "sentence_transformer", "encoder.model": str(place / "tiny")})
    with Session(train_set, cache=tmp_path / "cache") as session:
        retriever = session.retriever(settings.model_copy(update={"rerank": RerankSettings(provider="none")}))
        for unit in ("document", "sentence"):
            options = MiningOptions(depth=60, negatives=60, margin=None, unit=unit)  # type: ignore[arg-type]
            found, report = mine(retriever, train_set, options)
            for example in found.examples:
                answers = {found.texts[name].casefold() for name in example.positives}
                assert len(example.negatives) > 20
                assert not {name.partition("#")[0] for name in example.negatives} & {first, second, "again"}
                assert not answers & {found.texts[name].casefold() for name in example.negatives}
            assert report.left_out["the positive's text again"] == 2
