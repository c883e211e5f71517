"""Train with sentence-transformers: arguments, checkpoints, the best of them, the loss curve."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from eval.finetune.training.loss_curve import DEV, Trained, curve_callback, exhausted, never_better
from eval.finetune.training.options import Training
from eval.finetune.training.together import follows, local_rank, processes, wait_for_all
from eval.ticks import Tick
from indexes.display import counted
from indexes.encoders.torch_runtime import choose_device, choose_dtype, quiet_loading
from indexes.errors import RagWrightError

Rows = Mapping[str, list[Any]]


@dataclass(frozen=True)
class TrainingFolder:
    """The places of a training: the run's folder, and in it the model, the loss curve and the checkpoints.

    >>> TrainingFolder(Path("tuned"), Path("tuned/model")).checkpoint_folder.as_posix()
    'tuned/checkpoints'
    """

    folder: Path
    model: Path
    curve: str = "loss.csv"
    checkpoints: str = "checkpoints"

    @property
    def checkpoint_folder(self) -> Path:
        """The folder of the checkpoints."""
        return self.folder / self.checkpoints


def own_device(device: str, *, error: type[RagWrightError]) -> Any:
    """Return the device for training in this process; under torchrun, each process has its own card."""
    import torch

    chosen = choose_device(device, error=error)
    if chosen.type == "cuda" and processes() > 1:
        torch.cuda.set_device(local_rank())
        return torch.device("cuda", local_rank())
    return chosen


@dataclass(frozen=True)
class Begin:
    """Where a training begins: the checkpoint to resume from, and whether the training had ended there.

    The first process decides, since the others may already see new files.
    """

    checkpoint: str | None = None
    ended: bool = False


def beginning(place: TrainingFolder, patience: int, *, measured: bool) -> Begin:
    """Return where to begin, given the checkpoints of an earlier call."""
    from transformers.trainer_utils import get_last_checkpoint

    where = place.checkpoint_folder
    checkpoint = get_last_checkpoint(str(where)) if where.is_dir() else None
    return Begin(checkpoint, measured and _ended_state(checkpoint, patience) is not None)


def trainer_arguments(
    kind: type,
    options: Training,
    place: Path,
    *,
    batch: int,
    every: int,
    log_at_most: int,
    error: type[RagWrightError],
    measured: bool = True,
    **more: Any,
) -> Any:
    """Return the arguments of a sentence-transformers trainer.

    Args:
        kind: class of the arguments.
        place: folder for checkpoints.
        batch: rows per batch; ``options.accumulate`` batches make a step.
        every: batches between two evaluations on dev, each with a checkpoint; the first one is before training.
        log_at_most: maximum number of steps between two rows of the loss curve.
        error: error to raise if the device does not exist.
        measured: whether there are dev questions; without them, the last step is used.
    """
    import torch

    device = own_device(options.device, error=error)
    dtype = choose_dtype(options.dtype, device, error=error)
    every = max(1, -(-every // (options.accumulate * processes())))  # steps
    dev = {
        "eval_strategy": "steps",
        "eval_steps": every,
        "eval_on_start": True,
        "load_best_model_at_end": True,
        "metric_for_best_model": f"eval_{DEV}",
        "greater_is_better": True,
    }
    return kind(
        output_dir=str(place),
        per_device_train_batch_size=batch,
        per_device_eval_batch_size=batch,
        gradient_accumulation_steps=options.accumulate,
        learning_rate=options.lr,
        warmup_steps=options.warmup,
        weight_decay=options.weight_decay,
        bf16=dtype is torch.bfloat16,
        fp16=dtype is torch.float16,
        use_cpu=device.type == "cpu",
        ddp_backend="gloo" if device.type == "cpu" and processes() > 1 else None,
        seed=options.seed,
        data_seed=options.seed,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        logging_strategy="steps",
        logging_steps=max(1, min(log_at_most, every // 2)),
        disable_tqdm=True,
        report_to=[],
        dataloader_pin_memory=False,
        **(dev if measured else {}),
        **more,
    )


def fit(
    kind: type,
    model: Any,
    arguments: Any,
    rows: Any,
    loss: Any,
    evaluator: Any,
    place: TrainingFolder,
    *,
    max_tokens: int | None,
    patience: int,
    notes: list[str],
    curve_epochs: float = 1,
    callbacks: Sequence[Any] = (),
    finish: Callable[[Any], Any] = lambda model: model,
    progress: Tick | None = None,
    begin: Begin,
) -> Trained:
    """Train, and save the checkpoint that is best on dev to ``place.model`` (float32, safetensors).

    An interrupted call is resumed from its checkpoints. If several processes train, the first one saves.

    Args:
        kind: the trainer's class.
        evaluator: computes ``DEV``; None: the last step is used.
        max_tokens: maximum number of tokens per text in training; the saved model keeps its own limit.
        callbacks: further callbacks of the trainer.
        finish: function applied to the trained model before it is saved.
    """
    from transformers.trainer_callback import PrinterCallback

    class Trainer(kind):  # type: ignore[misc, valid-type]
        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            """Add none: it counts tokens and draws examples for a card that is not used; ours comes with the proof."""

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            """Save a checkpoint without such a card, which takes half a second."""
            self.model.save_pretrained = partial(self.model.save_pretrained, create_model_card=False)
            try:
                super()._save(output_dir, state_dict)
            finally:
                del self.model.save_pretrained

    longest = model.max_seq_length
    model.max_seq_length = min(max_tokens or longest, longest)
    curve = curve_callback(
        place.folder / place.curve, patience if evaluator is not None else 0, progress, epochs=curve_epochs
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        loss=loss,
        evaluator=evaluator,
        callbacks=[curve, *callbacks],
    )
    trainer.remove_callback(PrinterCallback)  # we have our own progress bar
    ended = _ended_state(begin.checkpoint, patience) if begin.ended else None
    with quiet():
        if ended is None:
            trainer.train(resume_from_checkpoint=begin.checkpoint)
            wait_for_all()  # all processes have read the best checkpoint
        elif not follows():  # killed after the last step: only load the best checkpoint
            trainer.state = ended
            curve.take(ended)
            trainer._load_from_checkpoint(ended.best_model_checkpoint)
        if follows():
            return Trained(curve=[], best_step=0, best_dev=0.0, first_dev=0.0, steps=0, notes=[])
        model = finish(model)
        model.max_seq_length = longest
        shutil.rmtree(place.model, ignore_errors=True)  # left by a call that was killed while saving
        model.save_pretrained(str(place.model), create_model_card=False)
    steps, best = int(trainer.state.global_step), trainer.state.best_model_checkpoint
    return Trained(
        curve=curve.rows,
        best_step=steps if evaluator is None else int(best.rpartition("-")[2]) if best else 0,
        best_dev=float(trainer.state.best_metric or 0.0),
        first_dev=next((row["dev"] for row in curve.rows if "dev" in row), 0.0),
        steps=steps,
        notes=[*notes, *_together(arguments), *never_better(curve.rows)],
    )


def _together(arguments: Any) -> list[str]:
    """Return a note if several processes trained."""
    count = processes()
    if count == 1:
        return []
    rows = arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps
    return [f"{counted(count, 'process')} trained together, so each step has {counted(count * rows, 'row')}"]


def _ended_state(checkpoint: str | None, patience: int) -> Any:
    """Return the trainer's state if the training had ended, else None."""
    from transformers.trainer_callback import TrainerState

    if checkpoint is None:
        return None
    state = TrainerState.load_from_json(str(Path(checkpoint) / "trainer_state.json"))
    done = state.global_step >= state.max_steps or exhausted(state.log_history, patience)
    return state if done and state.best_model_checkpoint and Path(state.best_model_checkpoint).is_dir() else None


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' bars, and both libraries' warnings about what is new on purpose and checkpoints' times."""
    from transformers.utils import logging as library

    verbosity = library.get_verbosity()
    library.set_verbosity_error()
    loading = logging.getLogger("sentence_transformers.base.model")  # says that an encoder becomes a cross-encoder
    level = loading.level
    loading.setLevel(logging.ERROR)
    try:
        with quiet_loading():
            yield
    finally:
        loading.setLevel(level)
        library.set_verbosity(verbosity)


def reason_of(error: Exception) -> str:
    """Return the type of an error and the first line of its text.

    >>> reason_of(ValueError("bad shape\\nmore"))
    'ValueError: bad shape'
    """
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}"


# Errors of loading a folder that is not a model of the expected kind.
UNLOADABLE = (OSError, ValueError, KeyError, RuntimeError, AttributeError, ImportError)
