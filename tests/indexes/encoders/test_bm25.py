from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from indexes.encoders.base import SparseVector
from indexes.encoders.bm25 import Bm25
from indexes.settings.sections import SparseSettings


@pytest.fixture(scope="module")
def bm25() -> Bm25:
    return Bm25()


def as_dict(vector: SparseVector) -> dict[int, float]:
    return dict(zip(vector.indices.tolist(), vector.values.tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The keepers were keeping lighthouses", ["keeper", "keep", "lighthous"]),
        ("灯塔看守写天气", ["灯塔", "看守", "写", "天气"]),
        ("用Qdrant存储向量。", ["用", "qdrant", "存储", "向量"]),
        ("ＡＢＣ１２３ ﬁsh", ["abc123", "abc", "123", "fish"]),
        ("the U.S. and the harbour's U.K. office", ["us", "harbour", "uk", "offic"]),
        ("GPT-4 log_file v2", ["gpt", "4", "gpt4", "log", "file", "logfil", "v2", "v", "2"]),
        ("Straße naïve", ["straße", "strass", "naïv", "naiv"]),
        ("的 了 and the", []),
        ("…… !? 🙂", []),
    ],
)
def test_terms(bm25: Bm25, text: str, terms: list[str]) -> None:
    assert bm25.terms(text) == terms


def test_counts_are_of_the_terms(bm25: Bm25) -> None:
    [vector] = bm25.encode_documents(["Fog, fog and the harbour; 雾天的雾"])
    expected = {zlib.crc32(term.encode()): 0.0 for term in bm25.terms("fog harbour 雾天的雾")}
    for term in bm25.terms("Fog, fog and the harbour; 雾天的雾"):
        expected[zlib.crc32(term.encode())] += 1
    assert as_dict(vector) == expected and max(expected.values()) == 2
    assert vector.indices.dtype == np.uint32 and (np.diff(vector.indices.astype(np.int64)) > 0).all()
    assert as_dict(bm25.encode_queries(["fog fog"])[0]) == {zlib.crc32(b"fog"): 2.0}
    assert len(bm25.encode_documents(["的"])[0]) == 0


def test_pooled_values_follow_the_formula() -> None:
    bm25 = Bm25(SparseSettings(k1=1.5, b=0.5, average_length=10))
    window = bm25.encode_documents(["fog over harbour", "fog horn", "的"])
    pooled = as_dict(bm25.pool(window))
    length = sum(len(bm25.terms(text)) for text in ("fog over harbour", "fog horn"))
    norm = 1.5 * (1 - 0.5 + 0.5 * length / 10)
    assert pooled[zlib.crc32(b"fog")] == pytest.approx(2 * 2.5 / (2 + norm))
    assert pooled[zlib.crc32(b"horn")] == pytest.approx(1 * 2.5 / (1 + norm))
    assert len(bm25.pool([])) == 0


def test_a_window_is_the_same_as_its_text_in_one_piece(bm25: Bm25) -> None:
    parts = ["Fog over the harbour. ", "雾笼罩着港口。", "The horn sounded."]
    whole = bm25.pool(bm25.encode_documents(["".join(parts)]))
    assert as_dict(bm25.pool(bm25.encode_documents(parts))) == pytest.approx(as_dict(whole))


def test_parameters_name_all_that_vectors_depend_on(bm25: Bm25) -> None:
    assert bm25.parameters == "bm25:v3,k1=1.2,b=0.75,average_length=80"
    assert bm25.idf and bm25.name == "bm25"


def test_threads_share_it(bm25: Bm25) -> None:
    texts = [f"walking{i} lighthouses{i} 灯塔{i}" for i in range(400)]
    expected = [as_dict(vector) for vector in Bm25().encode_documents(texts)]
    with ThreadPoolExecutor(8) as pool:
        assert [as_dict(v[0]) for v in pool.map(lambda text: bm25.encode_documents([text]), texts)] == expected
