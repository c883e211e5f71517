"""Output of the fine-tuning commands: the loss curve, and how to use the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.report.table import table

if TYPE_CHECKING:
    from eval.finetune.embedder.sides import TunedSides
    from eval.finetune.proof.proof import Proof

BARS = "▁▂▃▄▅▆▇█"
MOST_ROWS = 12


def sparkline(values: Sequence[float]) -> str:
    """Return one block character per value, scaled from the lowest to the highest.

    >>> sparkline([3.0, 2.0, 1.0])
    '█▅▁'
    """
    if not values:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in values)


def curve_text(rows: Sequence[Mapping[str, float]], dev: str = "nDCG@10") -> str:
    """Return loss and dev measure as sparklines, and a table of the rows with a dev measure.

    >>> rows = [{"step": 0, "epoch": 0.0, "dev": 0.4}, {"step": 10, "epoch": 0.5, "loss": 1.2}]
    >>> print(curve_text([*rows, {"step": 20, "epoch": 1.0, "loss": 0.8, "dev": 0.45}]))
    loss 1.2000 █▁ 0.8000
    dev nDCG@10 0.4000 ▁█ 0.4500, best 0.4500
    step  epoch    loss  dev nDCG@10
    0      0.00       -       0.4000
    20     1.00  0.8000       0.4500  best
    """
    losses = [row["loss"] for row in rows if "loss" in row]
    measured = [row for row in rows if "dev" in row]
    lines = []
    if losses:
        lines.append(f"loss {losses[0]:.4f} {sparkline(_thinned(losses))} {losses[-1]:.4f}")
    if measured:
        devs = [row["dev"] for row in measured]
        lines.append(f"dev {dev} {devs[0]:.4f} {sparkline(_thinned(devs))} {devs[-1]:.4f}, best {max(devs):.4f}")
    best = max((row["dev"] for row in measured), default=None)
    last: float | None = None
    body: list[list[object]] = []
    for row in rows:
        last = row.get("loss", last)
        if "dev" in row:
            mark = "best" if row["dev"] == best else ""
            body.append([int(row["step"]), f"{row['epoch']:.2f}", last, row["dev"], mark])
    shown = body if len(body) <= MOST_ROWS else [*body[:2], *body[-(MOST_ROWS - 2) :]]
    return "\n".join([*lines, table(("step", "epoch", "loss", f"dev {dev}", ""), shown)])


def show_use(model: Path, lines: Sequence[str], *, better: bool, seconds: Mapping[str, float] | None = None) -> None:
    """Print to stderr where the model is and, if it is better, the lines for rag.toml.

    >>> import sys
    >>> from contextlib import redirect_stderr
    >>> with redirect_stderr(sys.stdout):
    ...     show_use(Path("tuned/model"), ["[encoder]", 'provider = "sentence_transformer"'], better=True)
    <BLANKLINE>
    the model is in tuned/model; your settings are unchanged
    To use it, put these lines into rag.toml and reindex:
    [encoder]
    provider = "sentence_transformer"
    """
    from rag.cli.output import words

    words("")
    if seconds:
        words("times: " + ", ".join(f"{name} {spent:.0f} s" for name, spent in seconds.items()))
    words(f"the model is in {model}; your settings are unchanged")
    if better:
        words("To use it, put these lines into rag.toml" + (":" if lines[0] == "[rerank]" else " and reindex:"))
        for line in lines:
            words(line)


def give(found: Any, as_json: bool, show: Callable[[Any], None], proof: Proof) -> None:
    """Print a result as JSON or with ``show``; then end with the exit code for it if the model is not better.

    >>> from types import SimpleNamespace
    >>> found = SimpleNamespace(as_dict=lambda: {"model": "tuned/model"})
    >>> give(found, True, print, SimpleNamespace(require_better=lambda: None))
    {
      "model": "tuned/model"
    }
    """
    from rag.cli.output import data_json

    if as_json:
        data_json(found.as_dict())
    else:
        show(found)
    proof.require_better()


def show_sides(found: TunedSides) -> None:
    """Print the curve, the tables of each side, the deciding verdict and the lines for rag.toml."""
    from eval.finetune.proof.forgetting import MEASURES
    from eval.finetune.proof.proof import FORGETTING_HEAD, IN_DOMAIN_HEAD, forgetting_rows, in_domain_rows
    from rag.cli.output import data

    data(curve_text(found.trained.curve) + "\n")
    if found.merge is not None:
        data(found.merge.to_text() + "\n")
    for side, proof in reversed(found.proofs.items()):
        if proof is found.proof:
            continue
        data(f"{side} side: {proof.verdict}\n")
        data(f"Held-out questions of {proof.in_domain.title}\n{table(IN_DOMAIN_HEAD, in_domain_rows(proof))}\n")
        data(f"Elsewhere\n{table(FORGETTING_HEAD, forgetting_rows(proof))}\n")
    rows = [[side, *in_domain_rows(proof)[0][1:]] for side, proof in found.proofs.items()]
    data(f"{MEASURES[0]} of each side\n{table(('side', *IN_DOMAIN_HEAD[1:]), rows)}\n")
    data(f"both sides together, which decides: {found.proof.to_text()}")
    show_use(found.model, found.settings_lines, better=found.proof.better, seconds=found.seconds)


def _thinned(values: Sequence[float], most: int = 60) -> list[float]:
    """Reduce values to at most ``most`` means of neighbours."""
    if len(values) <= most:
        return list(values)
    edges = [len(values) * i // most for i in range(most + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
