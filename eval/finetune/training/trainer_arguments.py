"""What the trainers of embedders and of rerankers have in common: precision, seed, dev measurements, checkpoints."""

from __future__ import annotations

from typing import Any, Protocol

from eval.finetune.training.loss_curve import DEV


class Schedule(Protocol):
    """What both kinds of options hold."""

    @property
    def lr(self) -> float: ...
    @property
    def warmup(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def seed(self) -> int: ...


def shared_arguments(
    options: Schedule, *, batch: int, every: int, log_at_most: int, device: Any, dtype: Any, measured: bool = True
) -> dict[str, Any]:
    """Arguments of a sentence-transformers trainer.

    Args:
        batch: rows a step.
        every: steps between two measurements of dev, each with a checkpoint; the first one is before training.
        log_at_most: steps between two rows of the loss curve.
        device, dtype: ``torch.device`` and ``torch.dtype`` of the training.
        measured: whether there are dev questions; without them the last step is what is kept.
    """
    import torch

    dev = {
        "eval_strategy": "steps",
        "eval_steps": every,
        "eval_on_start": True,
        "load_best_model_at_end": True,
        "metric_for_best_model": f"eval_{DEV}",
        "greater_is_better": True,
    }
    return {
        **(dev if measured else {}),
        "per_device_train_batch_size": batch,
        "per_device_eval_batch_size": batch,
        "learning_rate": options.lr,
        "warmup_steps": options.warmup,
        "weight_decay": options.weight_decay,
        "bf16": dtype is torch.bfloat16,
        "fp16": dtype is torch.float16,
        "use_cpu": device.type == "cpu",
        "seed": options.seed,
        "data_seed": options.seed,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
        "logging_strategy": "steps",
        "logging_steps": max(1, min(log_at_most, every // 2)),
        "disable_tqdm": True,
        "report_to": [],
        "dataloader_pin_memory": False,
    }
