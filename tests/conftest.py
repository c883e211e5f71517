"""Fixtures for all rooms: small settings, and the packaged models loaded once."""

from __future__ import annotations

import os

# Before torch is imported: several test processes on two cores only slow each other down with more threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
