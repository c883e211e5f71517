"""Train with sentence-transformers' trainer, our losses and our dev measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from eval.finetune.embedder.options import EmbedderOptions
from eval.finetune.embedder.rows import NEGATIVE, POSITIVE, QUESTION, DevPool
from eval.finetune.training import together
from eval.finetune.training.loss_curve import DEV, Trained
from eval.finetune.training.trainer import (
    UNLOADABLE,
    Begin,
    Rows,
    TrainingFolder,
    beginning,
    fit,
    own_device,
    quiet,
    reason_of,
    trainer_arguments,
)
from eval.ticks import Tick
from indexes.encoders.prompts import choose_prompts
from indexes.errors import EncoderError

KIND = "embedder"


def load_base(folder: Path, name: str, options: EmbedderOptions) -> Any:
    """Load the base as a SentenceTransformer, and set the prompts that serving will use.

    Raises:
        EncoderError: it cannot be loaded.
    """
    from sentence_transformers import SentenceTransformer

    from indexes.encoders.sentence_transformer import _remembered_name, checkpoint_prompts

    model = load_as(
        SentenceTransformer,
        folder,
        name,
        options.device,
        what="a sentence-transformers model",
        remedy="name the folder with modules.json or config.json, weights and tokenizer",
    )
    prompts = choose_prompts(
        [name, _remembered_name(folder)],
        checkpoint=checkpoint_prompts(model.prompts, model.default_prompt_name),
        query=options.query_prompt,
        document=options.document_prompt,
    )
    model.prompts = dict(prompts) if any(prompts.values()) else {}
    model.default_prompt_name = None
    return model


def load_as(kind: Callable[..., Any], folder: Path, name: str, device: str, *, what: str, remedy: str) -> Any:
    """Load a folder as a class of sentence-transformers, in float32, without running code that it brings.

    Args:
        kind: SentenceTransformer or SparseEncoder.
        what, remedy: of the error.

    Raises:
        EncoderError: it cannot be loaded.
    """
    from indexes.encoders.loading.probe import refuse_code

    refuse_code(folder, name, trusted=False, section="encoder")
    where = own_device(device, error=EncoderError)
    try:
        with quiet():
            model = kind(str(folder), device=str(where), local_files_only=True, trust_remote_code=False)
    except UNLOADABLE as error:
        reason = reason_of(error)
        raise EncoderError(f"'{name}' ({folder}) cannot be loaded as {what} ({reason})", remedy=remedy) from error
    return model.float()


def train(
    base: Path,
    name: str,
    rows: Mapping[str, Rows],
    pool: DevPool,
    place: TrainingFolder,
    options: EmbedderOptions,
    *,
    progress: Tick | None = None,
    begin: Begin | None = None,
) -> Trained:
    """Train, and save the checkpoint that is best on dev (see ``training.trainer.fit``).

    Args:
        base: folder of the base model.
        rows: kind of example -> rows for the trainer; each batch has one kind. Kinds with a column "label" are
            distilled.
        pool: texts to compare checkpoints on.
        begin: where the first process begins, in a process that takes part.

    Raises:
        EncoderError, SettingsError: the model cannot be loaded, or does not support an option.
    """
    from sentence_transformers import SentenceTransformerTrainer
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from sentence_transformers.util import cos_sim
    from transformers.trainer_utils import set_seed

    from eval.finetune.embedder.losses import losses_of

    begin = begin or beginning(place, options.patience, measured=True)
    given = {"base": base, "name": name, "rows": rows, "pool": pool, "place": place, "options": options}
    together.hand_over(place.folder, KIND, given | {"begin": begin})
    set_seed(options.seed)
    model = load_base(base, name, options)
    if options.lora:
        _add_lora(model, options.lora)
    arguments = arguments_of(model, rows, place.checkpoint_folder, options)
    evaluates = (InformationRetrievalEvaluator, ("cosine", cos_sim))
    return fit(
        SentenceTransformerTrainer,
        model,
        arguments,
        datasets_of(rows),
        losses_of(model, rows, options),
        dev_evaluator(*evaluates, pool, model.prompts, bfloat16=arguments.bf16),
        place,
        max_tokens=options.max_tokens,
        patience=options.patience,
        notes=pool.notes,
        finish=_merge_lora if options.lora else lambda trained: trained,
        progress=progress,
        begin=begin,
    )


def arguments_of(
    model: Any, rows: Mapping[str, Rows], checkpoints: Path, options: Any, *, kind: type | None = None
) -> Any:
    """Return the trainer's arguments, of the class ``kind`` (default: that of SentenceTransformers)."""
    from sentence_transformers import SentenceTransformerTrainingArguments
    from sentence_transformers.base.sampler import BatchSamplers

    steps = sum(-(-len(kind[QUESTION]) // options.batch) for kind in rows.values())  # per epoch
    columns = {QUESTION: "query", POSITIVE: "document", **{NEGATIVE.format(i): "document" for i in range(1, 65)}}
    prompts = {column: model.prompts[kind] for column, kind in columns.items() if model.prompts.get(kind)}
    return trainer_arguments(
        kind or SentenceTransformerTrainingArguments,
        options,
        checkpoints,
        batch=options.batch,
        every=max(1, -(-steps // options.evaluations)),
        log_at_most=10,
        error=EncoderError,
        num_train_epochs=options.epochs,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        prompts=prompts or None,
    )


def datasets_of(rows: Mapping[str, Rows]) -> Any:
    """Return the rows as datasets, one per kind."""
    from datasets import Dataset, DatasetDict, disable_progress_bars

    disable_progress_bars()
    return DatasetDict({kind: Dataset.from_dict(dict(table)) for kind, table in rows.items()})


def dev_evaluator(
    kind: type,
    similarity: tuple[str, Callable[[Any, Any], Any]],
    pool: DevPool,
    prompts: Mapping[str, str | None],
    *,
    bfloat16: bool,
) -> Any:
    """Return an evaluator: nDCG@10 of the dev questions over the pool, measured by sentence-transformers.

    Texts are encoded in the training's number format, and compared in float32.

    Args:
        kind: class of the evaluator.
        similarity: name of the similarity of texts, and its function.
    """
    import torch

    class DevEvaluator(kind):  # type: ignore[misc, valid-type]
        def __call__(self, model: Any, *arguments: Any, **options: Any) -> dict[str, float]:
            was_training = model.training
            found = super().__call__(model, *arguments, **options)
            model.train(was_training)
            return {DEV: float(found[f"{similarity[0]}_ndcg@10"])}

        def embed_inputs(self, model: Any, *arguments: Any, **options: Any) -> Any:
            with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=bfloat16):
                found: Any = super().embed_inputs(model, *arguments, **options)
            return found.float()

    found = DevEvaluator(
        dict(pool.questions),
        dict(pool.texts),
        {query: set(judged) for query, judged in pool.qrels.items()},
        accuracy_at_k=[10],
        precision_recall_at_k=[10],
        map_at_k=[10],
        batch_size=16,
        write_csv=False,
        score_functions=dict([similarity]),
        query_prompt=prompts.get("query") or None,
        corpus_prompt=prompts.get("document") or None,
    )
    found.primary_metric = DEV
    return found


def _add_lora(model: Any, rank: int) -> None:
    """Add LoRA adapters to a SentenceTransformer, and freeze the other weights."""
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
    """Merge the adapters into the weights, so that an ordinary checkpoint is saved."""
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
