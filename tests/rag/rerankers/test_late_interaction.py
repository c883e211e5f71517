"""The multi-vector head as a reranker, against FlagEmbedding on a tiny checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from llama_index.core.schema import NodeWithScore, TextNode

from eval.bench.checkpoints import bge_m3_checkpoint
from indexes.encoders.bge_m3 import BgeM3
from indexes.errors import EncoderError
from indexes.settings.sections import EncoderSettings
from rag.rerankers.late_interaction import LateInteraction
from tests.rag.rerankers.rerank_fixtures import PASSAGES, QUESTIONS

LONG = "The ferry leaves twice a day. " * 60


def encoder(folder: Path, **more: object) -> BgeM3:
    return BgeM3(EncoderSettings.model_validate({"model": str(folder), "device": "cpu", "dtype": "float32"} | more))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("m3") / "model"
    bge_m3_checkpoint(target, PASSAGES * 3, hidden=32, heads=2, vocabulary=200, positions=130)
    return target


@pytest.mark.parametrize("batch_tokens", [64, 4096])
def test_vectors_and_scores_are_flag_embeddings(folder: Path, batch_tokens: int) -> None:
    from FlagEmbedding import BGEM3FlagModel

    theirs = BGEM3FlagModel(str(folder), use_fp16=False, devices="cpu")
    texts = ["", *PASSAGES, LONG]
    expected = theirs.encode([*QUESTIONS, *texts], return_dense=False, return_colbert_vecs=True, max_length=128)
    ours = encoder(folder, batch_tokens=batch_tokens)
    found, cut = ours.token_vectors([*QUESTIONS, *texts], query=False)
    assert cut == (len(QUESTIONS) + len(texts) - 1,)
    for one, other in zip(found, expected["colbert_vecs"], strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)
    reranker = LateInteraction(ours)
    for question, asked in zip(QUESTIONS, expected["colbert_vecs"], strict=False):
        scores = reranker.score(question, texts)
        wanted = [float(theirs.colbert_score(asked, other)) for other in expected["colbert_vecs"][len(QUESTIONS) :]]
        np.testing.assert_allclose(scores.raw, wanted, atol=2e-6)
        assert scores.raw.std() > 0.001 and scores.truncated == (len(texts) - 1,)
        assert (scores.probability >= 0).all() and (scores.probability <= 1).all()


def test_it_orders_nodes_and_gives_nothing_for_nothing(folder: Path) -> None:
    ours = encoder(folder)
    reranker = LateInteraction(ours)
    nodes = [NodeWithScore(node=TextNode(id_=str(i), text=text)) for i, text in enumerate(PASSAGES[:6])]
    found = reranker.postprocess_nodes(nodes, query_str=PASSAGES[3])
    assert found[0].node.node_id == "3"  # a text is nearest to itself
    assert len(reranker.score("anything", [])) == 0
    assert ours.token_vectors([], query=True) == ([], ())


def test_a_checkpoint_without_the_head_still_encodes(folder: Path, tmp_path: Path) -> None:
    half = Path(shutil.copytree(folder, tmp_path / "half"))
    (half / "colbert_linear.pt").unlink()
    ours = encoder(half)
    assert ours.encode_documents(["The ferry"]).dense.shape == (1, 32)
    with pytest.raises(EncoderError, match=r"no colbert_linear\.pt, so it has no multi-vector head"):
        LateInteraction(ours).score("ferry?", ["The ferry"])
    (half / "colbert_linear.pt").write_bytes(b"no tensors")
    with pytest.raises(EncoderError, match=r"the multi-vector head .* cannot be read"):
        LateInteraction(ours).score("ferry?", ["The ferry"])
