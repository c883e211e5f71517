"""Teachers: every kind gives scores on demand; they are computed once, kept, and survive a killed run."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.finetune.lessons.teachers import MeanTeacher, build_teacher, teacher_scores
from eval.finetune.lessons.training_set import Example, TrainingSet
from indexes.errors import EncoderError, RerankerError, SettingsError, SourceError
from rag import load_settings
from rag.settings import Settings
from tests.eval.finetune.harbour import documents, questions, tiny_bert, write_harbour
from tests.tiny_models import tiny_qwen3_reranker


class Words:
    """Counts common words, and how often it was asked."""

    name = "words"

    def __init__(self, fingerprint: str = "0" * 16) -> None:
        self.fingerprint = fingerprint
        self.asked = 0

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        self.asked += 1
        words = set(question.lower().split())
        return [float(len(words & set(text.lower().split()))) for text in texts]


@pytest.fixture
def training() -> TrainingSet:
    texts = {"a#0-2": "the ferry leaves", "b": "bread is sold", "c": "the lamp is lit"}
    return TrainingSet(
        [
            Example("q1", "when does the ferry leave", ("a#0-2",), ("b", "c")),
            Example("q2", "who sells bread", ("b",), ("a#0-2",)),
        ],
        texts,
    )


@pytest.fixture(scope="session")
def teacher_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    path = str(tmp_path_factory.mktemp("teachers") / "store")
    changes = {"encoder.provider": "minilm", "rerank.provider": "none", "rerank.dtype": "float32", "store.path": path}
    return load_settings(profile="offline", **changes)


def test_scores_are_computed_once_and_kept(training: TrainingSet, tmp_path: Path) -> None:
    teacher, path = Words(), tmp_path / "teacher.jsonl"
    first = teacher_scores(teacher, training, path)
    assert first == {"q1": {"a#0-2": 2.0, "b": 0.0, "c": 1.0}, "q2": {"b": 1.0, "a#0-2": 0.0}}
    assert teacher.asked == 2
    assert teacher_scores(teacher, training, path) == first
    assert teacher.asked == 2


def test_a_teacher_on_a_server_is_asked_about_several_lists_at_once(training: TrainingSet, tmp_path: Path) -> None:
    training.examples += [replace(training.examples[0], query=f"again-{number}") for number in range(9)]
    alone, several = Words(), Words()
    several.parallel = 4  # type: ignore[attr-defined]
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    assert teacher_scores(alone, training, one) == teacher_scores(several, training, other)
    assert one.read_text() == other.read_text()


def test_two_lists_of_a_question_keep_both_their_scores(training: TrainingSet, tmp_path: Path) -> None:
    training.texts["d"] = "a line\u2028of a ferry"  # a separator that is not an end of a row
    training.examples.append(Example("q1", "when does the ferry leave", ("d",), ("c",)))
    path = tmp_path / "teacher.jsonl"
    found = teacher_scores(Words(), training, path)
    assert set(found["q1"]) == {"a#0-2", "b", "c", "d"}
    again = Words()
    assert teacher_scores(again, training, path) == found and again.asked == 0


def test_a_killed_run_goes_on_where_it_was(training: TrainingSet, tmp_path: Path) -> None:
    path = tmp_path / "teacher.jsonl"
    whole = teacher_scores(Words(), training, path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])  # killed while it wrote the last line
    again = Words()
    assert teacher_scores(again, training, path) == whole
    assert again.asked == 1
    assert path.read_bytes() == b"".join(lines)


def test_changed_texts_are_scored_again_and_another_teacher_is_refused(training: TrainingSet, tmp_path: Path) -> None:
    path = tmp_path / "teacher.jsonl"
    teacher_scores(Words(), training, path)
    training.texts["b"] = "the ferry is late"
    assert teacher_scores(Words(), training, path)["q1"]["b"] == 2.0
    with pytest.raises(SettingsError, match="another teacher"):
        teacher_scores(Words("f" * 16), training, path)


@pytest.mark.parametrize(
    "rows",
    [
        [
            {"query": "q1", "id": "a", "score": 3},  # the document of a window
            {"query": "q1", "id": "b", "score": -1.5},
            {"query": "who sells bread", "text": "bread is sold", "score": 2},
            {"query": "q2", "id": "a#0-2", "score": 0},
        ],
        [
            {
                "query": "when does the ferry leave",
                "pos": ["the ferry leaves"],
                "neg": ["bread is sold"],
                "pos_scores": [3],
                "neg_scores": [-1.5],
            },
            {"query": "who sells bread", "pos": ["bread is sold"], "neg": ["the ferry leaves"], "pos_scores": [2]}
            | {"neg_scores": [0]},
        ],
        [
            {"teacher": "words", "fingerprint": "0"},
            {"query": "q1", "scores": {"a#0-2": 3.0, "b": -1.5}},
            {"query": "q2", "scores": {"b": 2.0, "a#0-2": 0.0}},
        ],
        [
            {"query": "when does the ferry leave", "passage": "the ferry leaves", "score": 3},
            {"query": "when does the ferry leave", "document": "bread is sold", "logits": [-1.5]},
            {"question": "who sells bread", "passage": "bread is sold", "logits": [-1, 1]},  # [no, yes]
            {"query": "who sells bread", "text": "the ferry leaves", "label": 0},
        ],
        [
            {"query": "q1", "positive": "the ferry leaves", "negative": "bread is sold", "label": [3, -1.5]},
            {"query": "q2", "positive": ["bread is sold"], "negative": ["the ferry leaves"], "positive_scores": [2]}
            | {"negative_scores": [0]},
        ],
    ],
)
def test_scores_of_a_file(rows: list[dict[str, Any]], training: TrainingSet, tmp_path: Path) -> None:
    file = tmp_path / "scores.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    teacher = build_teacher(f"file:{file}", load_settings(profile="offline"))
    found = teacher_scores(teacher, training, tmp_path / "teacher.jsonl")
    # "c" has no score in any of them, and is left out
    assert found == {"q1": {"a#0-2": 3.0, "b": -1.5}, "q2": {"b": 2.0, "a#0-2": 0.0}}


def test_differences_give_scores_that_have_them(training: TrainingSet, tmp_path: Path) -> None:
    file = tmp_path / "margin_sampled.jsonl"
    rows = [
        {
            "query": "when does the ferry leave",
            "positive": "the ferry leaves",
            "negative": "bread is sold",
            "score": 4.5,
        },
        {"query": "who sells bread", "positive": "bread is sold", "negative": "the ferry leaves", "label": 2.0},
        {"query": "who sells bread", "positive": "the ferry leaves", "negative": "cats sleep", "label": 1.0},
    ]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    teacher = build_teacher(f"file:{file}", load_settings(profile="offline"))
    found = teacher_scores(teacher, training, tmp_path / "teacher.jsonl")
    assert found["q1"]["a#0-2"] - found["q1"]["b"] == pytest.approx(4.5)
    assert found["q2"]["b"] - found["q2"]["a#0-2"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"query": "q1", "passage": "x", "rating": 3}', r"needs .*unknown: 'rating'"),
        (
            '{"query": "q1", "positive": "x", "negative": "y", "label": [1, 2, 3]}',
            "neither 2 scores, one per text",
        ),
        ('{"query": "q1", "pos": ["x"], "pos_scores": []}', "differ in length"),
        ('{"query": "q1", "id": "a", "score": "high"}', "not a score of a text"),
        ('{"id": "a", "score": 1}', 'needs a "query"'),
        ("", "has no teacher scores"),
    ],
)
def test_a_bad_file_is_named_with_its_lines(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "scores.jsonl"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SourceError, match=said):
        build_teacher(f"file:{file}", load_settings(profile="offline"))


def test_a_file_without_a_usable_pair_is_refused(training: TrainingSet, tmp_path: Path) -> None:
    file = tmp_path / "scores.jsonl"
    file.write_text('{"query": "q1", "id": "a", "score": 1}\n{"query": "q9", "id": "b", "score": 1}')
    teacher = build_teacher(f"file:{file}", load_settings(profile="offline"))
    with pytest.raises(SourceError, match="both a positive and a negative"):
        teacher_scores(teacher, training, tmp_path / "teacher.jsonl")


def test_several_teachers_are_the_mean_of_their_standard_scores() -> None:
    class Fixed(Words):
        def __init__(self, values: list[float]) -> None:
            super().__init__()
            self.values = values

        def score(self, question: str, texts: Sequence[str]) -> list[float]:
            return self.values

    large, small = Fixed([100.0, 300.0, 200.0]), Fixed([0.3, 0.1, 0.2])
    assert MeanTeacher([large, small]).score("q", ["a", "b", "c"]) == pytest.approx([0.0, 0.0, 0.0])
    unknown = MeanTeacher([large, Fixed([float("nan"), 0.1, 0.2])]).score("q", ["a", "b", "c"])
    assert np.isnan(unknown[0]) and unknown[1] == pytest.approx((1.2247448 - 1) / 2)
    flat = MeanTeacher([large, Fixed([5.0, 5.0, 5.0])]).score("q", ["a", "b", "c"])
    assert flat == pytest.approx([-0.6123724, 0.6123724, 0.0])


def test_models_of_this_machine(teacher_settings: Settings, tmp_path: Path) -> None:
    from rag.rerankers import build_reranker

    folder = tiny_bert(tmp_path / "cross", labels=1)
    texts = ["The Alcon landed her cargo.", "Her rudder was mended."]
    teacher = build_teacher(f"cross_encoder:{folder}", teacher_settings)
    direct = build_reranker(
        teacher_settings.rerank.model_copy(update={"provider": "cross_encoder", "model": str(folder)})
    )
    assert direct is not None
    assert (
        teacher.score("Where did the Alcon land?", texts)
        == direct.score("Where did the Alcon land?", texts).raw.tolist()
    )
    cosine = build_teacher("embedder:minilm", teacher_settings, cache=tmp_path / "cache")
    near, far = cosine.score("a dog barks", ["a hound is barking", "stock markets fell"])
    assert 1 > near > far > -1
    assert teacher.score("q", []) == cosine.score("q", []) == []


def test_a_language_model_that_reranks_teaches(teacher_settings: Settings, tmp_path: Path) -> None:
    from rag.rerankers import build_reranker
    from rag.rerankers.yes_no import PREFIX, SUFFIX

    texts = ["The Alcon landed her cargo.", "Her rudder was mended."]
    folder = tiny_qwen3_reranker(tmp_path / "qwen3", [*texts, PREFIX, SUFFIX])
    changes = {"provider": "llm", "model": str(folder)}
    direct = build_reranker(teacher_settings.rerank.model_copy(update=changes))
    assert direct is not None
    teacher = build_teacher(f"llm:{folder}", teacher_settings)
    assert (
        teacher.score("Where did the Alcon land?", texts)
        == direct.score("Where did the Alcon land?", texts).raw.tolist()
    )


def test_the_pipeline_teaches_its_fused_scores(teacher_settings: Settings, tmp_path: Path) -> None:
    from eval import load_dataset
    from eval.measure.session import Session

    dataset = load_dataset(write_harbour(tmp_path / "harbour"), "test")
    query, (question, note) = next((q, row) for q, row in questions().items() if q in dataset.queries)
    with Session(dataset, cache=tmp_path / "cache") as session:
        retriever = session.retriever(teacher_settings)
        found = {c.record.doc_id: c for c in reversed(retriever.search(question).candidates)}
        best = found[note]
        far = next(name for name in documents() if name not in found)
        texts = {note: dataset.corpus[note].content, far: dataset.corpus[far].content, f"{note}#0-0": "its first"}
        texts[f"{note}#{best.record.position}-{best.record.position}"] = best.record.text
        training = TrainingSet([Example(query, question, tuple(texts)[:1], tuple(texts)[1:])], texts)
        teacher = build_teacher("pipeline", teacher_settings, retriever=retriever)
        scores = teacher_scores(teacher, training, tmp_path / "teacher.jsonl")[query]
        lowest = min(c.fused_score for c in retriever.search(question).candidates)
    assert scores[note] == scores[f"{note}#{best.record.position}-{best.record.position}"] == best.fused_score
    assert scores[far] == lowest  # not found at all


@pytest.fixture
def server() -> Iterator[str]:
    """Both of a server's teaching calls: longer documents are more relevant, and a vector points along its length."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path.endswith("/rerank"):
                answer: Any = {
                    "results": [
                        {"index": i, "relevance_score": len(text) / 100} for i, text in enumerate(body["documents"])
                    ]
                }
            elif self.path.endswith("/embeddings"):
                texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
                vectors = [[1.0, len(text) / 100] for text in texts]
                answer = {"data": [{"index": i, "embedding": v} for i, v in enumerate(vectors)], "model": "m"}
            else:
                self.send_error(404)
                return
            data = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_port}/v1"
    found.shutdown()


def test_a_server_reranks_or_embeds(server: str, teacher_settings: Settings, tmp_path: Path) -> None:
    texts = ["short", "a longer document"]
    reranks = build_teacher(f"server:{server}#big-reranker", teacher_settings)
    assert reranks.score("question", texts) == pytest.approx([0.05, 0.17])
    embeds = build_teacher(f"server:{server}/embeddings#big-embedder", teacher_settings, cache=tmp_path)
    asked = np.array([1, 0.08]) / np.hypot(1, 0.08)
    wanted = [float(asked @ (np.array([1, n / 100]) / np.hypot(1, n / 100))) for n in (5, 17)]
    assert embeds.score("question", texts) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    ("spec", "error", "said"),
    [
        ("oracle", SettingsError, "is not a teacher"),
        ("file:", SettingsError, "is not a teacher"),
        ("server:127.0.0.1#m", SettingsError, "is not a teacher"),
        ("server:http://127.0.0.1:1/v1", SettingsError, "is not a teacher"),
        ("pipeline", SettingsError, "needs a retriever"),
        ("embedder:ollama", SettingsError, "does not name a model"),
        ("file:/nowhere/scores.jsonl", SourceError, "no file of teacher scores"),
        ("cross_encoder:/nowhere/model", RerankerError, "neither a folder"),
        ([], SettingsError, "no teacher is named"),
    ],
)
def test_what_cannot_teach_is_told(
    spec: str | list[str], error: type[Exception], said: str, teacher_settings: Settings
) -> None:
    with pytest.raises(error, match=said):
        build_teacher(spec, teacher_settings)


def test_a_server_that_is_down_is_told(teacher_settings: Settings, tmp_path: Path) -> None:
    for spec in ("server:http://127.0.0.1:9/v1#m", "server:http://127.0.0.1:9/v1/embeddings#m"):
        with pytest.raises((RerankerError, EncoderError), match=r"cannot be reached|127\.0\.0\.1:9"):
            build_teacher(spec, teacher_settings, cache=tmp_path).score("q", ["t"])
