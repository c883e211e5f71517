"""split.place and split.passage: sentences know their document and their passage, and unchanged texts stay encoded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from llama_index.core.schema import Document

from indexes import Index, build_index, open_index
from indexes.encoders.base import Encoded
from indexes.encoders.bm25 import Bm25
from indexes.encoders.cache import cached
from indexes.encoders.paired import PairedEncoder, read_passages, sentences_of
from indexes.encoders.sentence_transformer import SentenceTransformerModel
from indexes.encoders.window_pooling import mean_of, mix
from indexes.ingest.events import recipe_hash
from indexes.ingest.vector_shape import other_shape
from indexes.nodes.passages import PassageBorders, passages_of
from indexes.nodes.record import SentenceRecord
from indexes.reindexing.run import reindex
from indexes.settings.sections import EncoderSettings, IndexSettings, SplitSettings, StoreSettings
from tests.indexes.manifest.test_erasing import keys_in_cache
from tests.indexes.words_model import WordVectors
from tests.tiny_models import tiny_bert

WORDS = ["kiln", "glaze", "clay", "wheel", "bowl", "fire", "salt", "ash", "cone", "shelf", "brush", "sieve"]
SENTENCES = [f"The {a} and the {b} stand beside the {c}." for a, b, c in itertools.combinations(WORDS, 3)][:60]


class Counting(WordVectors):
    """Words' vectors, and the texts that were asked for."""

    def __init__(self) -> None:
        super().__init__(1)
        self.texts: list[str] = []

    def embed(self, texts: list[str], *, query: bool) -> Encoded:  # type: ignore[override]
        self.texts += texts
        return super().embed(texts, query=query)


def settings(store: Path, **split: object) -> IndexSettings:
    return IndexSettings(
        store=StoreSettings(path=store, quantization="none", min_free_mb=0),
        split=SplitSettings.model_validate(split),
    )


def build(source: Path | list[Document], options: IndexSettings, model: Counting) -> Index:
    model.texts.clear()
    return build_index(source, collection="c", settings=options, encoder=PairedEncoder(model, Bm25()))


def stored(index: Index, doc_id: str) -> np.ndarray:
    """The dense vectors of a document, in order."""
    points, _ = index.client.scroll(index.collection, limit=1000, with_vectors=True, with_payload=True)
    own = sorted((p for p in points if p.payload["doc_id"] == doc_id), key=lambda p: p.payload["position"])
    return np.array([p.vector["dense"] for p in own], np.float32)


@pytest.fixture
def heron() -> list[Document]:
    text = "# Heron 90\n\n## Guarantee\n\nFive years. Ask the dealer.\n"
    return [Document(id_="heron.md", text=text, metadata={"title": "Heron 90", "source": "heron.md"})]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> SentenceTransformerModel:
    path = tiny_bert(tmp_path_factory.mktemp("bert") / "model", SENTENCES, spread=0.3)
    return SentenceTransformerModel(EncoderSettings(provider="sentence_transformer", model=str(path), dtype="float32"))


def test_a_places_vector_is_added_at_its_share(tmp_path: Path, heron: list[Document]) -> None:
    model = Counting()
    with build(heron, settings(tmp_path / "plain"), model) as index:
        before = stored(index, "heron.md")
    with build(heron, settings(tmp_path / "placed", place=0.25), model) as index:
        after = stored(index, "heron.md")
        place = "Heron 90"
        assert model.texts.count(place) == 1  # once a section, not once a sentence
    row = model.embed([place], query=False).dense
    np.testing.assert_allclose(after, mix(before, row, 0.25), atol=1e-5)


def test_what_is_off_changes_no_recipe_and_what_is_on_does(tmp_path: Path) -> None:
    plain, placed = settings(tmp_path), settings(tmp_path, place=0.2)
    assert len({recipe_hash(s, "m") for s in (plain, placed, settings(tmp_path, passage=80))}) == 3
    assert recipe_hash(plain, "m") == recipe_hash(settings(tmp_path, passage_reading="once"), "m")
    assert other_shape({}, plain) == [] and other_shape({}, placed) == ["split.place = 0.0, now 0.2"]


@pytest.mark.parametrize("split", [{"place": 0.25}, {"passage": 60}])
def test_an_old_collection_is_moved_without_encoding_its_sentences_again(
    tmp_path: Path, heron: list[Document], split: dict[str, object]
) -> None:
    model, encoder = Counting(), None
    build(heron, settings(tmp_path / "s"), model).close()
    sentences = list(model.texts)
    model.texts.clear()
    encoder = PairedEncoder(model, Bm25())
    report = reindex("c", settings=settings(tmp_path / "s", **split), encoder=encoder)
    assert report.needed and report.new == "c.2" and model.texts
    assert not set(model.texts) & set(sentences)  # only places, or passages
    assert not reindex("c", settings=settings(tmp_path / "s", **split), encoder=encoder).needed
    model.texts.clear()
    fresh, moved = settings(tmp_path / "fresh", **split), settings(tmp_path / "s", **split)
    with build(heron, fresh, Counting()) as one, build(heron, moved, model) as other:
        np.testing.assert_allclose(stored(one, "heron.md"), stored(other, "heron.md"), atol=1e-5)
        assert model.texts == []


@pytest.mark.parametrize(("split", "encodes"), [({}, False), ({"place": 0.25}, True), ({"passage": 60}, True)])
def test_a_moved_folder_encodes_nothing_a_rename_what_its_name_is_part_of(
    tmp_path: Path, split: dict[str, object], encodes: bool
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "autumn_report.txt").write_text("Sales rose. Costs fell.\n\nStaff grew.", encoding="utf-8")
    options, model = settings(tmp_path / "s", **split), Counting()
    build(docs, options, model).close()
    docs = docs.rename(tmp_path / "elsewhere")
    build(docs, options, model).close()
    assert model.texts == []
    (docs / "autumn_report.txt").rename(docs / "winter_report.txt")
    build(docs, options, model).close()
    assert bool(model.texts) is encodes
    assert not {"Sales rose.", "Costs fell."} & set(model.texts)
    assert all("winter report" in text for text in model.texts)


@pytest.mark.parametrize("size", [25, 60, 200])
def test_a_changed_sentence_changes_its_passage_and_not_all_that_follow(size: int) -> None:
    def passages(sentences: list[str]) -> list[str]:
        return [
            p.text for p in passages_of([SentenceRecord("d", n, s, after=" ") for n, s in enumerate(sentences)], size)
        ]

    before = passages(SENTENCES)
    assert max(map(len, before)) <= size * 3.5 + 1 and " ".join(before) == " ".join(SENTENCES)
    new = "A brush, a much longer sieve and salt."
    others = [passages([*SENTENCES[:at], new, *SENTENCES[at + 1 :]]) for at in range(0, 50, 7)]
    changed = [len(set(other) - set(before)) for other in others]
    assert min(changed) >= 1 and sum(changed) / len(changed) <= 2


@pytest.mark.parametrize("engine", ["edge", "local"])
def test_a_hit_scores_the_mean_of_both_cosines(tmp_path: Path, heron: list[Document], engine: str) -> None:
    options, model = settings(tmp_path / "s", passage=60, place=0.5), Counting()
    options = options.model_copy(update={"store": options.store.model_copy(update={"engine": engine})})
    question = model.embed(["the guarantee of a dealer"], query=True).dense[0]
    with build(heron, options.model_copy(update={"split": SplitSettings(passage=60)}), model) as index:
        passage = next(text for text in model.texts if "Ask the dealer." in text and "Five years." in text)
        for hit in index.store.hybrid_search(question, None, limit=5):
            if hit.payload["text"] in passage:
                own, whole = model.embed([hit.payload["text"], passage], query=False).dense
                assert hit.score == pytest.approx((question @ own + question @ whole) / 2, abs=1e-3)
        assert index.store.keeps_lengths() and np.linalg.norm(stored(index, "heron.md"), axis=1).min() < 0.99
    lengths = np.linalg.norm(mix(np.array([[0.6, 0.0], [0.0, 1.0]], np.float32), np.ones((1, 2)), 0.5), axis=1)
    np.testing.assert_allclose(lengths, [0.6, 1.0], atol=1e-6)  # a place's share changes no length


def test_a_collection_of_lone_sentences_takes_no_passages(tmp_path: Path, heron: list[Document]) -> None:
    options, model = settings(tmp_path / "s", passage=60), Counting()
    rain = Document(id_="rain.md", text="It rains. It pours.", metadata={"source": "rain.md"})
    build([rain], settings(tmp_path / "s"), model).close()
    with build(heron, options, model) as index:  # sentences that join are read alone, and the report says so
        assert index.report is not None and index.report.no_passages is not None
        assert "'c' was built without passages (split.passage is 60 now)" in index.report.no_passages
        assert "rag ingest --reindex --collection c" in index.report.no_passages
        assert index.report.sentences_added and not index.store.keeps_lengths()
        np.testing.assert_allclose(np.linalg.norm(stored(index, "heron.md"), axis=1), 1.0, atol=1e-5)
    reindex("c", settings=options, encoder=PairedEncoder(model, Bm25()))
    with build(heron, options, model) as index:
        assert index.store.keeps_lengths() and model.texts == []


def test_passages_do_not_depend_on_what_else_is_in_the_run(tmp_path: Path) -> None:
    parts = {"a": SENTENCES[:9], "b": SENTENCES[9:40]}
    docs = [Document(id_=name, text=" ".join(part), metadata={"source": name}) for name, part in parts.items()]
    options = settings(tmp_path / "s", passage=60)
    small = options.model_copy(update={"ingest": options.ingest.model_copy(update={"chunk_sentences": 5})})
    with build(docs, small, Counting()) as index:
        first = stored(index, "b")
    with build(docs[1:], settings(tmp_path / "t", passage=60), Counting()) as index:
        np.testing.assert_allclose(stored(index, "b"), first, atol=1e-5)


def by_hand(model: SentenceTransformerModel, passage: str, span: tuple[int, int]) -> np.ndarray:
    """The mean of a sentence's tokens in its passage, plus the passage's, straight from transformers."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model.model)  # the model's own would lose its limit
    tokens = tokenizer(passage, return_offsets_mapping=True, return_tensors="pt")
    offsets = tokens.pop("offset_mapping")[0].tolist()
    with torch.inference_mode():
        states = AutoModel.from_pretrained(model.model)(**tokens).last_hidden_state[0].float().numpy()
    own = [row for row, (a, b) in enumerate(offsets) if b > a and b > span[0] and a < span[1]]
    parts = [states[own].mean(axis=0), states.mean(axis=0)]
    return np.asarray(sum(part / np.linalg.norm(part) for part in parts) / 2)


def test_one_pass_gives_each_sentence_its_tokens_and_its_passage(bert: SentenceTransformerModel) -> None:
    passages = passages_of([SentenceRecord("d", n, s, after=" ") for n, s in enumerate(SENTENCES[:6])], 30)
    texts, spans = [p.text for p in passages], [p.spans for p in passages]
    found = read_passages(bert, texts, spans)
    wanted = [by_hand(bert, text, span) for text, parts in zip(texts, spans, strict=True) for span in parts]
    assert sentences_of(texts, spans) == SENTENCES[:6]
    np.testing.assert_allclose(found.dense, wanted, atol=2e-5)


def test_a_sentence_that_the_model_cuts_off_is_read_by_itself(bert: SentenceTransformerModel) -> None:
    start = len("kiln glaze " * 60)
    passage = "kiln glaze " * 60 + "The salt stands on the shelf."
    found = read_passages(bert, [passage], [[(0, 4), (start, len(passage))]])
    alone = bert.embed(["The salt stands on the shelf."], query=False).dense[0]
    assert found.dense[1] @ alone > 0.5 and np.isfinite(found.dense).all()


@pytest.fixture
def counted(bert: SentenceTransformerModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    read: list[str] = []
    states = bert.token_states

    def counting(texts: list[str]) -> object:
        read.extend(texts)
        return states(texts)

    monkeypatch.setattr(bert, "token_states", counting)
    yield read


def test_the_cache_keeps_sentences_by_their_passage(
    bert: SentenceTransformerModel, counted: list[str], tmp_path: Path
) -> None:
    def spans(text: str) -> list[tuple[int, int]]:
        return [(0, text.index(".") + 1), (text.index(".") + 2, len(text))]

    texts = ["The kiln stands. The ash lies.", "The clay stands. The salt lies.", "The kiln stands. The bowl lies."]
    encoder = cached(PairedEncoder(bert, None), tmp_path)
    first = encoder.encode_passages(texts[:2], [spans(t) for t in texts[:2]])
    again = encoder.encode_passages(texts, [spans(t) for t in texts])
    assert counted == texts  # each passage once
    np.testing.assert_array_equal(again.dense[:4], first.dense)
    np.testing.assert_allclose(again.dense, read_passages(bert, texts, [spans(t) for t in texts]).dense, atol=1e-5)
    assert np.abs(again.dense[0] - again.dense[4]).max() > 1e-3  # the same sentence in another passage
    encoder.close()


def test_a_model_without_token_states_reads_sentence_and_passage() -> None:
    model = Counting()
    found = read_passages(model, ["Clay is wet. Ash is dry."], [[(0, 12), (13, 24)]])
    assert model.texts == ["Clay is wet.", "Ash is dry.", "Clay is wet. Ash is dry."]
    own = model.embed(model.texts[:3], query=False).dense
    np.testing.assert_allclose(found.dense, mean_of(own[:2], own[2:]), atol=1e-6)


def test_borders_are_the_same_wherever_a_run_begins() -> None:
    records = [SentenceRecord("d", n, text, after=" ") for n, text in enumerate(SENTENCES)]
    borders = PassageBorders(60)
    starts = [n for n, record in enumerate(records) if borders.begins(record)]
    again = PassageBorders(60)
    assert [n + starts[2] for n, r in enumerate(records[starts[2] :]) if again.begins(r)] == starts[2:]


@pytest.mark.parametrize("reading", ["once", "twice"])
def test_no_encoding_of_a_deleted_passage_stays(bert: SentenceTransformerModel, tmp_path: Path, reading: str) -> None:
    parts = {"gone": SENTENCES[:12], "kept": SENTENCES[12:20]}
    docs = [Document(id_=name, text=" ".join(part), metadata={"source": name}) for name, part in parts.items()]
    options = settings(tmp_path / "s", passage=30, passage_reading=reading)
    kept = settings(tmp_path / "t", passage=30, passage_reading=reading)
    encoder = PairedEncoder(bert, Bm25())
    for source, where in ((docs, options), (docs[1:], kept)):
        build_index(source, collection="c", settings=where, encoder=encoder).close()
    assert keys_in_cache(options) > keys_in_cache(kept)
    with open_index("c", settings=options, encoder=encoder) as index:
        index.delete("gone")
        assert index.erase().done
    assert keys_in_cache(options) == keys_in_cache(kept)
