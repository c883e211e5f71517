"""Race: sentences read in batches, as ingestion reads them, by our network and by other runtimes.

All take turns over the same batches. Contestants whose package is not installed are left out (`pip install -e
'.[bench]'` brings them); torch.compile needs a C++ compiler. Cosines are with transformers in float32, of mean vectors.

    python -m eval.bench batches
"""

from __future__ import annotations

import importlib.util
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bench.corpus import documents
from eval.bench.timing import Facts, Rows, alternate, command, ratio
from eval.finetune.training.options import option
from indexes.encoders.networks.bert import Bert, bert_of
from indexes.encoders.torch_runtime import cpu_computes_bfloat16

LIBRARY = "transformers"
INPUTS = ("input_ids", "attention_mask", "token_type_ids")

Batch = dict[str, Any]  # int64 tensors (texts, tokens)
Read = Callable[[Batch], Any]  # token states (texts, tokens, width)


@dataclass(frozen=True)
class Options:
    """Options of the race."""

    sentences: int = option(256, "sentences that are read")
    batch: int = option(32, "sentences of a batch")
    rounds: int = option(2, "turns of each")
    threads: int = option(1, "threads of each runtime")


def installed(package: str) -> bool:
    """Return whether a package can be imported.

    >>> installed("json"), installed("no_such_runtime")
    (True, False)
    """
    return importlib.util.find_spec(package) is not None


def by_torch(model: Any, options: Options) -> Iterator[tuple[str, Read]]:
    """Yield our network, in bfloat16 too if the processor computes in it, and torch.compile."""
    import torch

    for dtype in ["float32", *(["bfloat16"] if cpu_computes_bfloat16() else [])]:
        ours = bert_of(model)
        assert ours is not None  # noqa: S101
        ours.to(getattr(torch, dtype), torch.device("cpu"))
        yield f"ours, {dtype}", partial(_states_of_ours, ours)
    compiled = torch.compile(model, dynamic=True)
    yield "torch.compile", lambda batch: compiled(**batch).last_hidden_state


def by_onnx(model: Any, folder: Path, batch: Batch, options: Options) -> Iterator[tuple[str, Read]]:
    """Yield ONNX Runtime in float32 and with 8-bit weights, and OpenVINO, as far as they are installed."""
    import torch

    if not installed("onnx"):
        return
    path = folder / "model.onnx"

    class States(torch.nn.Module):
        """The model with its token states as the one output."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Any, mask: Any, kinds: Any) -> Any:
            """Return the token states."""
            return self.model(input_ids=ids, attention_mask=mask, token_type_ids=kinds).last_hidden_state

    axes = {name: {0: "texts", 1: "tokens"} for name in (*INPUTS, "states")}
    torch.onnx.export(
        States(),
        tuple(batch[name] for name in INPUTS),
        str(path),
        input_names=list(INPUTS),
        output_names=["states"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    if installed("onnxruntime"):
        from onnxruntime import InferenceSession, SessionOptions
        from onnxruntime.quantization import QuantType, quantize_dynamic

        small = folder / "int8.onnx"
        quantize_dynamic(path, small, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
        for name, file in (("float32", path), ("int8", small)):
            how = SessionOptions()
            how.intra_op_num_threads = options.threads
            session = InferenceSession(str(file), how, providers=["CPUExecutionProvider"])
            yield f"ONNX Runtime, {name}", partial(_states, session)
    if installed("openvino"):
        import openvino

        limits = {"INFERENCE_NUM_THREADS": options.threads, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(str(path), "CPU", limits)
        request = compiled.create_infer_request()
        yield "OpenVINO, float32", lambda batch: request.infer(_arrays(batch))[compiled.output(0)].copy()


def _states_of_ours(network: Bert, batch: Batch) -> Any:
    return network(batch["input_ids"], batch["attention_mask"]).float()


def _arrays(batch: Batch) -> dict[str, NDArray[np.int64]]:
    return {name: batch[name].numpy() for name in INPUTS}


def _states(session: Any, batch: Batch) -> Any:
    return session.run(None, _arrays(batch))[0]


def means(read: Read, batches: list[Batch]) -> NDArray[np.float32]:
    """Return the unit mean vectors of all texts (texts, width)."""
    rows = []
    for batch in batches:
        mask = batch["attention_mask"].numpy()[..., None]
        rows.append((np.asarray(read(batch)) * mask).sum(axis=1))
    made = np.concatenate(rows)
    unit: NDArray[np.float32] = made / np.linalg.norm(made, axis=1, keepdims=True)
    return unit


def race(options: Options) -> tuple[Rows, Facts]:
    """Run the race, and return a row per runtime."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from indexes.encoders.packaged.minilm import packaged_folder

    folder = str(packaged_folder())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    plain = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()  # the form that can be exported
    text = " ".join(documents(options.sentences))
    texts = sorted(re.split(r"(?<=[.!?])\s+", text), key=len)[-options.sentences :]
    batches = [
        dict(tokenizer(texts[start : start + options.batch], padding=True, return_tensors="pt"))
        for start in range(0, len(texts), options.batch)
    ]
    with tempfile.TemporaryDirectory() as place, torch.inference_mode():
        contestants: dict[str, Read] = {LIBRARY: lambda batch: model(**batch).last_hidden_state}
        contestants |= by_torch(model, options)
        with torch.inference_mode(False):
            contestants |= by_onnx(plain, Path(place), batches[-1], options)
        truth = means(contestants[LIBRARY], batches)
        seconds = alternate({name: partial(means, one, batches) for name, one in contestants.items()}, options.rounds)
        rows: list[dict[str, object]] = []
        for name, one in contestants.items():
            cosines = (means(one, batches) * truth).sum(axis=1)
            rows.append(
                {
                    "contestant": name,
                    "sentences_per_cpu_s": round(len(texts) / min(seconds[name])),
                    "times_faster": round(ratio(seconds, LIBRARY, name), 2),
                    "cosine_lowest": round(float(cosines.min()), 4),
                    "cosine_mean": round(float(cosines.mean()), 4),
                }
            )
    missing = [name for name in ("onnx", "onnxruntime", "openvino") if not installed(name)]
    tokens = sum(int(batch["attention_mask"].sum()) for batch in batches)
    facts: dict[str, object] = {"sentences": len(texts), "tokens": tokens, "rounds": options.rounds}
    if missing:
        facts["not_installed"] = ", ".join(missing)
    return rows, facts


main = command(Options, race)
