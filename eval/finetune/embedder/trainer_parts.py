"""What the embedders' trainer is made of: arguments, rows, losses, the dev measure, adapters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.finetune.embedder.rows import NEGATIVE, POSITIVE, QUESTION, DevPool
from eval.finetune.training.loss_curve import DEV
from eval.finetune.training.trainer_arguments import shared_arguments
from eval.measure.metrics import score
from indexes.encoders.torch_runtime import choose_device, choose_dtype
from indexes.errors import SettingsError

if TYPE_CHECKING:
    from eval.finetune.embedder.train import TrainingOptions

Rows = Mapping[str, list[Any]]


def arguments_of(model: Any, rows: Mapping[str, Rows], checkpoints: Path, options: TrainingOptions) -> Any:
    from sentence_transformers import SentenceTransformerTrainingArguments
    from sentence_transformers.base.sampler import BatchSamplers

    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    steps = sum(-(-_length(kind) // options.batch) for kind in rows.values())  # in an epoch
    every = max(1, -(-steps // options.evaluations))
    prompts: dict[str, str] = {}
    for column, prompt in (
        (QUESTION, "query"),
        (POSITIVE, "document"),
        *((NEGATIVE.format(i), "document") for i in range(1, 65)),
    ):
        if model.prompts.get(prompt):
            prompts[column] = model.prompts[prompt]
    return SentenceTransformerTrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=options.epochs,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        prompts=prompts or None,
        **shared_arguments(options, batch=options.batch, every=every, log_at_most=10, device=device, dtype=dtype),
    )


def _length(rows: Rows) -> int:
    return len(rows[QUESTION])


def datasets_of(rows: Mapping[str, Rows]) -> Any:
    from datasets import Dataset, DatasetDict, disable_progress_bars

    disable_progress_bars()
    return DatasetDict({kind: Dataset.from_dict(dict(table)) for kind, table in rows.items()})


def losses_of(model: Any, rows: Mapping[str, Rows], options: TrainingOptions) -> dict[str, Any]:
    from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss

    from eval.finetune.embedder.losses import CachedContrastive, Contrastive, Distillation

    found: dict[str, Any] = {}
    for kind, table in rows.items():
        loss: Any
        if "label" in table:
            loss = Distillation(
                model, scale=options.scale, temperature=options.temperature, contrastive=options.contrastive
            )
        elif options.mini_batch:
            loss = CachedContrastive(model, scale=options.scale, mini_batch_size=options.mini_batch)
        else:
            loss = Contrastive(model, scale=options.scale)
        found[kind] = loss
    if options.matryoshka:
        full = model.get_embedding_dimension()
        if bad := [dim for dim in options.matryoshka if not 0 < dim <= full]:
            raise SettingsError(
                f"the model has {full} dimensions, and {bad[0]} was asked for", remedy=f"give dimensions up to {full}"
            )
        dims = sorted({full, *options.matryoshka}, reverse=True)
        found = {kind: MatryoshkaLoss(model, loss, dims) for kind, loss in found.items()}
    return found


def dev_evaluator(pool: DevPool, *, bfloat16: bool) -> Any:
    """nDCG@10 of the dev questions over the pool."""
    import numpy as np
    import torch
    from sentence_transformers.base.evaluation import BaseEvaluator

    names = list(pool.texts)

    class DevEvaluator(BaseEvaluator):
        def __init__(self) -> None:
            super().__init__()
            self.primary_metric = DEV
            self.greater_is_better = True

        def __call__(
            self, model: Any, output_path: str | None = None, epoch: float = -1, steps: int = -1
        ) -> dict[str, float]:
            prompts = {key: model.prompts.get(key) or None for key in ("query", "document")}
            was_training = model.training
            model.eval()
            with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=bfloat16):
                found = [
                    np.asarray(
                        model.encode(
                            texts,
                            prompt=prompts[kind],
                            batch_size=16,
                            convert_to_numpy=True,
                            normalize_embeddings=True,
                            show_progress_bar=False,
                        ),
                        np.float32,
                    )
                    for kind, texts in (
                        ("query", list(pool.questions.values())),
                        ("document", list(pool.texts.values())),
                    )
                ]
            model.train(was_training)
            similar = found[0] @ found[1].T
            results = {}
            for query, row in zip(pool.questions, similar, strict=True):
                order = np.argsort(-row, kind="stable")[:10]
                results[query] = [(names[i], float(row[i])) for i in order]
            return {DEV: score(results, pool.qrels, [DEV]).mean[DEV]}

    return DevEvaluator()


def _silence(trainer: Any) -> None:
    """Our own progress speaks; the trainer's callback that prints each log line does not."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def _step_of(checkpoint: str | None) -> int:
    return int(checkpoint.rsplit("-", 1)[-1]) if checkpoint else 0


def add_lora(model: Any, rank: int) -> None:
    from peft import LoraConfig, TaskType

    config = LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
    )
    model.add_adapter(config)


def merge_lora(model: Any) -> Any:
    """The adapters added to the weights they sit on, so that what is saved is an ordinary checkpoint."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    network = model[0].auto_model
    for path, module in list(network.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent_path, _, leaf = path.rpartition(".")
            setattr(network.get_submodule(parent_path) if parent_path else network, leaf, module.get_base_layer())
    network._hf_peft_config_loaded = False
    if hasattr(network, "peft_config"):
        del network.peft_config
    return model
