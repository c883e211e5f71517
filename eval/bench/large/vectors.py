"""Any number of realistic dense vectors: mixtures of real ones, with noise.

Gaussian vectors have no neighbourhoods: all of them are equally far apart, and a graph cannot find its way (recall
0.14, and 0.99 for vectors of texts).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from eval.bench.corpus import GUIDE

SHARES = 0.5, 0.95  # range of the first real vector's share in a mixture
NOISE = 0.35  # length of the noise, relative to the mixture
CHUNK = 10_000


def real_vectors(provider: str = "minilm") -> NDArray[np.float32]:
    """Return the vectors of the sentences of this project's English guide, by a packaged model."""
    from indexes.encoders import build_encoder
    from indexes.settings.sections import IndexSettings
    from indexes.text.sentences import split_sentences

    texts = []
    for page in sorted(GUIDE.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        texts += [text[span.start : span.end] for span in split_sentences(text)]
    settings = IndexSettings.model_validate({"encoder": {"provider": provider}})
    kept = list(dict.fromkeys(text.strip() for text in texts if len(text.strip()) > 20))
    return np.asarray(build_encoder(settings).encode_documents(kept).dense, np.float32)


def mixtures(real: NDArray[np.float32], count: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """Yield ``count`` unit vectors, in chunks: two real ones in a drawn share, and noise."""
    rng = np.random.default_rng(seed)
    dim = real.shape[1]
    for start in range(0, count, CHUNK):
        rows = min(CHUNK, count - start)
        share = rng.uniform(*SHARES, size=(rows, 1)).astype(np.float32)
        one, other = (real[rng.integers(0, len(real), rows)] for _ in range(2))
        noise = rng.standard_normal((rows, dim), dtype=np.float32) * (NOISE / np.sqrt(dim))
        made = share * one + (1 - share) * other + noise
        yield made / np.linalg.norm(made, axis=1, keepdims=True)
