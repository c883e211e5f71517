"""FlagEmbedding's trainer for BGE-M3: options, rows, arguments and checkpoints.

``FlagEmbedding.finetune.embedder.encoder_only.m3`` trains the dense, sparse and multi-vector heads together, and their
sum teaches each of them (self-distillation; BGE M3-Embedding, arXiv 2402.03216). It does not evaluate: the caller
compares the checkpoints. Written for FlagEmbedding 1.4.2 and transformers 5.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.datasets import flag_embedding
from eval.datasets.dataset import CorpusPassage, Dataset
from eval.finetune.bge_m3.options import M3Options
from eval.finetune.lessons.training_set import TrainingSet
from eval.finetune.weights.average import HEADS
from indexes.display import counted
from indexes.encoders.torch_runtime import choose_device, choose_dtype
from indexes.errors import EncoderError, SourceError
from indexes.files import beside

MODULE = "FlagEmbedding.finetune.embedder.encoder_only.m3"
STATE = "trainer_state.json"  # the last file of a checkpoint
WEIGHTS = "model.safetensors"


def write_rows(
    mined: TrainingSet, path: Path, *, scores: Mapping[str, Mapping[str, float]] | None, seed: int
) -> tuple[int, list[str]]:
    """Write the training set as FlagEmbedding's jsonl, and return the number of rows and notes.

    >>> from eval.finetune.lessons.training_set import Example
    >>> mined = TrainingSet([Example("q1", "When?", ("d1",), ("d2",))], {"d1": "It opens at 6.", "d2": "Fees are due."})
    >>> write_rows(mined, folder / "rows.jsonl", scores={"q1": {"d1": 2.5, "d2": -1.0}}, seed=7)
    (1, [])
    >>> row = json.loads((folder / "rows.jsonl").read_text())
    >>> row["pos"], row["neg"], row["pos_scores"], row["neg_scores"]
    (['It opens at 6.'], ['Fees are due.'], [2.5], [-1.0])

    Args:
        scores: query id -> text id -> teacher's score, on one scale; texts without one are left out, and questions
            left without a positive or a negative.

    Raises:
        SourceError: no rows are left.
    """
    data = Dataset("train", {name: CorpusPassage(name, "", text) for name, text in mined.texts.items()}, {}, {})
    left_out = 0
    for number, example in enumerate(mined.examples):
        key = f"{number}:{example.query}"  # a question may occur twice, with documents and with sentences
        positives, negatives = list(example.positives), list(example.negatives)
        if scores is not None:
            known = scores.get(example.query, {})
            positives, negatives = [n for n in positives if n in known], [n for n in negatives if n in known]
            data.extra[key] = {
                "pos_scores": [known[name] for name in positives],
                "neg_scores": [known[name] for name in negatives],
            }
        if not positives or (scores is not None and not negatives):
            left_out += 1
            data.extra.pop(key, None)
            continue
        data.queries[key] = example.question
        data.qrels[key] = {**dict.fromkeys(negatives, 0), **dict.fromkeys(positives, 1)}
    if not data.queries:
        raise SourceError(
            "no question has a positive and a negative with a teacher's score"
            if scores is not None
            else "no question has a positive",
            remedy="mine more negatives, or train without a teacher",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    notes = flag_embedding.write(data, path, negatives=1, seed=seed)
    if left_out:
        notes.append(f"{counted(left_out, 'question', verb='are')} left out: the teacher scored none of their texts")
    return len(data.queries), [note for note in notes if "judged for no query" not in note]


def arguments(
    base: Path, rows: Path, checkpoints: Path, options: M3Options, *, count: int, distil: bool, resume: Path | None
) -> list[str]:
    """Return the command line; ``resume`` is a folder returned by ``resumable``."""
    import torch

    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    each, _ = options.steps(count)
    every = max(1, -(-each // options.evaluations))
    values: dict[str, Any] = {
        "model_name_or_path": base,
        "train_data": rows,
        "cache_path": checkpoints / "cache",
        "output_dir": checkpoints,
        "train_group_size": options.group,
        "query_max_len": options.question_tokens,
        "passage_max_len": options.max_tokens,
        "unified_finetuning": True,
        "use_self_distill": options.self_distill,
        "self_distill_start_step": -1,
        "fix_encoder": options.heads_only,
        "sentence_pooling_method": "cls",
        "normalize_embeddings": True,
        "temperature": options.loss_temperature,
        "colbert_dim": _colbert_dim(base),
        "learning_rate": options.lr,
        "warmup_steps": options.warmup,  # a share; transformers 5 rejects --warmup_ratio
        "weight_decay": options.weight_decay,
        "num_train_epochs": options.epochs,
        "per_device_train_batch_size": options.batch,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
        "save_strategy": "steps",
        "save_steps": every,
        "logging_steps": max(1, min(10, every // 4)),
        "seed": options.seed,
        "data_seed": options.seed,
        "bf16": dtype is torch.bfloat16,
        "fp16": dtype is torch.float16,
        "use_cpu": device.type == "cpu",
        "disable_tqdm": True,
        "report_to": "none",
    }
    if distil:
        values |= {"knowledge_distillation": True, "kd_loss_type": "m3_kd_loss"}
    if resume is not None:
        values["resume_from_checkpoint"] = resume
    # -P: do not import modules from the working folder.
    return [sys.executable, "-P", "-m", MODULE, *(part for key, v in values.items() for part in (f"--{key}", str(v)))]


def finished(checkpoints: Path) -> list[Path]:
    """Return the complete checkpoints by step; an incomplete one (the trainer was killed while saving) is removed.

    >>> for name in ("checkpoint-100", "checkpoint-20", "checkpoint-120"):
    ...     (folder / name).mkdir()
    ...     _ = [(folder / name / file).touch() for file in (STATE, "config.json") if name != "checkpoint-120"]
    >>> [path.name for path in finished(folder)], (folder / "checkpoint-120").exists()
    (['checkpoint-20', 'checkpoint-100'], False)
    """
    found = []
    for path in checkpoints.glob("checkpoint-*"):
        if (path / STATE).is_file() and (path / "config.json").is_file():
            found.append(path)
        else:
            shutil.rmtree(path, ignore_errors=True)
    return sorted(found, key=step_of)


def resumable(checkpoint: Path) -> Path:
    """Return a copy of the checkpoint with the names that tensors have in training.

    With the names that FlagEmbedding saves, the trainer finds none of the weights (transformers 5 then fails; earlier
    versions silently continued with the base's).
    """
    import torch
    from safetensors.torch import load_file, save_file

    folder = checkpoint.parent / "resume"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    weights = {f"model.{name}": value for name, value in load_file(checkpoint / WEIGHTS).items()}
    for head in HEADS:
        state = torch.load(checkpoint / head, map_location="cpu", weights_only=True)
        weights |= {f"{Path(head).stem}.{name}": value for name, value in state.items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    for file in checkpoint.iterdir():
        if file.is_file() and file.name not in (WEIGHTS, *HEADS):
            shutil.copyfile(file, folder / file.name)
    return folder


def step_of(checkpoint: Path) -> int:
    """Return the step of a checkpoint's folder.

    >>> step_of(Path("checkpoint-120"))
    120
    """
    return int(checkpoint.name.rpartition("-")[2])


def history(checkpoint: Path) -> list[dict[str, Any]]:
    """Return the trainer's log up to this checkpoint.

    >>> _ = (folder / STATE).write_text('{"log_history": [{"step": 10, "loss": 1.5}]}')
    >>> history(folder)
    [{'step': 10, 'loss': 1.5}]
    """
    return list(json.loads((checkpoint / STATE).read_text(encoding="utf-8"))["log_history"])


def check_base(base: Path) -> None:
    """Refuse a base without heads, to which FlagEmbedding would silently add new ones.

    >>> for name in HEADS:
    ...     (folder / name).touch()
    >>> check_base(folder)  # complete

    Raises:
        EncoderError: a head is missing.
    """
    missing = [name for name in HEADS if not (base / name).is_file()]
    if missing:
        raise EncoderError(
            f"{base} has no {' and no '.join(missing)}, so it is not a complete BGE-M3 checkpoint",
            remedy="name BAAI/bge-m3 or a folder like it; for other models use rag-eval finetune embedder",
        )


def _colbert_dim(base: Path) -> int:
    """Return the dimension of the multi-vector head."""
    import torch

    return int(torch.load(base / HEADS[1], map_location="cpu", weights_only=True)["weight"].shape[0])


def take(checkpoint: Path, base: Path, target: Path) -> None:
    """Write a checkpoint as a model folder: its weights and heads, the base's other files, nothing of the trainer.

    >>> base, checkpoint = folder / "base", folder / "checkpoint-10"
    >>> for place, names in ((base, ("tokenizer.json", "README.md")), (checkpoint, (WEIGHTS, STATE, *HEADS))):
    ...     place.mkdir()
    ...     _ = [(place / name).touch() for name in names]
    >>> take(checkpoint, base, folder / "model")
    >>> sorted(path.name for path in (folder / "model").iterdir())
    ['colbert_linear.pt', 'model.safetensors', 'sparse_linear.pt', 'tokenizer.json']
    """
    with beside(target) as part:
        shutil.copytree(
            base,
            part,
            ignore=lambda _, names: (
                {n for n in names if n.endswith((".bin", ".safetensors", ".onnx", ".pt", ".msgpack"))}
                | {"README.md", "onnx", "openvino", ".git", ".cache", "imgs"}
            ),
        )
        for file in checkpoint.iterdir():
            if file.is_file() and file.suffix in (".safetensors", ".json", ".model", ".txt") and file.name != STATE:
                shutil.copyfile(file, part / file.name)
        for name in HEADS:
            shutil.copyfile(checkpoint / name, part / name)
