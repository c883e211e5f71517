"""What is wrong with this machine, and the command that mends it."""

from rag.doctor.check import Check, Probe
from rag.doctor.run import examine

__all__ = ["Check", "Probe", "examine"]
