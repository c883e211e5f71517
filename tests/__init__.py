"""Tests mirror the packages: what tests ``indexes.store.fusion`` stands in ``tests/indexes/store/test_fusion.py``."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
