"""Checks of this machine and the configured servers, each with the command that fixes what is wrong."""

from rag.doctor.check import Check, Probe
from rag.doctor.run import examine

__all__ = ["Check", "Probe", "examine"]
