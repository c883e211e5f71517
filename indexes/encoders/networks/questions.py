"""Choose the network for single questions: the fastest that gives the same vectors, measured once per machine."""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from indexes.encoders.networks.bert import Bert
from indexes.encoders.networks.packed import PACK, WORTH, Runtime, packed, weights_in_layers
from indexes.errors import EncoderError
from indexes.files import write_json
from indexes.folders import user_folder

if TYPE_CHECKING:
    import torch

N = TypeVar("N")
FILE = "question_runtimes.json"  # in the user's cache
ALONE = 1  # token budget of a batch: one question each, so that none depends on others
EQUAL = 0.999  # lowest cosine to the vectors of the network for sentences
GAIN = 1.1  # speed-up required to replace it
SECONDS = 1.0  # time of measuring, after the first round
ROUNDS = 5
KERNELS = (RuntimeError, NotImplementedError, AttributeError)  # raised by a torch built without the kernels
PROBES = (
    "which model reads the pages",
    "How long may a visitor stay in the harbour after the ferry of 21:30 has left?",
    "refund for damaged goods",
    "苹果每斤三元，梨论筐卖，一共要多少钱？",
    "What did the committee of 1987 decide about vitamin D in milk, and on whose advice?",
    "python list comprehension with two conditions",
    "谁在什么时候修建了这座桥",
    "ERR_4711",
)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """Measurement of a runtime with the probes.

    Args:
        ms: milliseconds per question: mean over the probes of the fastest run of each.
        cosine: lowest and mean cosine of its vectors with those of the network for sentences.
    """

    runtime: str
    ms: float
    cosine: float
    mean: float


class QuestionNetwork(Generic[N]):
    """The network for questions, chosen with the first one. The caller must hold the model's lock.

    >>> def unused(*_):
    ...     return []
    >>> ask = QuestionNetwork("torch", "the model", bert=unused, by=unused, read=unused, model="demo", key=unused)
    >>> ask(), ask.runtime, ask.kind
    ('the model', 'torch', 'q')

    Args:
        wanted: ``encoder.question_runtime``; a runtime named there is created at once.
        plain: the model for sentences.
        bert: returns its network; None if it is not a ``Bert``, or not on the processor.
        by: returns the model with another network.
        read: returns the dense and sparse vectors of one question.
        model: name for messages.
        key: returns the key under which a measurement is stored (``machine_key``).

    Raises:
        EncoderError: the named runtime does not work with this model, or on this machine.
    """

    def __init__(
        self,
        wanted: str,
        plain: N,
        *,
        bert: Callable[[], Bert | None],
        by: Callable[[Bert], N],
        read: Callable[[N, str], Sequence[NDArray[np.float32]]],
        model: str,
        key: Callable[[], str],
    ) -> None:
        self._wanted, self._plain, self._bert, self._by = wanted, plain, bert, by
        self._read, self._model, self._key = read, model, key
        self._chosen: N | None = None
        self.runtime: Runtime | None = None  # the one in use; None before the first question
        if wanted != "auto":
            self()

    @property
    def kind(self) -> str:
        """Kind of cached questions: a separate one for 8 bits, the same for all others, whose vectors are equal."""
        return question_kind(self._wanted)

    def __call__(self, questions: int = 1) -> N:
        """Return the model for a number of questions: several are faster in a batch, if the vectors are equal."""
        if questions > 1 and self.kind == question_kind("auto"):
            return self._plain
        if self._chosen is None:
            self._chosen, self.runtime = self._named() if self._wanted in PACK else self._choose()
        return self._chosen

    def _named(self) -> tuple[N, Runtime]:
        runtime = _runtime(self._wanted)
        remedy = "set encoder.question_runtime = 'auto' or 'torch'"
        network = self._bert()
        if network is None:
            raise EncoderError(
                f"encoder.question_runtime = '{runtime}', but '{self._model}' is not a BERT or XLM-R network on the "
                "processor",
                remedy=remedy,
            )
        try:
            return self._by(packed(network, runtime)), runtime
        except KERNELS as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise EncoderError(
                f"encoder.question_runtime = '{runtime}' does not run on this machine ({reason})", remedy=remedy
            ) from error

    def _choose(self) -> tuple[N, Runtime]:
        plain: tuple[N, Runtime] = self._plain, "torch"
        found = remembered(self._key()) if self._wanted == "auto" else None
        if self._wanted == "torch" or (found is not None and fastest(found) == "torch"):
            return plain
        network = self._bert()
        if network is None or weights_in_layers(network) < WORTH:
            return plain
        networks: dict[Runtime, N] = {"torch": self._plain}
        for runtime in map(_runtime, PACK) if found is None else (fastest(found),):
            with suppress(*KERNELS):
                networks[runtime] = self._by(packed(network, runtime))
        if found is None:
            found = measure(networks, self._read)
            remember(self._key(), found)
            _LOG.debug("questions of %s: %s", self._model, found)
        chosen = fastest(found)
        return (networks[chosen], chosen) if chosen in networks else plain


def question_kind(wanted: str) -> str:
    """Return the kind of cached questions for a value of ``encoder.question_runtime``.

    >>> question_kind("auto"), question_kind("int8")
    ('q', 'q:int8')
    """
    return "q:int8" if wanted == "int8" else "q"


def measure(
    networks: Mapping[Runtime, N],
    read: Callable[[N, str], Sequence[NDArray[np.float32]]],
    *,
    probes: Sequence[str] = PROBES,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Measured]:
    """Measure each runtime with the probes; runtimes that fail are left out.

    >>> ticks = iter(range(1000))
    >>> vector = np.ones(2, np.float32)
    >>> measure({"torch": "plain"}, lambda network, text: [vector], probes=["rain"], clock=lambda: next(ticks) / 1000)
    [Measured(runtime='torch', ms=1.0, cosine=1.0, mean=1.0)]

    Args:
        networks: "torch", and others to compare with it.
    """
    vectors: dict[Runtime, list[Sequence[NDArray[np.float32]]]] = {}
    for runtime, network in networks.items():  # also a warm-up: the first use takes longer
        with suppress(*KERNELS):
            vectors[runtime] = [read(network, probe) for probe in probes]
    best = {runtime: [float("inf")] * len(probes) for runtime in vectors}
    started = clock()
    for turn in range(ROUNDS):
        if turn and clock() - started > SECONDS:
            break
        for place, probe in enumerate(probes):
            for runtime, times in best.items():
                before = clock()
                read(networks[runtime], probe)
                times[place] = min(times[place], clock() - before)
    truth = vectors["torch"]
    found = []
    for runtime, times in best.items():
        cosines = [
            _cosine(*pair) for rows in zip(truth, vectors[runtime], strict=True) for pair in zip(*rows, strict=True)
        ]
        ms = 1000 * sum(times) / len(times)
        found.append(Measured(runtime, round(ms, 3), round(min(cosines), 5), round(float(np.mean(cosines)), 5)))
    return found


def fastest(found: Sequence[Measured]) -> Runtime:
    """Return the fastest runtime of equal quality; "torch" if no other gains enough.

    >>> plain, int8 = Measured("torch", 9.0, 1.0, 1.0), Measured("int8", 4.0, 0.98, 0.99)
    >>> fastest([plain, int8, Measured("packed", 6.0, 1.0, 1.0)])
    'packed'
    >>> fastest([plain, int8, Measured("packed", 8.7, 1.0, 1.0)])
    'torch'
    """
    plain = next(one for one in found if one.runtime == "torch")
    equal = [one for one in found if one.cosine >= EQUAL and one.ms * GAIN <= plain.ms]
    return _runtime(min(equal, key=lambda one: one.ms, default=plain).runtime)


def _runtime(name: str) -> Runtime:
    return next(runtime for runtime in get_args(Runtime) if runtime == name)


def machine_key(weights: str, dtype: torch.dtype) -> str:
    """Return the key of a measurement: weights, number format, version of torch and machine."""
    import torch

    parts = (weights, str(dtype).removeprefix("torch."), torch.__version__, torch.get_num_threads())
    return " ".join(map(str, (*parts, platform.node(), torch.backends.cpu.get_cpu_capability())))


def remembered(key: str) -> list[Measured] | None:
    """Return the stored measurement; None if there is none."""
    try:
        found = [Measured(**one) for one in _file()[key]]
    except (KeyError, TypeError, AttributeError):  # not there, or of another version
        return None
    names = {one.runtime for one in found}
    return found if names <= set(get_args(Runtime)) and "torch" in names else None


def remember(key: str, found: Sequence[Measured]) -> None:
    """Store a measurement; if the cache cannot be written, the next process measures again."""
    with suppress(OSError):
        write_json(_path(), {**_file(), key: [asdict(one) for one in found]})


def _path() -> Path:
    return user_folder("cache") / FILE


def _file() -> dict[str, Any]:
    try:
        found = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _cosine(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    both = float(np.linalg.norm(left) * np.linalg.norm(right))
    return float(left @ right) / both if both else float(np.array_equal(left, right))
