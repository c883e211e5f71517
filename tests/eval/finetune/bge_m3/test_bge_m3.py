"""finetune bge-m3 on a tiny checkpoint: FlagEmbedding's trainer, interrupted and continued; its rows and failures."""

from __future__ import annotations

import fcntl
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from eval.bench.checkpoints import bge_m3_checkpoint
from eval.cli.commands.finetune.output import show_sides
from eval.finetune.bge_m3 import flag_embedding as flag_training
from eval.finetune.bge_m3 import process as flag_process
from eval.finetune.bge_m3.options import M3Options
from eval.finetune.bge_m3.run import finetune_bge_m3
from eval.finetune.bge_m3.steps import SIDES
from eval.finetune.lessons.training_set import Example, TrainingSet
from eval.measure.runs import load_run
from indexes.encoders.bge_m3 import BgeM3
from indexes.errors import EncoderError, SettingsError, SourceError
from indexes.settings.sections import EncoderSettings
from rag import load_settings
from tests.eval.finetune.harbour import documents, questions, write_harbour

QUICK = M3Options(epochs=2, batch=8, lr=1e-3, max_tokens=64, device="cpu", unit="document", pool=40)  # 2 steps an epoch


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("m3")
    write_harbour(folder / "harbour")
    texts = [f"{title} {text}" for title, text in documents().values()] + [text for text, _ in questions().values()]
    bge_m3_checkpoint(folder / "base", texts * 3, hidden=32, heads=2, vocabulary=300, positions=130)
    return folder


def test_interrupted_continued_and_proved_side_by_side(
    place: Path, tmp_path: Path, forbid_scoring: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    out = tmp_path / "out"
    remarks: list[str] = []

    @contextmanager
    def interrupt(name: str) -> Iterator[Any]:
        def tick(done: int, total: int) -> None:
            if name == "train" and (out / "checkpoints/checkpoint-2" / flag_training.STATE).exists():
                raise KeyboardInterrupt

        yield tick

    def run(stage: Any = lambda _: nullcontext(None), base: str = "base", lr: float = QUICK.lr) -> Any:
        from dataclasses import replace

        return finetune_bge_m3(
            place / "harbour",
            str(place / base),
            out=out,
            options=replace(QUICK, lr=lr),
            settings=load_settings(profile="offline", **{"rerank.depth": 8}),
            cache=tmp_path / "cache",
            stage=stage,
            say=remarks.append,
            command="rag-eval finetune bge-m3 harbour",
        )

    with pytest.raises(KeyboardInterrupt):
        run(interrupt)
    assert not (out / "model").exists()
    found = run()
    commands = [line for line in (out / "train.log").read_text(encoding="utf-8").splitlines() if line.startswith('["')]
    assert ["--resume_from_checkpoint" in command for command in commands] == [False, True]
    assert (found.trained.steps, found.trained.best_step in (2, 4)) == (4, True)
    assert [int(row["step"]) for row in found.trained.curve if "dev" in row] == [0, 2, 4]
    assert len([row for row in found.trained.curve if "loss" in row]) == 4  # those before the interruption, too
    assert list(found.proofs) == list(SIDES) and found.proof is found.proofs["hybrid"]
    for side in SIDES:
        assert found.proofs[side].in_domain.queries == 12
        assert {loss.name for loss in found.proofs[side].forgetting} == {"probe_en", "probe_zh"}
        folder = out if side == "hybrid" else out / side
        assert json.loads((folder / "proof.json").read_text(encoding="utf-8"))["better"] == found.proofs[side].better
        assert len(list((out / "base" / side).iterdir())) == 3
    assert list(SIDES) == ["hybrid", "dense", "sparse", "multi-vector"]
    (candidates, ordered) = (next((out / "tuned" / side).glob("harbour-*")) for side in ("hybrid", "multi-vector"))
    runs = [load_run(folder).results for folder in (candidates, ordered)]
    found_by, ordered_by = ({q: [name for name, _ in listed] for q, listed in run.items()} for run in runs)
    assert all(set(found_by[q][: len(listed)]) == set(listed) for q, listed in ordered_by.items())  # the same texts
    assert any(found_by[q][: len(listed)] != listed for q, listed in ordered_by.items())  # in another order
    show_sides(found)
    shown = capsys.readouterr().out
    assert "MAP of each side" in shown and "late interaction" in shown
    assert [line.split()[0] for line in shown.partition("MAP of each side")[2].splitlines()[2:6]] == list(SIDES)
    assert not (out / "checkpoints").exists()
    card = (out / "model/README.md").read_text(encoding="utf-8")
    assert "bge_m3" in card and "sparse side: " in card and "multi-vector side: " in card
    assert not [path.name for path in (out / "model").rglob("*") if path.suffix in (".bin", ".pth")]
    heads = [
        torch.load(folder / "sparse_linear.pt", weights_only=True)["weight"]
        for folder in (place / "base", out / "model")
    ]
    assert not torch.equal(*heads)
    texts = ["Where did the Albar land her cargo?", "灯塔"]
    before, after = (
        BgeM3(EncoderSettings(model=str(folder), device="cpu", dtype="float32"))
        for folder in (place / "base", out / "model")
    )
    assert before.fingerprint.digest != after.fingerprint.digest
    assert abs(before.encode_documents(texts).dense - after.encode_documents(texts).dense).max() > 1e-3
    assert (out / "model/modules.json").is_file() and (out / "model/tokenizer.json").is_file()
    forbid_scoring()
    again = run()  # everything is there: nothing is trained, or measured
    assert again.as_dict() == found.as_dict()
    assert len((out / "train.log").read_text(encoding="utf-8").splitlines()) > 3
    with pytest.raises(SettingsError, match="was started with lr"):
        run(lr=1e-4)


def mined() -> TrainingSet:
    texts = {"a": "alpha", "b": "beta", "c": "gamma", "d": "delta"}
    examples = [
        Example("q1", "first?", ("a",), ("b", "c")),
        Example("q1", "first?", ("d",), ("b",)),  # the same question with another kind of text
        Example("q2", "second?", ("c",), ()),
    ]
    return TrainingSet(examples, texts)


def test_rows_are_what_the_loader_reads(tmp_path: Path) -> None:
    count, notes = flag_training.write_rows(mined(), tmp_path / "rows.jsonl", scores=None, seed=7)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert count == 3 and [row["query"] for row in rows] == ["first?", "first?", "second?"]
    assert rows[0]["pos"] == ["alpha"] and sorted(rows[0]["neg"]) == ["beta", "gamma"]
    assert len(rows[2]["neg"]) == 1 and "gamma" not in rows[2]["neg"]  # an empty list would divide by zero there
    assert any("drawn at random" in note for note in notes)


def test_teacher_scores_stand_beside_their_texts(tmp_path: Path) -> None:
    scores = {"q1": {"a": 2.0, "b": -1.0, "d": 1.5}, "q2": {"c": 1.0}}
    count, notes = flag_training.write_rows(mined(), tmp_path / "rows.jsonl", scores=scores, seed=7)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert count == 2 and any("1 question is left out" in note for note in notes)
    assert [(row["pos"], row["pos_scores"], row["neg"], row["neg_scores"]) for row in rows] == [
        (["alpha"], [2.0], ["beta"], [-1.0]),
        (["delta"], [1.5], ["beta"], [-1.0]),
    ]
    with pytest.raises(SourceError, match="teacher's score"):
        flag_training.write_rows(mined(), tmp_path / "rows.jsonl", scores={}, seed=7)


def test_a_base_without_its_heads_is_refused_and_one_folder_trains_once(place: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    half.mkdir()
    (half / "sparse_linear.pt").write_bytes((place / "base/sparse_linear.pt").read_bytes())
    with pytest.raises(EncoderError, match=r"no colbert_linear\.pt"):  # FlagEmbedding would make both heads anew
        flag_training.check_base(half)
    with (tmp_path / "train.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EncoderError, match="still running"):
            flag_process.train(place / "base", tmp_path / "rows.jsonl", tmp_path, QUICK, count=3, distil=False)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("raise ValueError('no such column')", r"ended with exit status 1: ValueError: no such column; see the log in"),
        ("raise RuntimeError('CUDA out of memory. Tried')", r"ran out of memory .*lower --batch.*sparse head alone"),
        ("import os; os.kill(os.getpid(), 9)", r"ran out of memory \(it was killed\)"),
        ("import os; os.kill(os.getpid(), 11)", r"was killed by signal 11"),
        ("print('all is well')", r"left no checkpoint"),
    ],
)
def test_failures_in_one_sentence(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, says: str
) -> None:
    monkeypatch.setattr(
        flag_process, "arguments", lambda *_, **__: [sys.executable, "-c", program, "--use_cpu", "True"]
    )
    with pytest.raises(EncoderError, match=says) as caught:
        flag_process.train(place / "base", tmp_path / "rows.jsonl", tmp_path, QUICK, count=3, distil=False)
    assert "\n" not in str(caught.value)


def test_half_a_checkpoint_is_removed(tmp_path: Path) -> None:
    for name, files in {
        "checkpoint-2": ("config.json", flag_training.STATE),
        "checkpoint-10": ("config.json",),
    }.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_text("{}", encoding="utf-8")
    assert [path.name for path in flag_training.finished(tmp_path)] == ["checkpoint-2"]
    assert not (tmp_path / "checkpoint-10").exists()
