"""The training itself: sentence-transformers' trainer with our losses, dev measure, checkpoints and loss curve."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.finetune.embedder_data import NEGATIVE, POSITIVE, QUESTION, DevPool
from eval.finetune.run_folder import write_atomic
from eval.metrics import score
from indexes.encoders.prompts import choose_prompts
from indexes.encoders.torch_runtime import choose_device, choose_dtype, quiet_loading
from indexes.errors import EncoderError, SettingsError

DEV = "nDCG@10"
Tick = Callable[[int, int, str], None]  # (steps done, steps in all, what is going on)
Rows = Mapping[str, list[Any]]


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
        max_tokens: longest text in training; default: what the model reads.
        evaluations: of dev in an epoch; each makes a checkpoint.
        patience: evaluations without a better dev nDCG@10 after which training stops; 0: never.
        temperature, contrastive: of distillation (``eval.finetune.distill``), where there are teacher scores.
        query_prompt, document_prompt: settings that go before the base's own prompts, as in serving.
    """

    epochs: float = 3
    batch: int = 32
    lr: float = 5e-5
    warmup: float = 0.1
    scale: float = 20.0
    weight_decay: float = 0.01
    mini_batch: int = 0
    matryoshka: tuple[int, ...] = ()
    lora: int = 0
    max_tokens: int | None = None
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


@dataclass
class Trained:
    """What training gave: the curve (one row a log line) and where the best was found."""

    curve: list[dict[str, float]]
    best_step: int
    best_dev: float
    first_dev: float
    steps: int
    notes: list[str]

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
    progress: Tick | None = None,
) -> Trained:
    """Train, keep the checkpoint that is best on dev, and save it to ``target``.

    Args:
        base: folder of the base model.
        rows: kind of example -> rows for the trainer; batches hold one kind. A kind with a column "label" is distilled.
        pool: what checkpoints are measured on.
        folder: OUT; checkpoints and loss.csv. Checkpoints of an interrupted call are continued from.
        target: folder of the model that is saved (float32, safetensors).

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
        _add_lora(model, options.lora)
    arguments = _arguments(model, rows, folder, options)
    evaluator = _evaluator(pool, bfloat16=arguments.bf16)
    curve = _curve(folder, options.patience, progress)

    class Trainer(SentenceTransformerTrainer):
        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            """None: it counts tokens and draws examples for a card that nobody reads; ours comes with the proof."""

    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=_datasets(rows),
        loss=_losses(model, rows, options),
        evaluator=evaluator,
        callbacks=[curve],
    )
    _silence(trainer)
    checkpoint = get_last_checkpoint(str(folder / "checkpoints")) if (folder / "checkpoints").is_dir() else None
    ended = _ended(checkpoint, options.patience)
    if ended is None:
        with quiet_loading():
            trainer.train(resume_from_checkpoint=checkpoint)
    else:  # killed after the last step: what is left is to take the best
        trainer.state = ended
        curve.rows = curve_rows(ended.log_history)
        trainer._load_from_checkpoint(ended.best_model_checkpoint)
    best_step = _step_of(trainer.state.best_model_checkpoint)
    if options.lora:
        model = _merge_lora(model)
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
        notes=[*pool.notes],
    )


def _arguments(model: Any, rows: Mapping[str, Rows], folder: Path, options: TrainingOptions) -> Any:
    import torch
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
        output_dir=str(folder / "checkpoints"),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch,
        per_device_eval_batch_size=options.batch,
        learning_rate=options.lr,
        warmup_steps=options.warmup,
        weight_decay=options.weight_decay,
        bf16=dtype is torch.bfloat16,
        fp16=dtype is torch.float16,
        use_cpu=device.type == "cpu",
        seed=options.seed,
        data_seed=options.seed,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        prompts=prompts or None,
        eval_strategy="steps",
        eval_steps=every,
        eval_on_start=True,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{DEV}",
        greater_is_better=True,
        logging_strategy="steps",
        logging_steps=max(1, min(10, every // 2)),
        disable_tqdm=True,
        report_to=[],
        dataloader_pin_memory=False,
    )


def _length(rows: Rows) -> int:
    return len(rows[QUESTION])


def _datasets(rows: Mapping[str, Rows]) -> Any:
    from datasets import Dataset, DatasetDict, disable_progress_bars

    disable_progress_bars()
    return DatasetDict({kind: Dataset.from_dict(dict(table)) for kind, table in rows.items()})


def _losses(model: Any, rows: Mapping[str, Rows], options: TrainingOptions) -> dict[str, Any]:
    from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss

    from eval.finetune.distill import CachedContrastive, Contrastive, Distillation

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


def _evaluator(pool: DevPool, *, bfloat16: bool) -> Any:
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


def _ended(checkpoint: str | None, patience: int) -> Any:
    """The trainer's state where training had come to its end already, else None."""
    from transformers.trainer_callback import TrainerState

    if checkpoint is None:
        return None
    state = TrainerState.load_from_json(str(Path(checkpoint) / "trainer_state.json"))
    done = state.global_step >= state.max_steps or exhausted(state.log_history, patience)
    return state if done and Path(state.best_model_checkpoint or "").is_dir() else None


def exhausted(history: list[dict[str, Any]], patience: int) -> bool:
    """Have ``patience`` evaluations passed since the best one? By the log alone, which checkpoints keep, so that a
    continued training stops where an uninterrupted one does. The base's own figure (step 0) is none of them."""
    devs = [float(entry[f"eval_{DEV}"]) for entry in history if f"eval_{DEV}" in entry and entry.get("step", 0) > 0]
    return bool(patience and devs) and len(devs) - 1 - devs.index(max(devs)) >= patience


def _curve(folder: Path, patience: int, progress: Tick | None) -> Any:
    """Writes loss.csv whenever the trainer logs (its log is kept in checkpoints), and stops it early."""
    from transformers import TrainerCallback

    class Curve(TrainerCallback):
        def __init__(self) -> None:
            self.rows: list[dict[str, float]] = []

        def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._write(state)

        def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._write(state)
            control.should_training_stop |= exhausted(state.log_history, patience)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if progress is not None:
                last = self.rows[-1] if self.rows else {}
                shown = ", ".join(f"{key} {last[key]:.4f}" for key in ("loss", "dev") if key in last)
                progress(state.global_step, state.max_steps, shown)

        def _write(self, state: Any) -> None:
            self.rows = curve_rows(state.log_history)
            write_atomic(folder / "loss.csv", curve_csv(self.rows))

    return Curve()


def curve_rows(history: list[dict[str, Any]]) -> list[dict[str, float]]:
    """The trainer's log as rows {"step", "epoch", "loss"?, "dev"?}, one a step."""
    rows: dict[int, dict[str, float]] = {}
    for entry in history:
        step = int(entry.get("step", 0))
        row = rows.setdefault(step, {"step": step, "epoch": round(float(entry.get("epoch") or 0.0), 3)})
        if "loss" in entry:
            row["loss"] = float(entry["loss"])
        if f"eval_{DEV}" in entry:
            row["dev"] = float(entry[f"eval_{DEV}"])
    return [rows[step] for step in sorted(rows) if len(rows[step]) > 2]


def curve_csv(rows: list[dict[str, float]]) -> str:
    lines = [f"step,epoch,loss,dev {DEV}"]
    for row in rows:
        loss, dev = (f"{row[key]:.6f}" if key in row else "" for key in ("loss", "dev"))
        lines.append(f"{row['step']},{row['epoch']},{loss},{dev}")
    return "\n".join(lines) + "\n"


def _silence(trainer: Any) -> None:
    """Our own progress speaks; the trainer's callback that prints each log line does not."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def _step_of(checkpoint: str | None) -> int:
    return int(checkpoint.rsplit("-", 1)[-1]) if checkpoint else 0


def _add_lora(model: Any, rank: int) -> None:
    from peft import LoraConfig, TaskType

    config = LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
    )
    model.add_adapter(config)


def _merge_lora(model: Any) -> Any:
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
