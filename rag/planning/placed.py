"""What is on a card now: the card by nvidia-smi, and what Ollama says of its models' places."""

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
    """A graphics card; memory in bytes."""

    name: str
    total: int
    used: int

    @property
    def gb(self) -> float:
        """Its size as it is sold."""
        return round(self.total / (1 << 30))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that Ollama holds: bytes of it, and those of them on a card."""

    name: str
    size: int
    on_card: int
    context: int | None

    @property
    def whole(self) -> bool:
        return self.on_card >= self.size

    def words(self) -> str:
        """Say where it is."""
        if not self.on_card:
            return f"'{self.name}' ({in_gb(self.size)}) runs on the processor alone"
        if self.whole:
            return f"'{self.name}' ({in_gb(self.size)}) is on the card as a whole"
        share = self.on_card / self.size
        return f"{in_gb(self.on_card)} of {in_gb(self.size)} of '{self.name}' are on the card ({share:.0%})"


def cards() -> list[Card]:
    """Return this machine's NVIDIA cards; [] where nvidia-smi is missing or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        done = subprocess.run([program, *QUERY], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return read_cards(done.stdout) if done.returncode == 0 else []


def read_cards(printed: str) -> list[Card]:
    """Return the cards in what nvidia-smi printed; a line of another shape is left out ("[N/A]" of a part of a card).

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
    """Return the models in the answer to Ollama's ``/api/ps``."""
    models = answer.get("models")
    found = []
    for one in models if isinstance(models, list) else []:
        size, on_card = one.get("size"), one.get("size_vram", 0)
        if isinstance(size, int) and size > 0:
            context = one.get("context_length")
            name = str(one.get("name") or one.get("model"))
            found.append(Loaded(name, size, int(on_card or 0), context if isinstance(context, int) else None))
    return found
