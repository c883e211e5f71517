"""What is on a card now: cards from nvidia-smi, and Ollama's loaded models."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rag.planning.card import in_gb

MIB = 1 << 20
PATIENCE = 5.0  # seconds; a driver that hangs must not hang the command
QUERY = ["--query-gpu=name,memory.total,memory.used", "--format=csv,noheader,nounits"]


@dataclass(frozen=True, slots=True)
class Card:
    """A graphics card; ``total`` and ``used`` memory in bytes.

    >>> Card("NVIDIA GeForce RTX 3060", total=12_288 << 20, used=512 << 20).gb
    12
    """

    name: str
    total: int
    used: int

    @property
    def gb(self) -> float:
        """The card's nominal size in GB."""
        return round(self.total / (1 << 30))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that Ollama has loaded.

    >>> Loaded("qwen3:8b", size=6_000_000_000, on_card=3_000_000_000, context=8192).words()
    "3.0 GB of 6.0 GB of 'qwen3:8b' are on the card (50%)"

    Args:
        size: bytes of the model.
        on_card: how many of them are on a card.
        context: tokens of its context window; None if unknown.
    """

    name: str
    size: int
    on_card: int
    context: int | None

    @property
    def whole(self) -> bool:
        return self.on_card >= self.size

    def words(self) -> str:
        """Return a sentence about where it is."""
        if not self.on_card:
            return f"'{self.name}' ({in_gb(self.size)}) runs on the processor only"
        if self.whole:
            return f"'{self.name}' ({in_gb(self.size)}) is entirely on the card"
        share = self.on_card / self.size
        return f"{in_gb(self.on_card)} of {in_gb(self.size)} of '{self.name}' are on the card ({share:.0%})"


def cards() -> list[Card]:
    """Return this machine's NVIDIA cards; [] if nvidia-smi is missing or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        done = subprocess.run([program, *QUERY], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return read_cards(done.stdout) if done.returncode == 0 else []


def read_cards(printed: str) -> list[Card]:
    """Parse what nvidia-smi printed; lines of another form ("[N/A]" for a part of a card) are skipped.

    >>> read_cards("NVIDIA GeForce RTX 3060, 12288, 512")[0].gb
    12
    """
    found = []
    for line in printed.splitlines():
        parts = [part.strip() for part in line.rsplit(",", 2)]
        if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
            found.append(Card(parts[0], int(parts[1]) * MIB, int(parts[2]) * MIB))
    return found


def read_ollama(answer: Mapping[str, Any]) -> list[Loaded]:
    """Parse the answer of Ollama's ``/api/ps``.

    >>> read_ollama({"models": [{"name": "qwen3:8b", "size": 6_000_000_000, "size_vram": 6_000_000_000}]})[0].whole
    True
    """
    models = answer.get("models")
    found = []
    for one in models if isinstance(models, list) else []:
        size, on_card = one.get("size"), one.get("size_vram", 0)
        if isinstance(size, int) and size > 0:
            context = one.get("context_length")
            name = str(one.get("name") or one.get("model"))
            found.append(Loaded(name, size, int(on_card or 0), context if isinstance(context, int) else None))
    return found
