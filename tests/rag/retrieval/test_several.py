"""Several collections searched as one rank as one collection that holds everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from llama_index.core.schema import Document

from indexes import Index, build_index
from indexes.errors import StoreError
from rag import Settings, build_query_engine, build_retriever
from rag.retrieval.several import SeveralIndexes, TermCounter, joined, parted
from tests.indexes.words_model import words_model

LOADS = ("gravel", "timber", "grain", "coal", "salt", "slate", "peat", "wool", "clay", "chalk")
BARGES = {
    f"b{n}": f"Barge {name} carries {load}. It sails at {n + 5} from the old quay. The skipper of {name} keeps a dog."
    for n, (name, load) in enumerate(zip("Ada Bo Cy Di Ed Fay Gil Hal Ivo Jo".split(), LOADS, strict=True))  # noqa: SIM905
}
GARDEN = {
    "g0": "The gate closes at dusk. A dog stays on the lead.",
    "g1": "Peat is forbidden. Compost lies at the gate.",
}
QUESTIONS = ("Who keeps a dog?", "Is peat forbidden in the garden?", "When does barge Cy with grain sail?", "salt")


def documents(texts: dict[str, str]) -> list[Document]:
    return [Document(text=text, id_=name, metadata={"source": f"{name}.md"}) for name, text in texts.items()]


@pytest.fixture(scope="module", params=["edge", ":memory:"])
def built(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Index]]:
    """Two collections, and one that holds what both do, in the embedded engine and in the client's local mode."""
    where: dict[str, Any] = {"url": request.param}
    if request.param == "edge":
        where = {"path": str(tmp_path_factory.mktemp("several")), "quantization": "none"}
    settings = Settings.model_validate({"store": where, "rerank": {"provider": "none"}, "llm": {"provider": "none"}})
    encoder, found = words_model(1), dict[str, Index]()
    client = None
    for name, texts in {"barges": BARGES, "garden": GARDEN, "all": {**BARGES, **GARDEN}}.items():
        options: dict[str, Any] = {} if client is None else {"client": client}
        found[name] = build_index(documents(texts), collection=name, settings=settings, encoder=encoder, **options)
        client = found[name].client if request.param == ":memory:" else None
    yield found
    for index in reversed(found.values()):
        index.close()


def searched(index: Any, question: str, settings: Settings, **options: Any) -> list[tuple[str, float]]:
    retriever = build_retriever(index, settings=settings, rerank=False, **options)
    found = retriever.search(question).candidates
    return sorted(((one.record.text, one.score) for one in found), key=lambda row: (-round(row[1], 5), row[0]))


@pytest.mark.parametrize("fusion", ["minmax", "rrf", "dense", "sparse"])
def test_they_rank_as_one_collection_would(built: dict[str, Index], fusion: Any) -> None:
    settings: Any = built["all"].settings
    together: Any = SeveralIndexes({name: built[name] for name in ("barges", "garden")})
    for question in QUESTIONS:
        for top_k in (3, 50):
            one = searched(built["all"], question, settings, fusion=fusion, top_k=top_k)
            several = searched(together, question, settings, fusion=fusion, top_k=top_k)
            if top_k == 50:  # at a cut, ids decide between equal scores
                assert [text for text, _ in several] == [text for text, _ in one], question
            assert [score for _, score in several] == pytest.approx([score for _, score in one], abs=1e-4), question


def test_long_questions_rank_as_in_one_collection(built: dict[str, Index]) -> None:
    question = "Which skipper of a barge that carries grain, coal, salt, slate or peat keeps a dog at the old quay?"
    settings: Any = built["all"].settings
    longer = settings.model_copy(
        update={"retrieval": settings.retrieval.model_copy(update={"long_sparse": 0.2, "long_near": 0.5})}
    )
    together: Any = SeveralIndexes({name: built[name] for name in ("barges", "garden")})
    one, several = (searched(index, question, longer) for index in (built["all"], together))
    assert [text for text, _ in several] == [text for text, _ in one]
    assert [score for _, score in several] == pytest.approx([score for _, score in one], abs=1e-4)
    assert [score for _, score in one] != pytest.approx([s for _, s in searched(built["all"], question, settings)])


def test_terms_are_counted_by_what_the_engine_makes_of_them(built: dict[str, Index]) -> None:
    lexical = built["all"].encoder.encode_queries(["dog quay peat zebra"]).sparse
    assert lexical is not None
    terms = lexical[0].indices.tolist()
    for name, texts in {"barges": BARGES, "garden": GARDEN}.items():
        counter = TermCounter(built[name].store)
        counted = counter.count(terms)
        assert counted is not None and counted.sentences == built[name].store.count()
        rows = " ".join(texts.values()).replace(". ", ".\n").splitlines()
        wanted = sorted(sum(word in row.lower() for row in rows) for word in ("dog", "quay", "peat", "zebra"))
        # a node's terms are those of its neighbours too, so the counts are at least those of the sentences
        assert all(found >= least for found, least in zip(sorted(counted.held.values()), wanted, strict=True))
        assert counter.count(terms) == counted


def test_equal_files_keep_their_collections(built: dict[str, Index]) -> None:
    """The same document in both: each hit opens its own, its window is read there, and it is said once."""
    settings: Any = built["all"].settings
    together: Any = SeveralIndexes({"one": built["barges"], "two": built["all"]})
    retriever = build_retriever(together, settings=settings, rerank=False, top_k=50)
    found = retriever.search("Which barge carries timber?")
    ids = [candidate.id for candidate in found.candidates]
    assert len(set(ids)) == len(ids)
    best = [one for one in found.candidates if "timber" in one.record.text]
    assert {parted(one.record.doc_id) for one in best} == {("one", "b1"), ("two", "b1")}
    assert {parted(one.id)[1] for one in best} == {
        next(r.id for r in built["all"].document("b1") if "timber" in r.text)
    }
    for one in best:
        name = parted(one.id)[0]
        assert "skipper of Bo" in str(one.window) and one.record.source == "b1.md"
        assert {parted(record.doc_id)[0] for record in found.windows[one.id]} == {name}
    answer = build_query_engine(together, settings=settings, rerank=False).query("Which barge carries timber?")
    metadata: Any = answer.metadata
    assert metadata["status"] == "extractive" and len(metadata["citations"]) >= 1
    assert str(answer).count("carries timber") == 1
    assert parted(metadata["citations"][0]["doc_id"])[1] == "b1"


def test_one_that_fails_is_left_out_and_said(built: dict[str, Index], monkeypatch: pytest.MonkeyPatch) -> None:
    settings: Any = built["all"].settings
    together: Any = SeveralIndexes(
        {"barges": built["barges"], "garden": built["garden"]}, {"attic": "another model built it"}
    )

    def broken(*_: Any, **__: Any) -> Any:
        raise StoreError("its files are damaged", remedy="run 'rag verify'")

    monkeypatch.setattr(built["garden"].store, "hybrid_search", broken)
    found = build_retriever(together, settings=settings, rerank=False).search("Who keeps a dog?")
    assert {parted(one.id)[0] for one in found.candidates} == {"barges"}
    assert found.trace.note_kinds == ["left_out", "left_out"]
    assert "'attic' was not searched, since another model" in found.trace.notes[0]
    assert "'garden' was not searched, since its files are damaged" in found.trace.notes[1]
    monkeypatch.setattr(built["barges"].store, "hybrid_search", broken)
    with pytest.raises(StoreError, match="damaged"):
        build_retriever(together, settings=settings, rerank=False).search("Who keeps a dog?")


def test_an_id_carries_its_collection_and_gives_it_back() -> None:
    assert parted(joined("handbook", "a/b.md#2")) == ("handbook", "a/b.md#2")
    assert parted("a.md") == ("", "a.md") and parted("a.md", "garden") == ("garden", "a.md")
