"""The training itself: sentence-transformers' trainer with our losses, dev measure, checkpoints and loss curve."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.finetune.embedder.rows import DevPool
from eval.finetune.embedder.trainer_parts import (
    Rows,
    _silence,
    _step_of,
    add_lora,
    arguments_of,
    datasets_of,
    dev_evaluator,
    losses_of,
    merge_lora,
)
from eval.finetune.training.loss_curve import (
    DEV,
    Tick,
    Trained,
    curve_callback,
    curve_csv,
    curve_rows,
    ended_state,
    never_better,
)
from indexes.encoders.prompts import choose_prompts
from indexes.encoders.torch_runtime import choose_device, quiet_loading
from indexes.errors import EncoderError

__all__ = ["DEV", "Tick", "Trained", "TrainingOptions", "curve_csv", "curve_rows", "load_base", "train"]


@dataclass(frozen=True)
class TrainingOptions:
    """How an embedder is trained.

    Args:
        epochs: at most; early stopping may end it sooner.
        batch: questions a step; each other question's texts are negatives too.
        lr: the highest learning rate; it rises over the first ``warmup`` of the steps and falls linearly to 0.
        scale: of cosines in the loss (1 / temperature).
        mini_batch: > 0 takes the cached loss (GradCache), with forward passes of so many texts.
        matryoshka: dimensions trained besides the full one.
        lora: rank of low-rank adapters, merged into the weights in the end; 0 trains all weights.
        max_tokens: longest text in training; None: what the model reads. In use it always reads that much.
        evaluations: of dev in an epoch; each makes a checkpoint.
        patience: evaluations without a better dev nDCG@10 after which training stops; 0: never.
        temperature, contrastive: of distillation (``eval.finetune.embedder.losses``), where there are teacher scores.
        query_prompt, document_prompt: settings that go before the base's own prompts, as in serving.
    """

    epochs: float = 2
    batch: int = 32
    lr: float = 1e-4
    warmup: float = 0.1
    scale: float = 20.0
    weight_decay: float = 0.01
    mini_batch: int = 0
    matryoshka: tuple[int, ...] = ()
    lora: int = 0
    max_tokens: int | None = 128
    evaluations: int = 1
    patience: int = 3
    temperature: float = 1.0
    contrastive: float = 0.5
    seed: int = 7
    device: str = "auto"
    dtype: str = "auto"
    query_prompt: str | None = None
    document_prompt: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def load_base(folder: Path, name: str, options: TrainingOptions) -> Any:
    """The base as a SentenceTransformer, with the prompts that serving will use written into it.

    Raises:
        EncoderError: it cannot be loaded.
    """
    from sentence_transformers import SentenceTransformer

    from indexes.encoders.sentence_transformer import _checkpoint_prompts, _remembered_name

    device = choose_device(options.device)
    try:
        with quiet_loading():
            model = SentenceTransformer(str(folder), device=str(device), local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError, ImportError) as exc:
        reason = (str(exc).strip().splitlines() or [""])[0]
        raise EncoderError(
            f"'{name}' ({folder}) cannot be loaded as a sentence-transformers model ({type(exc).__name__}: {reason})",
            remedy="give the folder that holds modules.json or config.json, the weights and the tokenizer",
        ) from exc
    model.float()
    prompts = choose_prompts(
        [name, _remembered_name(folder)],
        checkpoint=_checkpoint_prompts(model),
        query=options.query_prompt,
        document=options.document_prompt,
    )
    kept: dict[str, str | None] = dict(prompts)
    model.prompts = kept if any(prompts.values()) else {}
    model.default_prompt_name = None
    return model


def train(
    base: Path,
    name: str,
    rows: Mapping[str, Rows],
    pool: DevPool,
    folder: Path,
    target: Path,
    options: TrainingOptions,
    *,
    curve_file: str = "loss.csv",
    checkpoints: str = "checkpoints",
    progress: Tick | None = None,
) -> Trained:
    """Train, keep the checkpoint that is best on dev, and save it to ``target``.

    Args:
        base: folder of the base model.
        rows: kind of example -> rows for the trainer; batches hold one kind. A kind with a column "label" is distilled.
        pool: what checkpoints are measured on.
        folder: OUT; an interrupted call is continued from its checkpoints.
        target: folder of the model that is saved (float32, safetensors).
        curve_file, checkpoints: names in ``folder``.

    Raises:
        EncoderError, SettingsError: the model cannot be loaded, or an option does not fit it.
    """
    from sentence_transformers import SentenceTransformerTrainer
    from transformers.trainer_utils import get_last_checkpoint, set_seed

    set_seed(options.seed)
    model = load_base(base, name, options)
    longest = model.max_seq_length
    model.max_seq_length = min(options.max_tokens or longest, longest)
    if options.lora:
        add_lora(model, options.lora)
    place = folder / checkpoints
    arguments = arguments_of(model, rows, place, options)
    evaluator = dev_evaluator(pool, bfloat16=arguments.bf16)
    curve = curve_callback(folder / curve_file, options.patience, progress)

    class Trainer(SentenceTransformerTrainer):
        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            """None: it counts tokens and draws examples for a card that nobody reads; ours comes with the proof."""

    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=datasets_of(rows),
        loss=losses_of(model, rows, options),
        evaluator=evaluator,
        callbacks=[curve],
    )
    _silence(trainer)
    checkpoint = get_last_checkpoint(str(place)) if place.is_dir() else None
    ended = ended_state(checkpoint, options.patience)
    if ended is None:
        with quiet_loading():
            trainer.train(resume_from_checkpoint=checkpoint)
    else:  # killed after the last step: what is left is to take the best
        trainer.state = ended
        curve.rows = curve_rows(ended.log_history)
        trainer._load_from_checkpoint(ended.best_model_checkpoint)
    best_step = _step_of(trainer.state.best_model_checkpoint)
    if options.lora:
        model = merge_lora(model)
    model.max_seq_length = longest
    shutil.rmtree(target, ignore_errors=True)  # of a call that was killed while saving
    with quiet_loading():
        model.save_pretrained(str(target), create_model_card=False)
    devs = [row["dev"] for row in curve.rows if "dev" in row]
    return Trained(
        curve=curve.rows,
        best_step=best_step,
        best_dev=float(trainer.state.best_metric or 0.0),
        first_dev=devs[0] if devs else 0.0,
        steps=int(trainer.state.global_step),
        notes=[*pool.notes, *never_better(curve.rows)],
    )
