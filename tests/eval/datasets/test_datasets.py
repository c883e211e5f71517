"""Datasets: five formats read, recognised, converted; ids survive; every bad row is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eval.datasets import FORMATS, CorpusPassage, Dataset, convert, load_dataset, recognise
from indexes.errors import SourceError

IDS = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=6)
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda text: text.strip())
TARGET = {"beir": "out", "trec": "out", "mteb": "out.jsonl", "llama-index": "out.json", "flag-embedding": "out.jsonl"}


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    names = draw(st.lists(IDS, min_size=1, max_size=5, unique=True))
    corpus = {name: CorpusPassage(name, draw(st.sampled_from(["", "Title", "标题"])), draw(TEXT)) for name in names}
    queries = {name: draw(TEXT) for name in draw(st.lists(IDS, min_size=1, max_size=3, unique=True))}
    judged = st.dictionaries(st.sampled_from(names), st.integers(0, 3), min_size=1)
    answers = st.sampled_from([{}, {"answers": ["一"]}, {"answers": [["a", "b"], ["c"]], "fakeanswer": "x"}])
    extra = {query: found for query in queries if (found := draw(answers))}
    return Dataset("made", corpus, queries, {query: draw(judged) for query in queries}, extra)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dataset=datasets())
def test_ids_questions_judgements_and_answers_survive(tmp_path: Path, form: str, dataset: Dataset) -> None:
    folder = tmp_path / form
    if folder.exists():
        for file in sorted(folder.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
    folder.mkdir(exist_ok=True)
    target = folder / TARGET[form]
    convert(dataset, target, form)
    assert recognise(target) == form
    back = load_dataset(target)
    assert back.queries == dataset.queries
    assert back.qrels == dataset.qrels
    assert back.extra == dataset.extra
    for identity, passage in back.corpus.items():
        assert passage.content == dataset.corpus[identity].content
    if form in ("beir", "trec", "llama-index"):
        assert back.hash == dataset.hash


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dataset=datasets(), forms=st.permutations(FORMATS))
def test_ids_survive_a_journey_through_all_formats(tmp_path: Path, dataset: Dataset, forms: list[str]) -> None:
    current = dataset
    for step, form in enumerate(forms):
        folder = tmp_path / f"{step}"
        folder.mkdir(exist_ok=True)
        target = folder / f"{form}-{abs(hash((dataset.hash, form)))}{TARGET[form].removeprefix('out')}"
        convert(current, target, form, overwrite=True)  # hypothesis tries similar datasets under one name
        current = load_dataset(target)
    assert current.queries == dataset.queries
    assert current.qrels == dataset.qrels


def beir(folder: Path, *, corpus: str = "", queries: str = "", qrels: str = "") -> Path:
    (folder / "qrels").mkdir(parents=True)
    if corpus:
        (folder / "corpus.jsonl").write_text(corpus, encoding="utf-8")
    (folder / "queries.jsonl").write_text(queries, encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text(qrels, encoding="utf-8")
    return folder


def test_beir_keeps_its_traps(tmp_path: Path) -> None:
    folder = beir(
        tmp_path / "b",
        corpus='{"_id": "d1", "title": "T", "text": "一\u2028二", "metadata": {"x": 1}}\n'
        '{"_id": "d2", "text": "two"}\n',
        queries='{"_id": "q1", "text": "one?", "answers": [["1", "one"], ["i"]]}\n'
        '{"_id": "q2", "text": "two?"}\n{"_id": "q3", "text": "of another split"}\n',
        qrels="query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t0\nq2\td1\t0\nq2\tgone\t1\n",
    )
    dataset = load_dataset(folder)
    assert list(dataset.queries) == ["q1", "q2"]
    assert dataset.qrels == {"q1": {"d1": 1, "d2": 0}, "q2": {"d1": 0, "gone": 1}}
    assert dataset.relevant("q1") == ["d1"]
    assert dataset.answers("q1") == [["1", "one"], ["i"]]
    assert dataset.corpus["d1"].content == "T\n\n一\u2028二"
    assert "gone" in dataset.notes[0]
    with pytest.raises(SourceError, match="test"):
        load_dataset(folder, "train")


def test_every_bad_row_of_every_file_is_reported(tmp_path: Path) -> None:
    folder = beir(
        tmp_path / "b",
        corpus='{"_id": "d1", "text": "a"}\nnot json\n{"_id": "d1", "text": "again"}\n'
        '[1]\n{"_id": "d2", "text": 5.5}\n',
        queries='{"_id": "q1", "text": ""}\n{"_id": "q2", "text": "fine?"}\n',
        qrels="query-id\tcorpus-id\tscore\nq2\td1\tmaybe\nq2 d1 1\nq9\td1\t1\nq2\td1\t1\nq2\td1\t0\n",
    )
    with pytest.raises(SourceError) as caught:
        load_dataset(folder)
    said = str(caught.value)
    corpus, queries, qrels = (said.index(name) for name in ("corpus.jsonl", "queries.jsonl", "test.tsv"))
    assert all(f"line {n}:" in said[corpus:queries] for n in (2, 3, 4, 5))
    assert "line 1:" in said[queries:qrels]
    assert all(f"line {n}:" in said[qrels:] for n in (2, 3, 4, 6))


def test_mteb_rows_of_others(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        {"query": "first?", "positive": ["yes"], "negative": ["no", "no", "never"]},
        {"query": "second?", "positive": ["yes", "oui"], "documents": ["never", "yes"]},
        {"query": "third?", "positive": [], "negative": ["no"]},
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    dataset = load_dataset(path)
    texts = {identity: passage.text for identity, passage in dataset.corpus.items()}
    assert [[texts[d] for d in listed] for listed in dataset.candidates.values()] == [
        ["yes", "no", "never"],
        ["never", "yes"],
        ["no"],
    ]
    second = {texts[d]: value for d, value in dataset.qrels["q2"].items()}
    assert second == {"yes": 1, "oui": 1, "never": 0}  # "oui" is wanted, though its list lacks it
    assert list(dataset.qrels["q3"].values()) == [0]
    assert "twice" in dataset.notes[0]
    back_path = tmp_path / "back.jsonl"
    convert(dataset, back_path, "mteb")
    assert load_dataset(back_path).hash == dataset.hash

    path.write_text(
        '{"query": "q?", "positive": ["a"], "negative": ["a"]}\n{"query": 3.5, "positive": "x", "negative": []}'
    )
    with pytest.raises(SourceError, match=r"line 1: a text is both positive and negative.*line 2"):
        load_dataset(path)


def test_trec_with_its_files_beside(tmp_path: Path) -> None:
    (tmp_path / "my.qrels").write_text("1 0 d1 2\n1 0 d2 0\n2 0 d2 -1\n", encoding="utf-8")
    (tmp_path / "queries.tsv").write_text("1\tone?\n2\ttwo\tparts?\n", encoding="utf-8")
    dataset = load_dataset(tmp_path)
    assert dataset.queries == {"1": "one?", "2": "two\tparts?"}
    assert dataset.qrels == {"1": {"d1": 2, "d2": 0}, "2": {"d2": -1}}
    assert dataset.corpus == {}
    assert load_dataset(tmp_path / "my.qrels").qrels == dataset.qrels
    with pytest.raises(SourceError, match="white space"):
        convert(Dataset("x", {}, {"a b": "?"}, {"a b": {"d": 1}}), tmp_path / "out", "trec")


def test_llama_index_files_as_the_library_writes_them(tmp_path: Path) -> None:
    # EmbeddingQAFinetuneDataset.save_json: escaped, indented, in the locale's encoding. (The class itself lives in
    # llama-index-finetuning, which this project does not need otherwise.)
    theirs = {"queries": {"q": "问？"}, "corpus": {"n": "答。"}, "relevant_docs": {"q": ["n"]}, "mode": "text"}
    (tmp_path / "theirs.json").write_text(json.dumps(theirs, indent=4), encoding="ascii")
    ours = load_dataset(tmp_path / "theirs.json")
    assert (ours.queries, ours.qrels, ours.corpus["n"].text) == ({"q": "问？"}, {"q": {"n": 1}}, "答。")
    convert(ours, tmp_path / "ours.json", "llama-index")
    assert json.loads((tmp_path / "ours.json").read_text(encoding="utf-8")) == theirs
    (tmp_path / "locale.json").write_bytes((tmp_path / "ours.json").read_text(encoding="utf-8").encode("gb18030"))
    assert load_dataset(tmp_path / "locale.json").queries == {"q": "问？"}


def test_flag_embedding_rows_are_fit_for_training(tmp_path: Path) -> None:
    dataset = Dataset("x", {n: CorpusPassage(n, "", f"text {n}") for n in "abc"}, {"q": "?"}, {"q": {"a": 1}})
    notes = convert(dataset, tmp_path / "train.jsonl", "flag-embedding", negatives=2)
    row = json.loads((tmp_path / "train.jsonl").read_text())
    assert (row["pos"], sorted(row["neg"])) == (["text a"], ["text b", "text c"])
    assert any("drawn at random" in note for note in notes)
    assert load_dataset(tmp_path / "train.jsonl").qrels == {"q": {"a": 1}}  # the drawn ones are no judgements
    texts = {
        "a": "The gate is shut at dusk.",
        "a2": "the gate is shut at DUSK",
        "b": "At dusk.",
        "c": "A fence of oak.",
    }
    asked = {"q": "When is the gate shut?", "r": "when is the gate shut"}
    same = Dataset("x", {n: CorpusPassage(n, "", t) for n, t in texts.items()}, asked, {"q": {"a": 1}, "r": {"b": 1}})
    convert(same, tmp_path / "same.jsonl", "flag-embedding", negatives=2)
    rows = [json.loads(line) for line in (tmp_path / "same.jsonl").read_text().splitlines()]
    assert [row["neg"] for row in rows] == [[texts["c"]]] * 2  # what answers one of them is not a negative of the other
    with pytest.raises(SourceError, match="no_in_batch_neg"):
        convert(dataset, tmp_path / "x_no_in_batch_neg.jsonl", "flag-embedding")
    scored = {"query": "?", "pos": ["p"], "neg": ["n", "m"], "pos_scores": [0.9], "neg_scores": [0.1]}
    (tmp_path / "bad.jsonl").write_text(json.dumps(scored))
    with pytest.raises(SourceError, match="neg_scores"):
        load_dataset(tmp_path / "bad.jsonl")


def test_what_is_no_dataset_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no dataset at"):
        load_dataset(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="not a dataset"):
        load_dataset(tmp_path)
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(SourceError, match="unknown format"):
        load_dataset(tmp_path / "x.json")
